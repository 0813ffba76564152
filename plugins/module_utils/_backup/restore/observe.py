# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is asked of the server before anything is changed; the target itself is only asked whether it is empty."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup import room
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.observe import system_identifier
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore import marks, naming
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.scene import Database, Scene
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Unreachable
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session

Connect = Callable[[str], Session]

SERVER = """
SELECT pg_is_in_recovery() AS standby, current_database()::text AS here,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser
"""
DATABASES = """
SELECT d.datname::text AS name, pg_get_userbyid(d.datdba)::text AS owner,
       shobj_description(d.oid, 'pg_database') AS comment, d.datallowconn AS open, d.datconnlimit AS "limit",
       CASE WHEN d.datname = ANY (%(sized)s::name[]) THEN pg_database_size(d.oid) ELSE 0 END AS bytes,
       (SELECT count(*) FROM pg_stat_activity a WHERE a.datid = d.oid AND a.pid <> pg_backend_pid())::int AS sessions,
       (SELECT count(*) FROM pg_prepared_xacts p WHERE p.database = d.datname)::int AS prepared,
       (SELECT count(*) FROM pg_subscription s WHERE s.subdbid = d.oid AND s.subenabled)::int AS subscriptions,
       ARRAY(SELECT r.slot_name::text FROM pg_replication_slots r WHERE r.database = d.datname ORDER BY 1) AS slots
  FROM pg_database d
 ORDER BY 1
"""
ROLES = "SELECT rolname::text AS name FROM pg_roles"
TABLESPACES = "SELECT spcname::text AS name, pg_tablespace_location(oid) AS place FROM pg_tablespace"
EXTENSIONS = "SELECT name::text AS name FROM pg_available_extensions"

# What people make has an oid beyond those that initdb gave out.
EMPTY = """
SELECT NOT EXISTS (SELECT FROM pg_class WHERE oid >= 16384)
   AND NOT EXISTS (SELECT FROM pg_type WHERE oid >= 16384)
   AND NOT EXISTS (SELECT FROM pg_proc WHERE oid >= 16384)
   AND NOT EXISTS (SELECT FROM pg_namespace WHERE oid >= 16384 AND nspname !~ '^pg_')
   AND NOT EXISTS (SELECT FROM pg_extension WHERE oid >= 16384)
   AND NOT EXISTS (SELECT FROM pg_publication)
   AND NOT EXISTS (SELECT FROM pg_event_trigger)
   AND NOT EXISTS (SELECT FROM pg_foreign_data_wrapper)
   AND NOT EXISTS (SELECT FROM pg_largeobject_metadata) AS empty
"""


def observe(
    session: Session,
    connect: Connect,
    target: str,
    tablespace: str,
    parameters: Mapping[str, Any],
    globals_roles: Iterable[str] = (),
) -> Scene:
    server = session.fetch(SERVER)[0]
    beside = naming.beside(target)
    databases = [
        Database(**{**row, "slots": tuple(row["slots"])})
        for row in session.fetch(DATABASES, {"sized": [target, beside]})
    ]
    places = {row["name"]: row["place"] for row in session.fetch(TABLESPACES)}
    return Scene(
        major=session.major,
        standby=server["standby"],
        here=server["here"],
        system_identifier=system_identifier(session),
        superuser=server["superuser"],
        databases=tuple(_emptiness(each, connect, {target, beside}) for each in databases),
        roles=frozenset(row["name"] for row in session.fetch(ROLES)),
        tablespaces=frozenset(places),
        extensions=frozenset(row["name"] for row in session.fetch(EXTENSIONS)),
        room=room.seen(session, str(parameters.get("host", "")), places.get(tablespace) or None),
        globals_roles=frozenset(globals_roles),
    )


def _emptiness(database: Database, connect: Connect, asked: set[str]) -> Database:
    if database.name not in asked or not database.open or marks.journal(database.comment) is not None:
        return database
    try:
        with connect(database.name) as session:
            empty = holds_nothing(session)
    except Unreachable:
        # A broken one is not empty, and may be replaced all the same.
        empty = False
    return Database(**{**vars(database), "empty": empty})


def holds_nothing(session: Session) -> bool:
    return bool(session.fetch(EMPTY)[0]["empty"])
