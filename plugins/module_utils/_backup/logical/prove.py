# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Proves a backup that is there, and keeps with it what came of that."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._backup import room
from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import written
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical import verify
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.dump import Way
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.scratch import by_restore
from ansible_collections.runbook.postgres.plugins.module_utils._backup.place import PROGRESS
from ansible_collections.runbook.postgres.plugins.module_utils._backup.progress import Progress
from ansible_collections.runbook.postgres.plugins.module_utils._backup.repository import Backup
from ansible_collections.runbook.postgres.plugins.module_utils._backup.state import State, read_state, write_state
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session


@dataclass(frozen=True)
class Server:
    """One that a backup can be restored to: a session that may create databases, and ways to one of them by name."""

    session: Session
    connect: Callable[[str], AbstractContextManager[Session]]
    conninfo: Callable[[str], str]
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
        progress = Progress(backup.directory.with_name(f".{backup.id}{PROGRESS}"), backup.id)
        try:
            self._prove(backup, level, progress)
        except verify.NotVerified as error:
            state = read_state(backup.directory)
            write_state(backup.directory, replace(state, failure=error.sentence, failed_at=_now()))
            raise
        finally:
            progress.end()
        state = read_state(backup.directory)
        write_state(backup.directory, State({**state.proofs, "checksum": _now(), level: _now()}, copies=state.copies))

    def _prove(self, backup: Backup, level: str, progress: Progress) -> None:
        verify.by_checksum(backup, checksum_progress(progress, backup))
        if level == "list":
            verify.by_list(backup, self.way.tools, self.identity)
        if level == "restore" and self.server is not None:
            progress.tick("restore", lambda: (0, None))
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

    def refuse_too_full(self, size: int, content: str) -> None:
        """A server that is filled by a proof is down, and what it was to prove is not worth that."""
        if self.server is None:
            return
        there = room.seen(self.server.session, self.server.host)
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
