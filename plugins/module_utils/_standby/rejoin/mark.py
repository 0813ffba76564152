# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a rewinding that has begun leaves beside the data until it is over, so that a killed one is known and finished.

While it is there Debian's tools are kept from starting the instance.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils import _files
from ansible_collections.runbook.postgres.plugins.module_utils._debian import config_directory, start_of
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._rewind_mark import rewinding
from ansible_collections.runbook.postgres.plugins.module_utils._standby.clone import sync

MANIFEST = "manifest.json"
_DISABLED = "disabled"
_WORD = re.compile(rb"^(auto|manual|disabled)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class Mark:
    """What the next run has to know."""

    # The directory with what only this host had.
    kept: str
    # Where the ways parted.
    timeline: int
    lsn: str
    # What start.conf said before.
    start: str

    @property
    def fork(self) -> tuple[int, str]:
        return self.timeline, self.lsn

    @property
    def whole(self) -> bool:
        """Everything was copied: the list of it is written last."""
        return (Path(self.kept) / MANIFEST).exists()


def read(data: Path) -> Mark | None:
    path = rewinding(data)
    found = _files.observe(path)
    if found is None:
        return None
    try:
        mark = Mark(**json.loads(found.content))
    except (TypeError, ValueError) as error:
        raise Refused(f"{path} was not written by this module: look what it is and move it away.") from error
    # Its directory belongs to postgres, who must not lead us anywhere.
    kept = Path(mark.kept)
    if kept.parent != data.parent or not kept.name.startswith(f"{data.name}.diverged-"):
        raise Refused(f"{path} names {kept}, which lies elsewhere than beside {data}: look who wrote it.")
    return mark


def write(data: Path, mark: Mark) -> None:
    path = rewinding(data)
    _files.put(_files.File(path, json.dumps(asdict(mark)).encode() + b"\n", mode=0o600), path)


def remove(data: Path) -> None:
    rewinding(data).unlink(missing_ok=True)
    sync(data.parent)


def start(version: int, instance: str) -> str:
    found = _files.observe(config_directory(version, instance) / "start.conf")
    return start_of(None if found is None else found.content.decode(errors="replace"))


def keep_from_starting(version: int, instance: str) -> None:
    _write_start(version, instance, _DISABLED)


def let_start(version: int, instance: str, word: str) -> None:
    _write_start(version, instance, word)


def _write_start(version: int, instance: str, word: str) -> None:
    path = config_directory(version, instance) / "start.conf"
    found = _files.observe(path) or _files.File(path, b"", "postgres", "postgres")
    text, count = _WORD.subn(word.encode(), found.content)
    wanted = replace(found, content=text if count else text + f"{word}\n".encode())
    if wanted != found:
        _files.put(wanted, path)
