# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Proves a backup that is there, and keeps with it what came of that."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._backup import room
from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import LEVELS, written
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical import verify
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.dump import Way
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.far import tell_all
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.scratch import (
    Conninfo,
    by_restore,
    drop,
    refuse_unable,
    refuse_without_roles,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.place import VERIFICATION, of_backup
from ansible_collections.runbook.postgres.plugins.module_utils._backup.repository import Backup
from ansible_collections.runbook.postgres.plugins.module_utils._backup.state import read_state, write_state
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._progress import Progress
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session


@dataclass(frozen=True)
class Server:
    """One that a backup can be restored to: a session that may create databases, and ways to one of them by name."""

    session: Session
    connect: Callable[[str], AbstractContextManager[Session]]
    conninfo: Conninfo
    # As it is connected to; empty for the socket.
    host: str = ""


@dataclass(frozen=True)
class Prover:
    way: Way
    identity: Path | None
    seconds: float
    server: Server | None
    warnings: list[str] = field(default_factory=list)

    def prove(self, backup: Backup, level: str) -> None:
        """A proof that fails is remembered, and the backup relied on no more; a hindrance is none."""
        about = (VERIFICATION, backup.manifest.content, backup.manifest.origin.database)
        progress = of_backup(backup.directory.parent, backup.id, *about)
        try:
            with self._remembered(backup, "checksum"):
                verify.by_checksum(backup, checksum_progress(progress, backup))
            with self._remembered(backup, level):
                self._prove(backup, level, progress)
        finally:
            progress.end()
        before = read_state(backup.directory)
        state = before.held(level, _now())
        write_state(backup.directory, state)
        if before.failure is not None and state.failure is None:
            self.warnings.extend(tell_all(backup.id, state))
        if state.failure is not None:
            self.warnings.append(
                f"Backup {backup.id} counts as none still, until a proof by {state.failed_level or LEVELS[-1]} holds: "
                f"{state.failure}"
            )

    def _prove(self, backup: Backup, level: str, progress: Progress) -> None:
        if level == "list":
            verify.by_list(backup, self.way.tools, self.identity)
        if level == "restore" and self.server is not None:
            progress.tick("restore")
            server = self.server
            self.refuse_too_full(backup.manifest.origin.bytes, backup.manifest.content)
            by_restore(
                backup,
                self.way.tools,
                server.session,
                server.connect,
                server.conninfo,
                dict(self.way.environment),
                self.identity,
                self.seconds,
            )

    @contextlib.contextmanager
    def _remembered(self, backup: Backup, level: str) -> Iterator[None]:
        try:
            yield
        except verify.NotVerified as error:
            state = read_state(backup.directory).failed(level, error.sentence, _now())
            write_state(backup.directory, state)
            # Files that are damaged are these ones, and a copy of them is what is wanted next.
            if level != "checksum":
                self.warnings.extend(tell_all(backup.id, state))
            raise

    def refuse_hindered(self, backup: Backup, level: str, freed: int = 0) -> None:
        """What a proof of this one would come to in the end, as far as asking tells; `freed` is what goes before."""
        told = backup.manifest
        if level == "checksum":
            return
        if level == "restore" and self.server is not None:
            refuse_unable(self.server.session)
            refuse_without_roles(self.server.session, backup)
            self.refuse_too_full(told.origin.bytes, told.content, freed)
        try:
            verify.refuse_wrong_key(backup, self.identity)
        except Refused:
            # Damage looks alike there, and the proof begins with that.
            if not backup.damage(lambda _: None):
                raise

    def clear(self, name: str) -> None:
        """A database that a killed proof left."""
        if self.server is not None:
            drop(self.server.session, self.server.connect, name)

    def refuse_too_full(self, size: int, content: str, freed: int = 0) -> None:
        """A server that is filled by a proof is down, and what it was to prove is not worth that.

        `freed` is what goes before.
        """
        if self.server is None:
            return
        there = room.seen(self.server.session, self.server.host)
        there = there and replace(there, free=there.free + freed)
        lack = room.lack(size, content, there)
        if lack is not None:
            raise Refused(f"{lack}: make room, verify it by list, or by restore on another server (state: verified).")
        if there is None and room.UNSEEN not in self.warnings:
            self.warnings.append(room.UNSEEN)


def checksum_progress(progress: Progress, backup: Backup) -> Callable[[int], None]:
    """To be told of each portion that was read."""
    done, total = 0, float(backup.manifest.stored_bytes)

    def moved(size: int) -> None:
        nonlocal done
        done += size
        progress.tick("checksum", lambda: (done, total))

    return moved


def _now() -> str:
    return written(datetime.now(timezone.utc))
