# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the server is asked about a database that is backed up, each question beside what its rows become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup import properties
from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import (
    ALL,
    SCHEMA,
    Extension,
    Origin,
    Rows,
)
from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed, Refused, TookTooLong
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session, compose, identifier

# Columns that came with later versions are read from the row as a whole.
DATABASE = """
SELECT d.datname::text AS database, pg_get_userbyid(d.datdba)::text AS owner,
       pg_encoding_to_char(d.encoding)::text AS encoding, d.datcollate::text AS collation, d.datctype::text AS ctype,
       CASE to_jsonb(d)->>'datlocprovider' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END AS provider,
       coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale') AS locale,
       t.spcname::text AS tablespace, pg_database_size(d.oid)::bigint AS bytes,
       current_setting('server_version') AS server_version, pg_is_in_recovery() AS standby,
       has_table_privilege('pg_catalog.pg_authid', 'SELECT') AS sees_passwords,
       has_function_privilege('pg_control_system()', 'EXECUTE') AS may_identify
  FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace WHERE d.datname = current_database()
"""
MAY_IDENTIFY = "SELECT has_function_privilege('pg_control_system()', 'EXECUTE') AS may_identify"
IDENTITY = """
SELECT system_identifier::text AS system_identifier, (SELECT timeline_id FROM pg_control_checkpoint()) AS timeline
  FROM pg_control_system()
"""
TABLESPACES = """
SELECT spcname::text AS name FROM pg_tablespace
 WHERE spcname NOT IN ('pg_default', 'pg_global')
   AND (oid IN (SELECT reltablespace FROM pg_class)
        OR oid = (SELECT dattablespace FROM pg_database WHERE datname = current_database()))
 ORDER BY spcname
"""
EXTENSIONS = """
SELECT e.extname::text AS name, e.extversion AS version, n.nspname::text AS schema
  FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace ORDER BY e.extname
"""
ROLES = """
SELECT r.rolname::text AS name FROM pg_roles r
 WHERE r.oid = (SELECT datdba FROM pg_database WHERE datname = current_database())
    OR r.oid IN (SELECT s.refobjid FROM pg_shdepend s, pg_database d
                  WHERE d.datname = current_database() AND s.refclassid = 'pg_authid'::regclass
                    AND (s.dbid = d.oid OR (s.classid = 'pg_database'::regclass AND s.objid = d.oid)))
 ORDER BY r.rolname
"""

# What pg_dump reads rows of; those of an extension it makes again.
TABLES = """
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind,
       c.relpersistence = 'u' AS unlogged, pg_table_size(c.oid)::bigint AS bytes,
       has_table_privilege(c.oid, 'SELECT') AS readable, row_security_active(c.oid) AS filtered
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
   AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid
                      AND x.deptype = 'e')
 ORDER BY n.nspname, c.relname
"""

CHOSEN = "SELECT to_regclass(%(name)s)::oid::bigint AS oid"
# With all that inherits from them: pg_dump of older versions takes a partitioned table for its definition alone.
DESCENDANTS = """
WITH RECURSIVE below AS (SELECT unnest(%(oids)s::oid[]) AS oid
                         UNION SELECT i.inhrelid FROM pg_inherits i JOIN below b ON b.oid = i.inhparent)
SELECT oid::bigint AS oid FROM below
"""
QUOTED = "SELECT quote_ident(%(schema)s) || '.' || quote_ident(%(name)s) AS quoted"

SNAPSHOT = "SELECT pg_export_snapshot() AS snapshot"
POSITION = """
SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END::text AS lsn
"""
COUNT = "SELECT count(*) AS rows FROM ONLY {table}"
# How far the COPY of each table is that runs in this database; from version 14 on.
COPIED = """
SELECT relid::bigint AS oid, bytes_processed::bigint AS bytes FROM pg_stat_progress_copy
 WHERE datname = current_database()
"""
# Views of what others do are read once in a transaction unless told otherwise.
FRESH = "SELECT pg_stat_clear_snapshot()"


