# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the server is asked about a plain table before any of its rows leave."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed, Refused, TookTooLong
from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import KINDS
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.part import WAIT, Part, verdict
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.state import Due, PlainTable, Policy
from ansible_collections.runbook.postgres.plugins.module_utils._session import (
    Session,
    compose,
    identifier,
    joined,
    literal,
)

TABLE = """
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS relkind,
       c.relispartition AS is_partition, a.attnum::int AS number, format_type(a.atttypid, NULL) AS type,
       has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'UPDATE')
           AND has_table_privilege(c.oid, 'DELETE') AS permitted,
       row_security_active(c.oid) AS filtered,
       EXISTS (SELECT 1 FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type = '4') AS has_rules,
       pg_table_size(c.oid)::bigint AS bytes, greatest(c.reltuples, 0)::bigint AS tuples,
       (SELECT count(*) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
         WHERE i.indrelid = c.oid AND m.amname = 'btree' AND i.indisvalid AND i.indpred IS NULL
           AND i.indkey[0] = a.attnum) AS indexes
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = %(column)s AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.oid = to_regclass(%(table)s)
"""

# Constraints of partitions follow from their table's.
REFERENCES = """
SELECT conrelid::regclass::text AS name, conname::text AS constraint,
       CASE confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT'
                        WHEN 'r' THEN 'RESTRICT' ELSE 'NO ACTION' END AS action
  FROM pg_constraint WHERE contype = 'f' AND confrelid = %(oid)s AND conparentid = 0
 ORDER BY 1, 2
"""

PUBLICATIONS = """
SELECT p.pubname::text AS name FROM pg_publication_tables t JOIN pg_publication p USING (pubname)
 WHERE t.schemaname = %(schema)s AND t.tablename = %(name)s AND p.pubdelete ORDER BY 1
"""

# The youngest transaction that runs is as unknown to a snapshot as one to come; what runs holds a lock on itself.
RUNNING = """
SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'transactionid' AND granted
                  AND transactionid = (%(transaction)s::xid8)::xid) AS running
"""

# Asked after that, in a snapshot of its own: what ended before is known to it.
# A number beyond all that were given is one of a past that the server does not know, as after a restore.
STATUS = """
SELECT CASE WHEN t.id < pg_snapshot_xmax(pg_current_snapshot()) THEN pg_xact_status(t.id) ELSE 'future' END AS status
  FROM (SELECT %(transaction)s::xid8 AS id) AS t
"""

THERE = "SELECT 1 AS there FROM ONLY {table} WHERE ctid = {place}::tid AND xmin = {writer}::xid"

# Counting more takes longer than anybody wants to wait for a number.
COUNTED = 1_000_000

# How long a server may take to notice that the run which began a transaction is gone.
NOTICE_SECONDS = 10.0


def read_plain(session: Session, name: str, column: str, *, require_index: bool) -> PlainTable:
    try:
        rows = session.fetch(TABLE, {"table": name, "column": column})
    except TookTooLong:
        raise
    except QueryFailed as error:
        raise Refused(f"{name!r} is no name of a table ({error.sentence}): quote it as SQL does.") from error
    if not rows:
        raise Refused(
            f"There is no table {name} in this database: give its schema too, and quotes where its name needs them."
        )
    row = rows[0]
    for sentence in _unfit(name, column, row, require_index=require_index):
        raise Refused(sentence)
    return PlainTable(
        oid=row["oid"],
        schema=row["schema"],
        name=row["name"],
        column=column,
        kind=KINDS[row["type"]],
        bytes=row["bytes"],
        tuples=row["tuples"],
    )


def _unfit(name: str, column: str, row: Mapping[str, Any], *, require_index: bool) -> Iterator[str]:
    yield from _no_plain_table(name, row)
    if row["number"] is None:
        yield f"{name} has no column {column}: give its name as it is, without quotes."
    if row["type"] not in KINDS:
        yield (
            f"Column {column} of {name} is of type {row['type']}: only dates, timestamps and whole numbers have an age."
        )
    if not row["permitted"]:
        yield f"The role may not select, lock and delete rows of {name}: GRANT SELECT, UPDATE, DELETE ON it."
    if row["filtered"]:
        yield f"Row-level security hides rows of {name} from this role: connect as a role with BYPASSRLS."
    if row["has_rules"]:
        yield f"{name} has a rule for DELETE, so what happens to its rows is not known: make it a trigger."
    if require_index and not row["indexes"]:
        yield (
            f"{name} has no index that begins with {column}, so each batch would read the whole table: "
            "CREATE INDEX CONCURRENTLY first, or set require_index to false."
        )


