# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How the parts find each other: by the names under which their sessions stand in pg_stat_activity.

A name is to be seen by every role, takes no right to set, and goes with the session of whoever said it. The poolers
say theirs to both servers, the servers' own parts over their sockets:

    candidate's server     candidate: ready                  pooler: here 1, ...
    primary's server       primary: waiting, go or off       pooler: here 1, paused 1 or off 1, ...
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._session import Session

READY, WAITING, GO, OFF, HERE, PAUSED = "ready", "waiting", "go", "off", "here", "paused"

_SAID = "SELECT application_name AS name FROM pg_catalog.pg_stat_activity WHERE application_name LIKE %s"


@dataclass(frozen=True)
class Words:
    """What is said in the switchover of this token; 63 bytes are the most that a server keeps."""

    token: str

    def of(self, word: str, number: int | None = None) -> str:
        return f"runbook {self.token} {word}" + ("" if number is None else f" {number}")

    @property
    def restore_point(self) -> str:
        """The primary's last word, which reaches the candidate in the WAL."""
        return f"runbook switchover {self.token}"

    def all_of(self, word: str, poolers: int) -> set[str]:
        return {self.of(word, number) for number in range(1, poolers + 1)}

    def heard(self, session: Session) -> set[str]:
        """All that is said on this server now."""
        return {row["name"] for row in session.fetch(_SAID, [f"runbook {self.token} %"])}

    def any_off(self, heard: Iterable[str]) -> bool:
        return any(name.startswith(self.of(OFF)) for name in heard)


def say(session: Session, name: str) -> None:
    session.fetch("SELECT pg_catalog.set_config('application_name', %s, false)", [name])