@dataclass(frozen=True)
class Table:
    oid: int
    schema: str
    name: str
    kind: str
    unlogged: bool
    bytes: int
    readable: bool
    filtered: bool

    @property
    def title(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def pattern(self) -> str:
        """For pg_dump: in quotes nothing in a name is taken for a wildcard."""
        return ".".join('"' + part.replace('"', '""') + '"' for part in (self.schema, self.name))


@dataclass(frozen=True)
class Found:
    """The database, with the tables that the backup is of, and by their names as SQL writes them those asked for."""

    origin: Origin
    sees_passwords: bool
    tables: tuple[Table, ...]
    chosen: tuple[str, ...]

    @property
    def table_bytes(self) -> int:
        return sum(table.bytes for table in self.tables)


def system_identifier(session: Session) -> str | None:
    """The cluster's; None for a role that may not ask."""
    if not session.fetch(MAY_IDENTIFY)[0]["may_identify"]:
        return None
    return str(session.fetch(IDENTITY)[0]["system_identifier"])


def read_found(session: Session, tables: Sequence[str], content: str) -> Found:
    row = session.fetch(DATABASE)[0]
    sees_passwords, may_identify = row.pop("sees_passwords"), row.pop("may_identify")
    identity: dict[str, Any] = {"system_identifier": None, "timeline": None}
    if may_identify:
        identity = session.fetch(IDENTITY)[0]
    origin = Origin(
        **row,
        **identity,
        tablespaces=tuple(each["name"] for each in session.fetch(TABLESPACES)),
        extensions=tuple(Extension(**each) for each in session.fetch(EXTENSIONS)),
        roles=tuple(each["name"] for each in session.fetch(ROLES)),
        major=session.major,
        lsn=None,
        properties=properties.read(session, row["database"]),
    )
    every = tuple(Table(**each) for each in _tables(session))
    chosen, mine = _chosen(session, tables, every)
    if content != SCHEMA:
        _refuse_unreadable(mine, content)
    return Found(origin, sees_passwords, mine, chosen)


def _tables(session: Session) -> list[dict[str, Any]]:
    try:
        return session.fetch(TABLES)
    except TookTooLong as error:
        raise Refused(
            "Somebody holds a table of this database under a lock that nobody may read through (lock_timeout): "
            "look who it is, and run this again when that is over."
        ) from error


def _chosen(session: Session, names: Sequence[str], every: tuple[Table, ...]) -> tuple[tuple[str, ...], Any]:
    if not names:
        return (), every
    known = {table.oid: table for table in every}
    oids = []
    for name in names:
        oid = _resolved(session, name)
        if oid not in known:
            raise Refused(f"There is no table {name} in this database that could be backed up: look at its name.")
        oids.append(oid)
    quoted = [
        session.fetch(QUOTED, {"schema": known[oid].schema, "name": known[oid].name})[0]["quoted"] for oid in set(oids)
    ]
    below = {row["oid"] for row in session.fetch(DESCENDANTS, {"oids": oids})}
    return tuple(sorted(quoted)), tuple(table for table in every if table.oid in below)


def _resolved(session: Session, name: str) -> int | None:
    try:
        oid = session.fetch(CHOSEN, {"name": name})[0]["oid"]
    except QueryFailed as error:
        raise Refused(f"tables: '{name}' is no name of a table ({error.sentence}): write it as SQL does.") from error
    return None if oid is None else int(oid)


def _refuse_unreadable(tables: Sequence[Table], content: str) -> None:
    unreadable = [table.title for table in tables if not table.readable]
    if unreadable:
        more = f" and {len(unreadable) - 1} more" if len(unreadable) > 1 else ""
        raise Refused(
            f"This role may not read {unreadable[0]}{more}: connect as one that may, "
            f"such as a member of pg_read_all_data, or back up {SCHEMA} instead of {content or ALL}."
        )
    filtered = [table.title for table in tables if table.filtered]
    if filtered:
        raise Refused(
            f"Row-level security hides rows of {filtered[0]} from this role, and what is hidden would be missing: "
            "connect as a role with BYPASSRLS."
        )


def count_rows(session: Session, tables: Sequence[Table], standby: bool) -> tuple[Rows, ...]:
    """In the snapshot that is open; partitioned tables have none of their own."""
    counted = []
    for table in tables:
        if table.kind == "r" and not (standby and table.unlogged):
            statement = compose(COUNT, table=identifier(table.schema, table.name))
            counted.append(Rows(table.schema, table.name, int(session.fetch(statement)[0]["rows"])))
    return tuple(counted)
