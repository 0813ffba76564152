# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From what is asked for to the files of a version: pools, limits, and what cannot be had."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer import versions
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.layout import Process, peers, processes
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.render import Lines, fit_name, render
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.request import Database, Wanted
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.versions import Version, told

# The console's own name, and what we call the pool in which passwords are looked up.
CONSOLE = "pgbouncer"
AUTH_POOL = "pgbouncer_auth"
AUTH_QUERY = "SELECT uname, phash FROM pgbouncer.user_lookup($1)"

# What the layout, the logins and the lookup say; a second word on it would only contradict.
OWN_SETTINGS = {
    "admin_users": "nobody but the system's postgres has the console, over the socket",
    "auth_dbname": "use auth_database",
    "auth_file": "use logins",
    "auth_query": "it is the one that the function for it answers",
    "auth_user": "use auth_user of the module, which gives it to each pool",
    "conffile": "the file is the module's to choose",
    "logfile": "each process has its own",
    "max_prepared_statements": "use max_prepared_statements of the module",
    "peer_id": "use processes",
    "pidfile": "each process has its own",
    "so_reuseport": "use processes",
    "stats_users": "use logins",
    "unix_socket_dir": "each process has its own",
    "user": "Debian's service starts it as postgres",
}

# Numbers that are meant for the host and divided among its processes.
_CLIENTS = {"max_client_conn", "max_db_client_connections", "max_user_client_connections"}
_SERVERS = {
    *("default_pool_size", "min_pool_size", "reserve_pool_size", "max_db_connections", "max_user_connections"),
    *("pool_size", "reserve_pool"),
}

# Files of TLS whose content a process holds on to.
CERTIFICATES = ("client_tls_ca_file", "client_tls_cert_file", "server_tls_ca_file", "server_tls_cert_file")
TLS_FILES = (*CERTIFICATES, "client_tls_key_file", "server_tls_key_file")


@dataclass(frozen=True)
class Configuration:
    """All of one process's file but its remarks."""

    process: Process
    databases: Lines
    users: Lines
    peers: Lines
    settings: Mapping[str, Any]

    def text(self, *remarks: str) -> str:
        return render(self.databases, self.users, self.peers, self.settings, remarks)


def configurations(wanted: Wanted, version: Version) -> tuple[Configuration, ...]:
    """One for each process; call refusals() first."""
    all_of_them = processes(wanted.processes)
    port = int(wanted.settings.get("listen_port", 6432))
    return tuple(
        Configuration(
            process,
            _databases(wanted, version, index),
            _users(wanted),
            peers(all_of_them, port),
            _settings(wanted, version, process),
        )
        for index, process in enumerate(all_of_them)
    )


def refusals(wanted: Wanted, version: Version) -> tuple[str, ...]:
    if not wanted.primary:
        return ("No primary is known that a pool could write to: run role preflight before, which asks the servers.",)
    return (*_unfit_names(wanted), *_too_old(wanted, version), *_unfit_settings(wanted))


def warnings(wanted: Wanted, version: Version) -> tuple[str, ...]:
    told_off = []
    pools = [database.read_pool for database in wanted.databases if database.read_pool]
    if pools and not wanted.standbys:
        what = "go to the primary" if wanted.read_fallback else "are left out"
        told_off.append(f"No standby is in service: the read pools ({', '.join(pools)}) {what} until one is.")
    if pools and len(wanted.standbys) > wanted.processes and not _spread(wanted, version):
        told_off.append(
            f"Of {len(wanted.standbys)} standbys each process of this pooler reads from one, since PgBouncer verifies "
            "a server by one name only: name one that leads to all of them (read_name) to read from each."
        )
    return tuple(told_off)


def pool_list(wanted: Wanted, version: Version) -> list[dict[str, str]]:
    """Where each pool leads, for the result; of several processes the first one's."""
    lines = _databases(wanted, version, 0)
    return [{"pool": name, "host": words["host"], "database": words["dbname"]} for name, words in lines.items()]


def _databases(wanted: Wanted, version: Version, index: int) -> Lines:
    lines: dict[str, Mapping[str, str]] = {}
    read_host = _read_host(wanted, version, index)
    for database in wanted.databases:
        lines[database.pool] = _pool(wanted, database, wanted.primary)
        if database.read_pool and read_host:
            lines[database.read_pool] = _pool(wanted, database, read_host)
    if wanted.auth_database:
        lines[AUTH_POOL] = {
            "host": wanted.primary,
            "port": str(wanted.port),
            "dbname": wanted.auth_database,
            "auth_user": wanted.auth_user,
        }
    return lines


def _pool(wanted: Wanted, database: Database, host: str) -> dict[str, str]:
    # auth_user stands in each line and not in [pgbouncer]: there it would be the console's too, and a login of
    # somebody unknown to the console ends PgBouncer 1.15 to 1.18.
    words = {"host": host, "port": str(wanted.port), "dbname": database.name, "auth_user": wanted.auth_user}
    if wanted.auth_database:
        words["auth_dbname"] = AUTH_POOL
    if database.pool_mode:
        words["pool_mode"] = database.pool_mode
    words.update({name: str(_share(name, value, wanted.processes)) for name, value in database.limits.items()})
    return words


