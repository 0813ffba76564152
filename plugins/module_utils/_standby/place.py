# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The directories of a clone: where it goes, where it grows, and what says that it is ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._clone_mark import MARK, growing


@dataclass(frozen=True)
class Place:
    """Where one instance lies, and what is put beside it while it is made."""

    data: Path
    wal: Path | None = None

    @property
    def growing(self) -> Path:
        return growing(self.data)

    @property
    def mark(self) -> Path:
        return self.growing / MARK

    @property
    def clone(self) -> Path:
        return self.growing / "data"

    @property
    def wal_mark(self) -> Path | None:
        """Beside the WAL directory while it belongs to an unfinished clone: the server would stumble over it inside."""
        return None if self.wal is None else self.wal.with_name(f"{self.wal.name}.{MARK}")

    @property
    def registration(self) -> Path:
        """A directory with settings and without data, for Debian's tools to register."""
        return self.data.with_name(f"{self.data.name}.registration")

    def aside(self, stamp: str) -> Path:
        return self.data.with_name(f"{self.data.name}.before-rebuild-{stamp}")


def existing(path: Path) -> Path:
    """The path, or the nearest directory above it that is there."""
    return next(each for each in (path, *path.parents) if each.exists())
