# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What keeps a copy in step: a note of every key that changes in the table, made by whoever changes it.

A note costs a writer one more insert and cannot fail for what the copy is like:
that it does not fit is ours to find out, not our users'. The copy is brought up
to date from the table itself, for the keys noted, so that doing it twice does
no harm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.extent import log_name
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.state import CHECK, Scene, hidden
from ansible_collections.runbook.postgres.plugins.module_utils._partition.names import quoted
from ansible_collections.runbook.postgres.plugins.module_utils._session import compose, identifier, joined, literal

# By who owns the table, whoever writes to it. A note of nothing says that all rows went at once.
BODY = """
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        INSERT INTO {log} DEFAULT VALUES;
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO {log} VALUES ({old});
    END IF;
    IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND ({new}) IS DISTINCT FROM ({old})) THEN
        INSERT INTO {log} VALUES ({new});
    END IF;
    RETURN NULL;
END
"""

ROWS, ALL = f"{CHECK}_rows", f"{CHECK}_truncate"


def log(scene: Scene) -> Any:
    return identifier(scene.schema, log_name(scene.oid))


def function(scene: Scene) -> Any:
    return identifier(scene.schema, hidden(scene.oid))


def columns(key: Sequence[str]) -> list[str]:
    return [f"k{place}" for place in range(len(key))]


def made(scene: Scene, key: Sequence[str]) -> Iterator[Any]:
    """The notes, the function that makes them and, last because it waits for writers, the triggers."""
    table = identifier(scene.schema, scene.name)
    parts = [compose("{c} AS {k}", c=identifier(c), k=identifier(k)) for c, k in zip(key, columns(key))]
    yield compose(
        "CREATE TABLE {log} AS SELECT {parts} FROM {table} WITH NO DATA",
        log=log(scene),
        parts=joined(", ", parts),
        table=table,
    )
    named = {
        "log": f"{quoted(scene.schema)}.{quoted(log_name(scene.oid))}",
        "old": ", ".join(f"OLD.{quoted(each)}" for each in key),
        "new": ", ".join(f"NEW.{quoted(each)}" for each in key),
    }
    yield compose(
        "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER "
        "SET search_path = pg_catalog, pg_temp AS {body}",
        name=function(scene),
        body=literal(BODY.format(**named)),
    )
    yield compose("REVOKE ALL ON FUNCTION {name}() FROM PUBLIC", name=function(scene))
    # Whom default privileges let at new tables.
    for grantee in scene.traits.surplus:
        role = compose("PUBLIC") if grantee is None else identifier(grantee)
        yield compose("REVOKE ALL ON {log} FROM {role}", log=log(scene), role=role)
    for name, events in ((ROWS, "INSERT OR UPDATE OR DELETE"), (ALL, "TRUNCATE")):
        each = "ROW" if name == ROWS else "STATEMENT"
        yield compose(
            f"CREATE TRIGGER {{name}} AFTER {events} ON {{table}} FOR EACH {each} EXECUTE FUNCTION {{function}}()",
            name=identifier(name),
            table=table,
            function=function(scene),
        )
        # Also for what a subscription or a restore writes.
        yield compose("ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}", table=table, name=identifier(name))
    if not scene.traits.own:
        owner = identifier(scene.owner)
        yield compose("ALTER TABLE {log} OWNER TO {owner}", log=log(scene), owner=owner)
        yield compose("ALTER FUNCTION {name}() OWNER TO {owner}", name=function(scene), owner=owner)


def removed(scene: Scene, table: Any) -> Iterator[Any]:
    for name in (ROWS, ALL):
        yield compose("DROP TRIGGER IF EXISTS {name} ON {table}", name=identifier(name), table=table)
    yield compose("DROP FUNCTION IF EXISTS {name}()", name=function(scene))
    yield compose("DROP TABLE IF EXISTS {log}", log=log(scene))


def truncated(scene: Scene) -> Any:
    """A row when there is a note, which says whether one is of everything at once."""
    return compose("SELECT bool_or(k0 IS NULL) AS gone FROM {log} HAVING count(*) > 0", log=log(scene))


def replay(scene: Scene, key: Sequence[str], copy: Any, reached: Any | None) -> Iterator[Any]:
    """Bring the copy up to date for the keys noted; of the rows copied so far only, while there are more to come."""
    table = identifier(scene.schema, scene.name)
    stored = [identifier(each.name) for each in scene.columns if not each.generated]
    notes = columns(key)
    matching = joined(" AND ", [compose("x.{c} = l.{k}", c=identifier(c), k=identifier(k)) for c, k in zip(key, notes)])
    keys = joined(", ", [compose("x.{c}", c=identifier(c)) for c in key])
    noted = compose(
        "(SELECT DISTINCT {k} FROM {log}) l", k=joined(", ", [identifier(each) for each in notes]), log=log(scene)
    )
    # There are few notes and many rows; the server, which has no statistics yet, would not know.
    for way in ("hashjoin", "mergejoin", "seqscan"):
        yield compose(f"SET LOCAL enable_{way} = off")
    yield compose("DELETE FROM {copy} x USING {noted} WHERE {matching}", copy=copy, noted=noted, matching=matching)
    text = "INSERT INTO {copy} ({stored}) OVERRIDING SYSTEM VALUE SELECT {values} FROM {table} x"
    text += " JOIN {noted} ON {matching}"
    text += "" if reached is None else " WHERE ({keys}) <= ({reached})"
    yield compose(
        text,
        copy=copy,
        stored=joined(", ", stored),
        values=joined(", ", [compose("x.{c}", c=each) for each in stored]),
        table=table,
        noted=noted,
        matching=matching,
        keys=keys,
        reached=reached if reached is not None else compose(""),
    )
    yield compose("DELETE FROM {log}", log=log(scene))
