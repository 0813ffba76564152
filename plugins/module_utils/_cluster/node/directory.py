# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What lies in a data directory, seen from its files alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._clone_mark import MARK, growing
from ansible_collections.runbook.postgres.plugins.module_utils._cluster.node.machine import text
from ansible_collections.runbook.postgres.plugins.module_utils._history import ancestors
from ansible_collections.runbook.postgres.plugins.module_utils._ports import alive, program
from ansible_collections.runbook.postgres.plugins.module_utils._rewind_mark import rewinding

# What a new file system of its own holds.
NOTHING = frozenset({"lost+found"})


@dataclass(frozen=True)
class Postmaster:
    """The server that a data directory says runs on it."""

    pid: int
    port: int
    socket_directory: str


@dataclass(frozen=True)
class Directory:
    """A data directory, which need not exist."""

    path: Path

    @property
    def exists(self) -> bool:
        return self.path.is_dir()

    @property
    def occupied(self) -> bool:
        return self.exists and any(entry.name not in NOTHING for entry in self.path.iterdir())

    @property
    def pg_version(self) -> str | None:
        return text(self.path / "PG_VERSION").strip() or None

    @property
    def unfinished_basebackup(self) -> bool:
        """A base backup begins with its label and ends with the control file."""
        return (self.path / "backup_label").exists() and not (self.path / "global/pg_control").exists()

    @property
    def unfinished_clone(self) -> bool:
        """What an interrupted run of ours left lies beside, and is not in anybody's way."""
        return (growing(self.path) / MARK).exists()

    @property
    def unfinished_rewind(self) -> bool:
        """What lies there is no database: a rewinding began and has not ended."""
        return rewinding(self.path).exists()

    @property
    def standby(self) -> bool:
        return any((self.path / name).exists() for name in ("standby.signal", "recovery.signal"))

    def postmaster(self, proc: Path = Path("/proc")) -> Postmaster | None:
        """The server that runs now; a file left by one that was killed does not count."""
        lines = text(self.path / "postmaster.pid").splitlines()
        if len(lines) < 5 or not all(lines[at].strip().isdigit() for at in (0, 3)):
            return None
        pid = int(lines[0])
        # The number may belong to another program by now.
        if not alive(pid, proc) or program(pid, proc) != "postgres":
            return None
        return Postmaster(pid, int(lines[3]), lines[4].strip() or "/var/run/postgresql")

    def history(self, timeline: int) -> list[dict[str, Any]]:
        """Which timelines this one came from, and where each was left; oldest first."""
        file = text(self.path / "pg_wal" / f"{timeline:08X}.history")
        return [{"timeline": number, "lsn": lsn} for number, lsn in ancestors(file)]


def configured(config_directory: Path) -> str | None:
    """Where the configuration says that the data is, if it does."""
    found = re.findall(r"(?m)^\s*data_directory\s*=\s*'((?:[^']|'')*)'", text(config_directory / "postgresql.conf"))
    data = str(found[-1]).replace("''", "'") if found else None
    # A clone that is not finished is registered with a directory that stands in for its own.
    return None if data is None or (Path(data) / MARK).exists() else data
