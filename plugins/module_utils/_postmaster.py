# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether a server runs on a data directory, by the file that it keeps there while it does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils import _debian
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem


@dataclass(frozen=True)
class Postmaster:
    """A server that runs, by the file that it keeps in its data directory."""

    pid: int
    port: int
    socket_directory: str

    def socket(self, *, read_only: bool = False, seconds: float = 30.0) -> _debian.Socket:
        directory = self.socket_directory or _debian.SOCKET_DIRECTORY
        return _debian.Socket(self.port, directory, seconds=seconds, read_only=read_only)


def postmaster(data_directory: Path) -> Postmaster | None:
    """The server that runs on this data, if one does."""
    lines = (_text(data_directory / "postmaster.pid")).splitlines()
    if len(lines) < 5 or not re.fullmatch(r"\d+", lines[0].strip()) or not lines[3].strip().isdigit():
        return None
    pid = int(lines[0])
    command = _text(Path(f"/proc/{pid}/cmdline"))
    # After a crash the number may belong to another program.
    if Path(command.split("\0")[0]).name not in ("postgres", "postgres:"):
        return None
    return Postmaster(pid, int(lines[3]), lines[4].strip())


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
        return ""
    except OSError as error:
        raise Problem(f"{path} cannot be read: {error.strerror}; give the task become: true.") from error
