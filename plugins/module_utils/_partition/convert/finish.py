# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is left to do when the new table has taken the old one's place, and keeps nobody waiting.

The old table says so in its comment until it is done, so that a run which was
killed meanwhile is finished by the next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.build import raw
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session, compose, identifier, literal

_MARK = "runbook.postgres: converted to {title}, to be finished"

MARKED = """
SELECT n.nspname::text AS schema, c.relname::text AS name, d.description AS said
  FROM pg_description d JOIN pg_class c ON c.oid = d.objoid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE d.classoid = 'pg_class'::regclass AND d.objsubid = 0 AND split_part(d.description, E'\n', 1) = %(mark)s
 ORDER BY c.oid
"""

# Foreign keys that refer to the table and were put back without looking at all rows.
REFERENCES = """
SELECT n.nspname::text AS schema, c.relname::text AS "table", k.conname::text AS name
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE k.contype = 'f' AND k.conparentid = 0 AND NOT k.convalidated
   AND k.confrelid = (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                       WHERE n.nspname = %(schema)s AND c.relname = %(name)s)
 ORDER BY 1, 2, 3
"""

# Foreign keys of the partitions that are not their table's yet.
PARTS = """
SELECT n.nspname::text AS schema, c.relname::text AS "table", k.conname::text AS name, k.convalidated AS valid,
       regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', '') AS definition,
       obj_description(k.oid, 'pg_constraint') AS said
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'f' AND k.conparentid = 0
 WHERE i.inhparent = (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                       WHERE n.nspname = %(schema)s AND c.relname = %(name)s)
 ORDER BY c.oid, k.conname
"""


def converted(title: str, said: str | None) -> str:
    """What the old table says until all is done; what it said before follows."""
    mark = mark_of(title)
    return mark if said is None else f"{mark}\n{said}"


def mark_of(title: str) -> str:
    return _MARK.format(title=title.replace("\\", "\\\\").replace("\n", "\\n"))


def is_unfinished(session: Session, title: str) -> bool:
    return bool(session.fetch(MARKED, {"mark": mark_of(title)}))


class Finisher:
    """Each part by itself, tried again where a lock was not had; what is done already is passed over."""

    def __init__(self, session: Session, tried: Callable[[Callable[[], None]], None]) -> None:
        self._session, self._tried = session, tried

    def finish(self, schema: str, name: str) -> None:
        title, table = f"{schema}.{name}", identifier(schema, name)
        values = {"schema": schema, "name": name}
        for row in self._session.fetch(REFERENCES, values):
            self._validate(row)
        parts = self._session.fetch(PARTS, values)
        for row in parts:
            if not row["valid"]:
                self._validate(row)
        for key, row in {each["name"]: each for each in parts}.items():
            self._adopt(table, key, row)
        self._tried(lambda: self._run("ANALYZE {table}", table=table))
        for row in self._session.fetch(MARKED, {"mark": mark_of(title)}):
            said = str(row["said"]).partition("\n")[2] or None
            old = identifier(row["schema"], row["name"])
            self._tried(lambda old=old, said=said: self._run("COMMENT ON TABLE {t} IS {s}", t=old, s=literal(said)))  # type: ignore[misc]

    def _validate(self, row: dict[str, Any]) -> None:
        table, name = identifier(row["schema"], row["table"]), identifier(row["name"])
        self._tried(lambda: self._run("ALTER TABLE {t} VALIDATE CONSTRAINT {n}", t=table, n=name))

    def _adopt(self, table: Any, key: str, row: dict[str, Any]) -> None:
        """The table's own key, of which those of its partitions, proved already, become parts."""
        definition = compose(
            "ALTER TABLE {t} ADD CONSTRAINT {n} {d}", t=table, n=identifier(key), d=raw(row["definition"])
        )
        said = compose("COMMENT ON CONSTRAINT {n} ON {t} IS {s}", n=identifier(key), t=table, s=literal(row["said"]))
        self._tried(lambda: self._session.together([definition, said]))

    def _run(self, statement: str, **parts: Any) -> None:
        self._session.fetch(compose(statement, **parts))
