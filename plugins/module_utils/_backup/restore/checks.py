# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What has to be right about a restored database before it gets its name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import Rows
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.wish import Query, as_text
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, QueryFailed, TookTooLong
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session, compose, identifier

# Counting and reading indexes through takes long in a large database, and is the point of it.
CHECK_SECONDS = 24 * 3600.0

INVALID_INDEXES = """
SELECT format('%%I.%%I', n.nspname, c.relname) AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT i.indisvalid AND c.relkind = 'i'
   AND (%(schemas)s::name[] IS NULL OR n.nspname = ANY (%(schemas)s::name[])) ORDER BY 1
"""
# Of a partitioned table, where a partition lacks its part of it; nothing that is queried is wrong by that.
UNFINISHED_INDEXES = INVALID_INDEXES.replace("c.relkind = 'i'", "c.relkind = 'I'")
NOT_VALIDATED = """
SELECT format('%%I on %%s', k.conname, k.conrelid::regclass) AS name
  FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
 WHERE NOT k.convalidated AND k.conrelid <> 0
   AND (%(schemas)s::name[] IS NULL OR n.nspname = ANY (%(schemas)s::name[])) ORDER BY 1
"""
BTREES = """
SELECT c.oid::bigint AS oid, format('%%I.%%I', n.nspname, c.relname) AS name
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_am a ON a.oid = c.relam
 WHERE a.amname = 'btree' AND c.relkind = 'i' AND c.relpersistence <> 't' AND i.indisvalid AND i.indisready
   AND (%(schemas)s::name[] IS NULL OR n.nspname = ANY (%(schemas)s::name[])) ORDER BY 2
"""
HEAPS = """
SELECT c.oid::bigint AS oid, format('%%I.%%I', n.nspname, c.relname) AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am a ON a.oid = c.relam
 WHERE a.amname = 'heap' AND c.relkind IN ('r', 'm', 't') AND c.relpersistence <> 't'
   AND (%(schemas)s::name[] IS NULL OR n.nspname = ANY (%(schemas)s::name[])) ORDER BY 2
"""
AMCHECK = "SELECT n.nspname::text AS schema FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace \
WHERE e.extname = 'amcheck'"

# A schema for the time of the check: a database may have none called public.
OWN = "runbook_amcheck"


class CheckFailed(Problem):
    """The restored database is not what it should be; it was not put in anybody's place."""


def count(session: Session, expected: Iterable[Rows]) -> int:
    """Every table has as many rows as were counted in the dump's own snapshot."""
    session.limit(CHECK_SECONDS)
    total = 0
    for each in expected:
        statement = compose("SELECT count(*) AS n FROM ONLY {table}", table=identifier(each.schema, each.table))
        try:
            found = int(session.fetch(statement)[0]["n"])
        except QueryFailed as error:
            raise CheckFailed(f"Rows of {each.schema}.{each.table} cannot be counted: {error.sentence}.") from error
        if found != each.rows:
            raise CheckFailed(f"{each.schema}.{each.table} has {found} rows, and {each.rows} were backed up.")
        total += found
    return total


def whole(session: Session, schemas: Sequence[str] | None = None) -> dict[str, list[str]]:
    """Indexes are valid; what was unfinished when it was backed up is told, as it is now."""
    within = {"schemas": None if schemas is None else list(schemas)}
    broken = [row["name"] for row in session.fetch(INVALID_INDEXES, within)]
    if broken:
        raise CheckFailed(f"These indexes are not valid: {', '.join(broken)}.")
    asked = {"not_validated": NOT_VALIDATED, "unfinished_indexes": UNFINISHED_INDEXES}
    return {what: [str(row["name"]) for row in session.fetch(query, within)] for what, query in asked.items()}


def unfinished(told: Mapping[str, Any]) -> Iterator[str]:
    """Who takes the database for whole is told where it is not, and never was."""
    if told.get("not_validated"):
        yield (
            f"Constraints that were not validated when they were backed up are not so now: "
            f"{', '.join(told['not_validated'])}. ALTER TABLE with VALIDATE CONSTRAINT looks at the rows."
        )
    if told.get("unfinished_indexes"):
        yield (
            f"Indexes of partitioned tables that lack a partition's were backed up so: "
            f"{', '.join(told['unfinished_indexes'])}. ALTER INDEX with ATTACH PARTITION completes one."
        )


def structure(session: Session, schemas: Sequence[str] | None = None) -> int:
    """amcheck on every btree index and, from PostgreSQL 14 on, every heap; the extension is not left behind."""
    session.limit(CHECK_SECONDS)
    with session.undone():
        rows = session.fetch(AMCHECK)
        if not rows:
            try:
                session.fetch(compose("CREATE SCHEMA IF NOT EXISTS {own}", own=identifier(OWN)))
                session.fetch(compose("CREATE EXTENSION amcheck SCHEMA {own}", own=identifier(OWN)))
            except QueryFailed as error:
                raise CheckFailed(f"amcheck cannot be used: {error.sentence}.") from error
        schema = rows[0]["schema"] if rows else OWN
        return len(list(_examined(session, schema, schemas)))


def _examined(session: Session, schema: str, schemas: Sequence[str] | None) -> Iterator[str]:
    within = {"schemas": None if schemas is None else list(schemas)}
    index = compose("SELECT {check}(%s::oid::regclass, true)", check=identifier(schema, "bt_index_check"))
    for row in session.fetch(BTREES, within):
        try:
            session.fetch(index, [row["oid"]])
        except QueryFailed as error:
            raise CheckFailed(f"Index {row['name']} is damaged: {error.sentence}.") from error
        yield row["name"]
    if session.major < 14:
        return
    heap = compose("SELECT msg FROM {check}(%s::oid::regclass) LIMIT 1", check=identifier(schema, "verify_heapam"))
    for row in session.fetch(HEAPS, within):
        for found in session.fetch(heap, [row["oid"]]):
            raise CheckFailed(f"Table {row['name']} is damaged: {found['msg']}.")
        yield row["name"]


def ask(session: Session, queries: Iterable[Query]) -> list[dict[str, Any]]:
    """The user's own questions; they can write nothing."""
    session.limit(CHECK_SECONDS)
    with session.transaction():
        session.fetch("SET TRANSACTION READ ONLY")
        return answers(session, queries)


def answers(session: Session, queries: Iterable[Query]) -> list[dict[str, Any]]:
    """The same in a transaction of the caller's."""
    return [{"query": each.query, "answer": [list(row) for row in _answer(session, each)]} for each in queries]


def _answer(session: Session, query: Query) -> tuple[tuple[str | None, ...], ...]:
    try:
        found = tuple(tuple(map(as_text, row)) for row in session.fetch_tuples(query.query))
    except TookTooLong as error:
        raise CheckFailed(
            f"The query {query.query!r} took too long to be waited for ({error.sentence.rstrip('.')}): "
            "ask less, or restore beside and ask it there."
        ) from error
    except QueryFailed as error:
        raise CheckFailed(f"The query {query.query!r} failed: {error.sentence}.") from error
    if found != query.expect:
        raise CheckFailed(
            f"The query {query.query!r} answered {_short(found)}, and {_short(query.expect)} is expected."
        )
    return found


def _short(rows: tuple[tuple[str | None, ...], ...]) -> str:
    words = [", ".join("NULL" if value is None else value for value in row) for row in rows[:3]]
    return (" / ".join(words) or "nothing") + (" and more" if len(rows) > 3 else "")
