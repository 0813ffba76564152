# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What only this host has is copied aside before anything is changed: its WAL past the fork, and its own settings."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils import _files
from ansible_collections.runbook.postgres.plugins.module_utils._debian import SUPERUSER, run_as_postgres
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._standby.clone import sync
from ansible_collections.runbook.postgres.plugins.module_utils._standby.rejoin.mark import MANIFEST

_WAL, _SETTINGS = "wal", "settings"
# What a member may have of its own among the data, where the primary's would come instead.
_OWN = ("*.conf", "*.conf.d", "conf.d")


def begin(kept: Path) -> None:
    for directory in (kept, kept / _WAL, kept / _SETTINGS):
        directory.mkdir(mode=0o700, exist_ok=True)
        shutil.chown(directory, SUPERUSER, SUPERUSER)
    sync(kept.parent)


def wal(data: Path, kept: Path, names: Sequence[str], seconds: float) -> None:
    """As they are now; a file that was copied before gives way."""
    _copy([data / "pg_wal" / name for name in names], kept / _WAL, seconds)


def wal_back(data: Path, kept: Path, seconds: float) -> None:
    """A rewinding that was killed has replaced or removed some, and cannot be done again without them."""
    _copy(sorted((kept / _WAL).iterdir()), data / "pg_wal", seconds)


def settings(data: Path, kept: Path, seconds: float) -> None:
    _copy(sorted({each for pattern in _OWN for each in data.glob(pattern)}), kept / _SETTINGS, seconds)


def settings_back(data: Path, kept: Path, seconds: float) -> None:
    _copy(sorted((kept / _SETTINGS).iterdir()), data, seconds)


def manifest(kept: Path, told: Mapping[str, Any]) -> None:
    """The last of it: where this is, everything is."""
    text = json.dumps(told, indent=2) + "\n"
    _files.put(_files.File(kept / MANIFEST, text.encode(), SUPERUSER, SUPERUSER, 0o600), kept / MANIFEST)


def told(kept: Path) -> dict[str, Any]:
    found = _files.observe(kept / MANIFEST)
    if found is None:
        raise Problem(f"{kept / MANIFEST} is gone, which was there before: look who removed it.")
    return dict(json.loads(found.content))


def _copy(sources: Sequence[Path], target: Path, seconds: float) -> None:
    """Not as root: these directories are postgres's, who could have left a link in them."""
    if sources:
        argv = ["cp", "--recursive", "--preserve=mode,timestamps", "--no-dereference", f"--target-directory={target}"]
        run_as_postgres([*argv, "--", *map(str, sources)], seconds)
        run_as_postgres(["sync", "--", *(str(target / each.name) for each in sources), str(target)], seconds)
