# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the server is asked about its tables, each question beside what its rows become."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.runbook.postgres.plugins.module_utils._errors import (
    QueryFailed,
    Refused,
    TookTooLong,
)
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session
from ansible_collections.runbook.postgres.plugins.module_utils._tables import named
from ansible_collections.runbook.postgres.plugins.module_utils._vacuum.plan import Found

DATABASES = """
SELECT d.datname::text AS name, d.datallowconn AND has_database_privilege(d.oid, 'CONNECT') AS open
  FROM pg_database d
 WHERE d.datname = ANY(%(names)s)
    OR %(names)s = '{}' AND d.datallowconn AND d.datconnlimit <> -2 AND NOT d.datistemplate
       AND has_database_privilege(d.oid, 'CONNECT')
 ORDER BY d.datname
"""

SECONDS = "SELECT extract(epoch FROM %(age)s::interval)::float8 AS seconds"

# Sizes are those of the last vacuum or analyze: asking for today's would wait for whoever holds a table.
TABLES = """
WITH limits AS (
  SELECT least(current_setting('vacuum_freeze_table_age')::numeric,
               0.95 * current_setting('autovacuum_freeze_max_age')::numeric) AS transactions,
         least(current_setting('vacuum_multixact_freeze_table_age')::numeric,
               0.95 * current_setting('autovacuum_multixact_freeze_max_age')::numeric) AS multixacts
)
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name,
       c.relkind = 'p' AS partitioned, nullif(pg_partition_root(c.oid)::oid, c.oid)::bigint AS root,
       c.relisshared AS shared, {permitted} AS permitted,
       -- The server analyzes all but the table that keeps the result.
       c.oid <> 'pg_catalog.pg_statistic'::regclass AS analyzable,
       extract(epoch FROM now() - greatest(pg_stat_get_last_vacuum_time(c.oid),
                                           pg_stat_get_last_autovacuum_time(c.oid)))::float8 AS vacuumed_ago,
       extract(epoch FROM now() - greatest(pg_stat_get_last_analyze_time(c.oid),
                                           pg_stat_get_last_autoanalyze_time(c.oid)))::float8 AS analyzed_ago,
       extract(epoch FROM now() - pg_stat_get_last_analyze_time(c.oid))::float8 AS analyzed_by_hand_ago,
       pg_stat_get_dead_tuples(c.oid) + pg_stat_get_ins_since_vacuum(c.oid) AS unvacuumed,
       pg_stat_get_mod_since_analyze(c.oid) AS modified,
       c.relkind <> 'p' AND (age(c.relfrozenxid) >= limits.transactions
                             OR mxid_age(c.relminmxid) >= limits.multixacts) AS aged
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 CROSS JOIN limits
 WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't'
   AND (%(chosen)s::oid[] = '{{}}' OR c.oid = ANY(%(chosen)s::oid[])
        OR pg_partition_root(c.oid)::oid = ANY(%(chosen)s::oid[]))
"""

_PERMITTED = """
(pg_has_role(c.relowner, 'USAGE')
 OR NOT c.relisshared
    AND pg_has_role((SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE'){more})
"""
_MAINTAINED = " OR has_table_privilege(c.oid, 'MAINTAIN')"


def databases(session: Session, names: Sequence[str]) -> list[str]:
    found = {row["name"]: row["open"] for row in session.fetch(DATABASES, {"names": list(names)})}
    for name in names:
        if name not in found:
            raise Refused(f"There is no database {name} on this server: name one that is.")
        if not found[name]:
            raise Refused(f"Database {name} takes no connections of this role: allow them, or leave it out.")
    return list(found)


def seconds(session: Session, age: str) -> float:
    try:
        found = float(session.fetch(SECONDS, {"age": age})[0]["seconds"])
    except TookTooLong:
        raise
    except QueryFailed as error:
        raise Refused(f"max_age '{age}' is no time ({error.sentence}): write one such as 6 days, or 0.") from error
    if found < 0:
        raise Refused(f"max_age '{age}' is before now: write a time such as 6 days, or 0.")
    return found


def tables(session: Session, database: str, names: Sequence[str]) -> list[Found]:
    """All of the database, or those that are named with the partitions of each."""
    chosen = [named(session, name).oid for name in names]
    permitted = _PERMITTED.format(more=_MAINTAINED if session.major >= 17 else "")
    rows = session.fetch(TABLES.format(permitted=permitted), {"chosen": chosen})
    return [Found(database=database, **row) for row in rows]
