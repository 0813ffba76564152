# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Databases are made, named, closed and dropped: what only a session in another database can do."""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import Origin
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore import marks
from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session, compose, identifier, literal

HURRIED = "ALTER DATABASE {name} SET synchronous_commit = off"
UNHURRIED = "ALTER DATABASE {name} RESET synchronous_commit"
END_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = ANY (%(names)s::name[]) AND pid <> pg_backend_pid()
"""
END_ALL_BUT_SUPERUSERS = """
SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
 WHERE a.datname = %(name)s AND a.pid <> pg_backend_pid() AND NOT r.rolsuper
"""
# A backend that is told to end takes a moment to roll back.
END_SECONDS = 30.0


class Databases:
    def __init__(self, session: Session) -> None:
        self._session = session

    def make(self, name: str, origin: Origin, tablespace: str | None) -> None:
        """Empty, with the encoding and the order of the one that was backed up, and for nobody but its owner yet."""
        parts = [
            "CREATE DATABASE {name} TEMPLATE template0 OWNER {owner} ENCODING {encoding}",
            "LC_COLLATE {collation} LC_CTYPE {ctype}",
        ]
        if origin.provider == "icu" and origin.locale is not None:
            parts.append("LOCALE_PROVIDER icu ICU_LOCALE {locale}")
        elif origin.provider == "builtin" and origin.locale is not None:
            parts.append("LOCALE_PROVIDER builtin BUILTIN_LOCALE {locale}")
        if tablespace is not None:
            parts.append("TABLESPACE {tablespace}")
        self._session.fetch(
            compose(
                " ".join(parts),
                name=identifier(name),
                owner=identifier(origin.owner),
                encoding=literal(origin.encoding),
                collation=literal(origin.collation),
                ctype=literal(origin.ctype),
                locale=literal(origin.locale or ""),
                tablespace=identifier(tablespace or ""),
            )
        )

    def hide(self, name: str) -> None:
        self._session.fetch(compose("REVOKE ALL ON DATABASE {name} FROM PUBLIC", name=identifier(name)))

    def hurry(self, name: str, yes: bool) -> None:
        """Nobody is told of what is committed there, so that nothing waits for a disk or a standby at each commit."""
        self._session.fetch(compose(HURRIED if yes else UNHURRIED, name=identifier(name)))

    def note(self, name: str, journal: marks.Journal) -> None:
        self.comment(name, marks.restoring(journal))

    def comment(self, name: str, text: str | None) -> None:
        statement = "COMMENT ON DATABASE {name} IS {text}"
        self._session.fetch(compose(statement, name=identifier(name), text=literal(text)))

    def allow(self, name: str, yes: bool) -> None:
        word = compose("true" if yes else "false")
        self._session.fetch(compose("ALTER DATABASE {name} ALLOW_CONNECTIONS {yes}", name=identifier(name), yes=word))

    def limit(self, name: str, most: int) -> None:
        statement = "ALTER DATABASE {name} CONNECTION LIMIT {most}"
        self._session.fetch(compose(statement, name=identifier(name), most=literal(most)))

    def rename(self, name: str, other: str) -> None:
        statement = "ALTER DATABASE {name} RENAME TO {other}"
        self._session.fetch(compose(statement, name=identifier(name), other=identifier(other)))

    def drop(self, name: str) -> None:
        """Also when programs of a killed run are still at work in it."""
        self._session.fetch(compose("DROP DATABASE IF EXISTS {name} WITH (FORCE)", name=identifier(name)))

    def end_sessions(self, *names: str) -> None:
        """None is left; new ones have to be kept out by who calls this."""
        self._until_none(END_SESSIONS, {"names": list(names)}, ", ".join(names))

    def end_all_but_superusers(self, name: str) -> None:
        self._until_none(END_ALL_BUT_SUPERUSERS, {"name": name}, name)

    def _until_none(self, query: str, values: dict[str, Any], named: str) -> None:
        deadline = Deadline(END_SECONDS)
        while self._session.fetch(query, values):
            if deadline.passed():
                raise Problem(f"Sessions in database {named} did not end within {END_SECONDS:.0f} s: see who they are.")
            time.sleep(0.05)
