# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ask the host how full the file systems are that hold the server's files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog.storage import (
    DISKS,
    STORAGE_PATHS,
    Disk,
    StoragePath,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.interview import Interview
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Seen

_ELSEWHERE = "the module ran on another host than the server: run it on the database host to see its disks"


def observe_disks(paths: Sequence[StoragePath]) -> tuple[list[Disk], list[str]]:
    """One row for each file system, however many of the paths lie on it; and what could not be read."""
    disks: dict[int, Disk] = {}
    refusals = []
    for each in paths:
        try:
            device = Path(each.path).stat().st_dev
            disk = _measure(each, disks.get(device))
        except OSError as error:
            refusals.append(
                f"{each.purpose} at {each.path} cannot be looked at ({error.strerror}): "
                "run the task as the server's system user, usually become_user postgres"
            )
        else:
            disks[device] = disk
    return list(disks.values()), refusals


def ask_disks(interview: Interview) -> None:
    """Only a module that runs beside the server can see its disks."""
    if not interview.wants(DISKS):
        return
    if not interview.server.same_host:
        interview.lost(DISKS.name, None, _ELSEWHERE)
        return
    disks, refusals = observe_disks([seen.row for seen in interview.observed.of(STORAGE_PATHS)])
    interview.observed.add(DISKS, [Seen(None, disk) for disk in disks])
    for reason in refusals:
        interview.lost(DISKS.name, None, reason)


def _measure(each: StoragePath, known: Disk | None) -> Disk:
    # As df counts: the share leaves out what only root may still write, the size does not.
    fs = os.statvfs(each.path)
    used = (fs.f_blocks - fs.f_bfree) * fs.f_frsize
    available = fs.f_bavail * fs.f_frsize
    return Disk(
        purpose=f"{known.purpose}, {each.purpose}" if known else each.purpose,
        path=known.path if known else each.path,
        total_bytes=fs.f_blocks * fs.f_frsize,
        used_bytes=used,
        available_bytes=available,
        used_percent=100.0 * used / (used + available) if used + available else 100.0,
        inodes_used_percent=100.0 * (fs.f_files - fs.f_favail) / fs.f_files if fs.f_files else None,
    )
