# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What there is of an instance on this host: read from Debian's directories, nothing is asked of a server."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils import _debian
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._instance.configuration import last_values, parsed
from ansible_collections.runbook.postgres.plugins.module_utils._postmaster import Postmaster, postmaster


@dataclass(frozen=True)
class Instance:
    """An instance as its configuration tells; `configuration` is None where there is none."""

    version: int
    name: str
    configuration: str | None = field(repr=False)
    data_directory: Path
    port: int
    # "auto", "manual" or "disabled"
    start: str
    server: Postmaster | None

    @property
    def title(self) -> str:
        return f"{self.version}/{self.name}"

    @property
    def directory(self) -> Path:
        return _debian.config_directory(self.version, self.name)

    def includes(self, directory: str = "conf.d") -> bool:
        """Whether postgresql.conf reads that directory beside it."""
        return any(
            entry.name == "include_dir" and self.directory / entry.value == self.directory / directory
            for entry in parsed(self.configuration or "")
        )


def observe(version: int, name: str, data_directory: Path | None = None) -> Instance:
    """`data_directory` is where it is meant to be while its configuration does not say so."""
    _debian.refuse_unfit_name(name)
    directory = _debian.config_directory(version, name)
    text = read_text(directory / "postgresql.conf")
    values = last_values(text or "")
    data = Path(values.get("data_directory") or data_directory or _debian.data_directory(version, name))
    return Instance(
        version,
        name,
        text,
        data,
        _port(values.get("port")),
        _debian.start_of(read_text(directory / "start.conf")),
        None if text is None else postmaster(data),
    )


def _port(value: str | None) -> int:
    """What is no number keeps the server from starting, and that is for the server to say."""
    return int(value) if value is not None and value.isdigit() else 5432


def read_text(path: Path) -> str | None:
    """A file of text, None where there is none; a link is followed, as the server would."""
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Problem(f"{path} cannot be read: {error.strerror}; give the task become: true.") from error


def pg_version(data_directory: Path) -> str | None:
    text = read_text(data_directory / "PG_VERSION")
    return None if text is None else text.strip()


def contents(directory: Path) -> list[str] | None:
    """The names in a directory; None where there is none."""
    try:
        return sorted(path.name for path in directory.iterdir())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Problem(f"{directory} cannot be read: {error.strerror}; look what is in its place.") from error


def log_end(version: int, name: str) -> int:
    """How far the server's log goes by now."""
    log = _debian.log_file(version, name)
    return log.stat().st_size if log.exists() else 0


def complaints(version: int, name: str, since: int) -> str | None:
    """What the server has complained about since then, in one line; None where it did not."""
    log = _debian.log_file(version, name)
    if not log.exists():
        return None
    with log.open("rb") as file:
        # One that became shorter was rotated meanwhile.
        end = file.seek(0, os.SEEK_END)
        file.seek(max(since if since <= end else 0, end - 4000))
        text = file.read().decode(errors="replace")
    told = re.findall(r"(?:FATAL|PANIC|ERROR|HINT|DETAIL):\s+(.*)", text)
    return "; ".join(line.strip().rstrip(".") for line in told[-3:]) or None