def _read_host(wanted: Wanted, version: Version, index: int) -> str:
    if not wanted.standbys:
        return wanted.primary if wanted.read_fallback else ""
    if wanted.read_name:
        return wanted.read_name
    if _spread(wanted, version):
        return ",".join(wanted.standbys)
    return wanted.standbys[(wanted.read_offset + index) % len(wanted.standbys)]


def _spread(wanted: Wanted, version: Version) -> bool:
    """Whether one process reads from all standbys. With verify-full PgBouncer looks for the whole list of hosts in a
    server's certificate, and finds it in none."""
    verified = wanted.settings.get("server_tls_sslmode") == "verify-full"
    return bool(wanted.read_name) or (version >= versions.HOST_LISTS and not verified)


def _users(wanted: Wanted) -> Lines:
    lines = {}
    for user in wanted.users:
        words = {"pool_mode": user.pool_mode} if user.pool_mode else {}
        limits = {name: str(_share(name, value, wanted.processes)) for name, value in user.limits.items()}
        lines[user.name] = {**words, **limits}
    return lines


def _settings(wanted: Wanted, version: Version, process: Process) -> dict[str, Any]:
    settings = {name: _share(name, value, wanted.processes) for name, value in wanted.settings.items()}
    settings["auth_query"] = AUTH_QUERY
    if version >= versions.PREPARED_STATEMENTS:
        settings["max_prepared_statements"] = wanted.max_prepared_statements
    if wanted.logins:
        settings["stats_users"] = [login.name for login in wanted.logins]
    return {**settings, **process.own_settings}


def _share(name: str, value: Any, processes: int) -> Any:
    """One process's part of a number; all together never open more connections to a server than was said."""
    if processes == 1 or name not in _CLIENTS | _SERVERS or not isinstance(value, int) or value <= 0:
        return value
    return -(-value // processes) if name in _CLIENTS else max(1, value // processes)


def _unfit_names(wanted: Wanted) -> list[str]:
    told_off = []
    names = [name for database in wanted.databases for name in (database.pool, database.read_pool) if name]
    for name in names:
        if not fit_name(name):
            told_off.append(
                f"Pool '{name}' cannot be named so, because PgBouncer takes letters of English, digits, '_', '-' and "
                "'.' only: give the database another name for its pool."
            )
        elif name in (CONSOLE, AUTH_POOL):
            told_off.append(f"Pool '{name}' bears a name of PgBouncer's own: give the database another for its pool.")
    told_off += [f"Two pools are called '{name}': name one otherwise." for name, n in Counter(names).items() if n > 1]
    for user in wanted.users:
        if not fit_name(user.name):
            told_off.append(
                f"User '{user.name}' cannot be limited in PgBouncer, which takes letters of English, digits, '_', '-' "
                "and '.' in names there: give the role a connection limit in PostgreSQL instead."
            )
    for login in wanted.logins:
        if not fit_name(login.name):
            told_off.append(f"Console login '{login.name}' must be of letters of English, digits, '_', '-' and '.'.")
    return told_off


def _too_old(wanted: Wanted, version: Version) -> list[str]:
    told_off = []
    if wanted.processes > 1 and version < versions.PEERS:
        told_off.append(
            f"{wanted.processes} processes need PgBouncer {told(versions.PEERS)}, since before a cancel request would "
            f"reach the wrong one of them; this host has {told(version)}: ask for one process."
        )
    if wanted.auth_database and version < versions.AUTH_DATABASE:
        told_off.append(
            f"auth_database needs PgBouncer {told(versions.AUTH_DATABASE)} and this host has {told(version)}: "
            "leave it out, and passwords are looked up in each database."
        )
    if wanted.users and version < versions.USERS_BESIDE_LOOKUP:
        told_off.append(
            f"PgBouncer {told(version)} takes a user with limits of its own for one without a password, so that nobody "
            f"could log in as {wanted.users[0].name}: give the role a connection limit in PostgreSQL instead."
        )
    return told_off


def _unfit_settings(wanted: Wanted) -> list[str]:
    told_off = [
        f"Setting {name} is not for settings: {OWN_SETTINGS[name]}." for name in wanted.settings if name in OWN_SETTINGS
    ]
    if wanted.processes < 1:
        told_off.append(f"A pooler cannot have {wanted.processes} processes: ask for one or more.")
    limits: list[tuple[str, Any]] = [pair for database in wanted.databases for pair in database.limits.items()]
    limits += [pair for user in wanted.users for pair in user.limits.items()]
    # PgBouncer itself reads what is no number as 0, and that as no limit.
    numbers = _CLIENTS | _SERVERS | {"listen_port"}
    limits += [(name, value) for name, value in wanted.settings.items() if name in numbers]
    told_off += [
        f"{name} is '{value}' and has to be a whole number, 0 or more."
        for name, value in limits
        if not isinstance(value, int) or isinstance(value, bool) or value < 0
    ]
    return told_off
