# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the server is asked about a partitioned table, each question beside what its rows become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed, Refused, TookTooLong
from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import HIGHEST, KINDS, parse_bound
from ansible_collections.runbook.postgres.plugins.module_utils._partition.marks import (
    awaited_bound,
    awaiting_of,
    mark_of,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.state import Partition, PartitionedTable
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session, compose, identifier

# Says of a partition that it is being filled from the default partition.
GROWING = "runbook.postgres: being filled from the default partition"

# The table by the name the user gave it, quoted or not, as the server itself reads names.
TABLE = """
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS relkind,
       t.partstrat::text AS strategy, t.partnatts::int AS columns, t.partattrs[0]::int AS column_number,
       pg_get_expr(t.partexprs, c.oid) AS expression,
       format_type(a.atttypid, NULL) AS column_type, a.attname::text AS column_name,
       pg_has_role(c.relowner, 'USAGE') AS owned, pg_get_userbyid(c.relowner)::text AS owner,
       has_schema_privilege(c.relnamespace, 'CREATE') AS may_create,
       has_schema_privilege(c.relowner, c.relnamespace, 'CREATE') OR r.rolsuper AS owner_may_create
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_roles r ON r.rolname = current_user
  LEFT JOIN pg_partitioned_table t ON t.partrelid = c.oid
  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = t.partattrs[0] AND a.attnum > 0
 WHERE c.oid = to_regclass(%(table)s)
"""

PARTITIONS = """
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name,
       pg_get_expr(c.relpartbound, 0) AS bound, coalesce(c.oid = t.partdefid, false) AS is_default,
       {pending} AS detach_pending, c.relkind <> 'r' AS is_partitioned,
       CASE WHEN c.oid = t.partdefid THEN pg_relation_size(c.oid)
            ELSE c.relpages::bigint * current_setting('block_size')::int END AS bytes,
       pg_has_role(c.relowner, 'USAGE') AS owned, d.description AS said
  FROM pg_inherits i
  JOIN pg_class c ON c.oid = i.inhrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_partitioned_table t ON t.partrelid = i.inhparent
  LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
 WHERE i.inhparent = %(oid)s
 ORDER BY c.relname
"""

# What an interrupted run left behind: detached, marked, and not archived or dropped yet.
MARKED = """
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name, NULL::text AS bound,
       false AS is_default, false AS detach_pending, false AS is_partitioned,
       c.relpages::bigint * current_setting('block_size')::int AS bytes,
       pg_has_role(c.relowner, 'USAGE') AS owned, d.description AS said
  FROM pg_description d
  JOIN pg_class c ON c.oid = d.objoid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE d.classoid = 'pg_class'::regclass AND d.objsubid = 0 AND c.relkind = 'r' AND NOT c.relispartition
   AND (split_part(d.description, E'\n', 1) = %(mark)s OR starts_with(d.description, %(awaiting)s))
"""

# A table is a type as well, and must have a name that neither has.
TAKEN = """
SELECT relname::text AS name FROM pg_class
 WHERE relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = %(oid)s)
UNION
SELECT typname::text FROM pg_type
 WHERE typnamespace = (SELECT relnamespace FROM pg_class WHERE oid = %(oid)s)
"""

# The server's clock is the one that its rows are stamped by.
PLACE = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now, pg_is_in_recovery() AS standby"

TABLESPACE = "SELECT has_tablespace_privilege(oid, 'CREATE') AS may_create FROM pg_tablespace WHERE spcname = %(name)s"


@dataclass(frozen=True)
class Found:
    """The table as it is, and the major version of its server, which decides how things are done."""

    table: PartitionedTable
    major: int
    # The key as a statement names it.
    key: Any


def read_table(session: Session, name: str, major: int) -> Found:
    """The table with its partitions, or the reason why it cannot be looked after."""
    row = look_up(session, name)
    _refuse_unfit(name, row)
    key_type = _key_type(session, row)
    kind = KINDS.get(key_type)
    if kind is None:
        raise Refused(
            f"{name} is partitioned by a key of type {key_type}: "
            "only dates, timestamps and whole numbers have intervals."
        )
    pending = "i.inhdetachpending" if major >= 14 else "false"
    title = f"{row['schema']}.{row['name']}"
    children = session.fetch(PARTITIONS.replace("{pending}", pending), {"oid": row["oid"]})
    orphans = session.fetch(MARKED, {"mark": mark_of(title), "awaiting": awaiting_of(title)})
    table = PartitionedTable(
        oid=row["oid"],
        schema=row["schema"],
        name=row["name"],
        kind=kind,
        partitions=tuple(_partition(each, title) for each in children),
        marked=tuple(_partition(each, title) for each in orphans),
        # Asked for when something is to be made; there may be many.
        taken=frozenset(),
        highest=HIGHEST.get(key_type),
    )
    key = compose(_braced(row["expression"])) if row["column_name"] is None else identifier(row["column_name"])
    return Found(table, major, key)


def refuse_tablespace(session: Session, name: str | None) -> None:
    if name is None:
        return
    rows = session.fetch(TABLESPACE, {"name": name})
    if not rows:
        raise Refused(f"There is no tablespace {name} on this server: create it first, or name another.")
    if not rows[0]["may_create"]:
        raise Refused(f"The role may not store tables in tablespace {name}: GRANT CREATE ON TABLESPACE to it.")


def read_taken(session: Session, found: Found) -> frozenset[str]:
    return frozenset(each["name"] for each in session.fetch(TAKEN, {"oid": found.table.oid}))


def look_up(session: Session, name: str) -> dict[str, Any]:
    """What goes by this name, whether it is partitioned or not."""
    try:
        rows = session.fetch(TABLE, {"table": name})
    except TookTooLong:
        raise
    except QueryFailed as error:
        raise Refused(f"{name!r} is no name of a table ({error.sentence}): quote it as SQL does.") from error
    if not rows:
        raise Refused(
            f"There is no table {name} in this database: give its schema too, and quotes where its name needs them."
        )
    return rows[0]


def _refuse_unfit(name: str, row: Mapping[str, Any]) -> None:
    if row["relkind"] != "p":
        raise Refused(f"{name} is not partitioned: make it so first, or have it made so with convert.")
    if row["strategy"] != "r":
        how = {"l": "list", "h": "hash"}.get(row["strategy"], "something else")
        raise Refused(f"{name} is partitioned by {how}: only ranges have a next one.")
    if row["columns"] != 1:
        raise Refused(f"{name} is partitioned by {row['columns']} columns: only ranges of one column are looked after.")
    refuse_powerless(name, row)


def refuse_powerless(name: str, row: Mapping[str, Any]) -> None:
    """Who looks after a table makes tables that belong to its owner, in its schema."""
    if not row["owned"]:
        raise Refused(f"{name} belongs to role {row['owner']}: connect as that role or as a member of it.")
    if not row["may_create"]:
        raise Refused(f"The role may not create tables in schema {row['schema']}: GRANT CREATE ON SCHEMA to it.")
    if not row["owner_may_create"]:
        raise Refused(
            f"Role {row['owner']}, to which {name} and so its partitions belong, may not create tables in schema "
            f"{row['schema']}: GRANT CREATE ON SCHEMA to it."
        )


def _key_type(session: Session, row: Mapping[str, Any]) -> str:
    """The type of the key; of an expression the server is asked, without reading a row."""
    if row["column_type"] is not None:
        return str(row["column_type"])
    statement = compose(
        "SELECT pg_typeof(x.key)::text AS type FROM (SELECT NULL::{table} AS r) one, LATERAL "
        "(SELECT {expression} AS key FROM (SELECT (one.r).*) AS {name}) x",
        table=identifier(row["schema"], row["name"]),
        # Written by the server from its own catalogue, not by the user.
        expression=compose(_braced(row["expression"])),
        name=identifier(row["name"]),
    )
    return str(session.fetch(statement)[0]["type"])


def _braced(expression: Any) -> str:
    return str(expression).replace("{", "{{").replace("}", "}}")


def _partition(row: Mapping[str, Any], title: str) -> Partition:
    said = row["said"]
    mark = None if said is None else said.partition("\n")[0]
    awaited = None if said is None else awaited_bound(said, title)
    # Once detached, only the mark knows the bounds.
    bound = row["bound"] or awaited or ""
    return Partition(
        oid=row["oid"],
        schema=row["schema"],
        name=row["name"],
        range=parse_bound(bound),
        is_default=row["is_default"],
        detach_pending=row["detach_pending"],
        is_partitioned=row["is_partitioned"],
        bytes=row["bytes"],
        marked=mark is not None and mark == mark_of(title),
        growing=mark == GROWING,
        owned=row["owned"],
        awaiting=awaited is not None,
        bound=bound,
        said=said,
    )
