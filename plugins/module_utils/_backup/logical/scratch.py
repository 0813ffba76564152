# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The proof beyond all others: the backup is restored into a database of its own, looked at, and that one dropped."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.observe import COUNT
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.tools import Tools
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.verify import (
    NotVerified,
    failure,
    feed,
    refuse_wrong_key,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import DIRECTORY, PLAIN, Origin
from ansible_collections.runbook.postgres.plugins.module_utils._backup.repository import Backup
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.databases import HURRIED
from ansible_collections.runbook.postgres.plugins.module_utils._backup.subscriptions import forget
from ansible_collections.runbook.postgres.plugins.module_utils._backup.tongue import tongue
from ansible_collections.runbook.postgres.plugins.module_utils._command import Program, ProgramFailed
from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session, compose, identifier, literal

Connect = Callable[[str], contextlib.AbstractContextManager[Session]]
# By a database's name and the startup options of the session.
Conninfo = Callable[[str, str], str]

PREFIX = "runbook_verify_"

# Whoever verifies calls itself after its database, so that one is known for a leftover by that nobody does.
LEFT = """
SELECT datname::text AS name, coalesce(pg_database_size(oid), 0)::bigint AS bytes FROM pg_database d
 WHERE datname ~ ('^' || %(prefix)s || '[0-9a-f]{12}$') AND NOT pg_is_in_recovery() AND pg_has_role(datdba, 'USAGE')
   AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.application_name = d.datname OR a.datname = d.datname)
 ORDER BY datname
"""
NAMED = "SELECT set_config('application_name', %(name)s, false)"
MISSING = """
SELECT name FROM unnest(%(roles)s::text[]) AS name WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
"""
MAY_CREATE = """
SELECT rolname::text AS role, rolsuper OR rolcreatedb AS creates, pg_is_in_recovery() AS standby
  FROM pg_roles WHERE rolname = current_user
"""
_OWN_PROVIDER = 15


def by_restore(
    backup: Backup,
    tools: Tools,
    session: Session,
    connect: Connect,
    conninfo: Conninfo,
    environment: dict[str, str],
    identity: Path | None,
    seconds: float,
) -> None:
    """`connect` and `conninfo` lead to a database of the server by its name; `session` may create one there."""
    told = backup.manifest
    refuse_wrong_key(backup, identity)
    refuse_without_roles(session, backup)
    with _scratch(session, connect, told.origin) as name:
        with connect(name) as empty:
            spoken = tongue(empty)
        try:
            _restore(backup, tools, conninfo(name, spoken.options), environment, identity, seconds)
        except ProgramFailed as error:
            raise failure(backup, "does not restore", error, spoken) from error
        with connect(name) as restored:
            # Counting takes as long as the table is large.
            restored.limit(seconds)
            _compare(backup, restored)


def refuse_unable(session: Session) -> None:
    """A server, or a role, that makes no databases."""
    [may] = session.fetch(MAY_CREATE)
    if may["standby"]:
        raise Refused(
            "verify: restore creates a database, and this server is a standby: verify by list here, and by restore on "
            "a server that takes writes (state: verified)."
        )
    if not may["creates"]:
        raise Refused(
            f"verify: restore creates a database, which role {may['role']} may not on this server: let the role create "
            "databases, or verify by list."
        )


def refuse_without_roles(session: Session, backup: Backup) -> None:
    told = backup.manifest
    missing = [row["name"] for row in session.fetch(MISSING, {"roles": list(told.origin.roles)})]
    if missing:
        raise Refused(
            f"This server lacks {len(missing)} roles that backup {backup.id} needs, {missing[0]} among them: "
            f"create them, or restore {told.globals or 'the roles'} first."
        )


@contextlib.contextmanager
def _scratch(session: Session, connect: Connect, origin: Origin) -> Iterator[str]:
    name = f"{PREFIX}{secrets.token_hex(6)}"
    session.fetch(NAMED, {"name": name})
    # Of what is dropped again nobody need have a copy.
    session.fetch("SET synchronous_commit = local")
    try:
        _create(session, name, origin)
        try:
            session.fetch(compose(HURRIED, name=identifier(name)))
            yield name
        finally:
            drop(session, connect, name)
    finally:
        session.fetch("RESET synchronous_commit")


def _create(session: Session, name: str, origin: Origin) -> None:
    try:
        session.fetch(_created(name, origin, session.major))
    except QueryFailed as error:
        raise Refused(
            f"A database to restore into could not be created on this server ({error.sentence}): let the role create "
            "databases, or verify by list."
        ) from error


def _created(name: str, origin: Origin, major: int) -> object:
    """Alike in everything that decides what text it takes and how it sorts."""
    provider = compose("")
    if major >= _OWN_PROVIDER and origin.provider != "libc":
        word = "BUILTIN_LOCALE" if origin.provider == "builtin" else "ICU_LOCALE"
        provider = compose(f"LOCALE_PROVIDER {origin.provider} {word} {{locale}}", locale=literal(origin.locale or ""))
    return compose(
        "CREATE DATABASE {name} TEMPLATE template0 ENCODING {encoding} LC_COLLATE {collation} LC_CTYPE {ctype} "
        "{provider}",
        name=identifier(name),
        encoding=literal(origin.encoding),
        collation=literal(origin.collation),
        ctype=literal(origin.ctype),
        provider=provider,
    )


def left_databases(session: Session) -> dict[str, int]:
    """What killed proofs left and this role may drop, by name, with its size."""
    return {row["name"]: int(row["bytes"]) for row in session.fetch(LEFT, {"prefix": PREFIX})}


def drop(session: Session, connect: Connect, name: str) -> None:
    forget(session, connect, name)
    session.fetch(compose("DROP DATABASE IF EXISTS {name} WITH (FORCE)", name=identifier(name)))


def _restore(
    backup: Backup, tools: Tools, conninfo: str, environment: dict[str, str], identity: Path | None, seconds: float
) -> None:
    told = backup.manifest
    if told.format == PLAIN:
        argv = [tools.path("psql"), f"--dbname={conninfo}", "--no-psqlrc", "--quiet", "--no-password"]
        argv += ["--set=ON_ERROR_STOP=1", "--output=/dev/null"]
    else:
        argv = [tools.path("pg_restore"), f"--dbname={conninfo}", "--exit-on-error", "--no-password"]
        # What a copy of a database must not do in earnest, and what a scratch one need not.
        argv += ["--no-publications", "--no-subscriptions", "--no-tablespaces", f"--format={told.format}"]
    if told.format == DIRECTORY:
        program = Program([*argv, f"--jobs={told.jobs}", str(backup.dump)], environment=environment)
        try:
            program.finish(seconds)
        finally:
            program.end()
        return
    with backup.content(told.dump, identity) as source:
        program = Program(argv, stdin=subprocess.PIPE, environment=environment)
        try:
            feed(source.read, program, seconds)
        finally:
            program.end()
        source.drain()
        source.finish()


def _compare(backup: Backup, restored: Session) -> None:
    for each in backup.manifest.rows or ():
        statement = compose(COUNT, table=identifier(each.schema, each.table))
        rows = int(restored.fetch(statement)[0]["rows"])
        if rows != each.rows:
            raise NotVerified(
                f"Backup {backup.id} restores {rows} rows of {each.schema}.{each.table} where its manifest counts "
                f"{each.rows}: use another one."
            )