def _no_plain_table(name: str, row: Mapping[str, Any]) -> Iterator[str]:
    if row["relkind"] == "p":
        yield f"{name} is partitioned: pg_partition lets whole partitions go, which costs next to nothing."
    if row["relkind"] != "r":
        yield f"{name} is no plain table: rows leave those only."
    if row["is_partition"]:
        yield f"{name} is a partition: give its table to pg_partition, which lets whole partitions go."
    if row["schema"] in ("pg_catalog", "information_schema"):
        yield f"{name} belongs to the server itself: its rows are not for us to delete."


def refuse_references(session: Session, table: PlainTable) -> None:
    rows = session.fetch(REFERENCES, {"oid": table.oid})
    if rows:
        told = ", ".join(f"{row['name']} by {row['constraint']} (ON DELETE {row['action']})" for row in rows)
        raise Refused(
            f"{table.title} is referred to by {told}: rows there would go, change or keep those here from leaving, "
            "and none of them would be archived; expire those first, or set allow_references."
        )


def read_publications(session: Session, table: PlainTable) -> list[str]:
    return [row["name"] for row in session.fetch(PUBLICATIONS, {"schema": table.schema, "name": table.name})]


def refuse_where(session: Session, table: PlainTable, where: str | None) -> None:
    """It has to be one condition, whole in itself: what reaches beyond its brackets is an error in one of these."""
    if where is None:
        return
    try:
        for text in (
            "SELECT 1 AS one FROM ONLY {table} WHERE (\n{where}\n) LIMIT 0",
            "SELECT CASE WHEN {where}\n THEN 1 END AS one FROM ONLY {table} LIMIT 0",
        ):
            named = {"table": identifier(table.schema, table.name), "where": compose(braced(where))}
            session.fetch(compose(text, **named))
    except TookTooLong:
        raise
    except QueryFailed as error:
        raise Refused(f"{table.title}: where is no condition that the server takes ({error.sentence}).") from error


def braced(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def due_condition(table: PlainTable, policy: Policy, lower: str | None = None) -> Any:
    """Which rows are past their time; the same words wherever it is asked."""
    column = identifier(table.schema, table.name, table.column)
    parts = [compose("{column} < {cutoff}", column=column, cutoff=literal(policy.cutoff))]
    if lower is not None:
        parts.append(compose("{column} >= {lower}", column=column, lower=literal(lower)))
    if policy.where is not None:
        parts.append(compose(f"(\n{braced(policy.where)}\n)"))
    return joined(" AND ", parts)


def read_due(session: Session, table: PlainTable, policy: Policy) -> Due:
    named = {"table": identifier(table.schema, table.name), "due": due_condition(table, policy)}
    most = literal(COUNTED + 1)
    text = "SELECT count(*) AS n FROM (SELECT 1 FROM ONLY {table} WHERE {due} LIMIT {most}) AS found"
    counted = int(session.fetch(compose(text, most=most, **named))[0]["n"])
    if counted <= COUNTED:
        return Due(counted)
    rows = session.fetch(compose("EXPLAIN (FORMAT JSON) SELECT 1 FROM ONLY {table} WHERE {due}", **named))
    return Due(max(counted, int(rows[0]["QUERY PLAN"][0]["Plan"]["Plan Rows"])), exact=False)


def any_due(session: Session, table: PlainTable, policy: Policy) -> bool:
    text = "SELECT 1 AS one FROM ONLY {table} WHERE {due} LIMIT 1"
    named = {"table": identifier(table.schema, table.name), "due": due_condition(table, policy)}
    return bool(session.fetch(compose(text, **named)))


def judge(session: Session, table: PlainTable, part: Part) -> str:
    """What a pending part is worth. A run that was killed may be noticed by the server only after a moment."""
    for attempt in range(int(NOTICE_SECONDS / 0.25)):
        if attempt:
            time.sleep(0.25)
        status = _status(session, part.transaction)
        found = verdict(status, there=_there(session, table, part), identified=part.system_identifier is not None)
        if found != WAIT:
            return found
    raise Refused(
        f"Transaction {part.transaction}, which deletes the rows in {part.file} from {table.title}, is still going on: "
        "end its session, or run this again when it is through."
    )


def _status(session: Session, transaction: str) -> str | None:
    if session.fetch(RUNNING, {"transaction": transaction})[0]["running"]:
        return "in progress"
    status = session.fetch(STATUS, {"transaction": transaction})[0]["status"]
    return None if status is None else str(status)


def _there(session: Session, table: PlainTable, part: Part) -> bool:
    named: dict[str, Sequence[Any] | Any] = {
        "table": identifier(table.schema, table.name),
        "place": literal(part.place),
        "writer": literal(part.writer),
    }
    return bool(session.fetch(compose(THERE, **named)))
