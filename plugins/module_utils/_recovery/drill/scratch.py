# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether this host may be the scratch of a drill: not one of those that the drill is about."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils import _debian
from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed
from ansible_collections.runbook.postgres.plugins.module_utils._controldata import parsed, printed
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.catalogue import Backup
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.host import registered
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.place import Place
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.refusals import SPARE_BYTES, size

_INSTANCES = Path("/etc/postgresql")
_MACHINE = Path("/etc/machine-id")


def refusals(
    place: Place, system_identifier: str, backup: Backup | None, production: Sequence[str], *, leftover: bool
) -> Iterator[str]:
    """What speaks against a drill here."""
    machine = machine_id()
    if machine and machine in production:
        yield (
            "This host is one of the production nodes, its machine-id says so: a drill needs a scratch host of its "
            "own, so choose another."
        )
    for title, data in instances_of(system_identifier):
        yield (
            f"This host has instance {title} with data of the same cluster (system identifier {system_identifier}) in "
            f"{data}: a drill needs a host that is none of the cluster's, so choose another."
        )
    if place.growing.exists() and not leftover and any(place.growing.iterdir()):
        yield f"{place.growing} is there and not of a drill's making: look what it is and move it away."
    if backup is not None and not leftover:
        free = free_bytes(place.data)
        if backup.bytes + SPARE_BYTES > free:
            yield (
                f"The disk of {place.data.parent} has {size(free)} free and the drill needs "
                f"{size(backup.bytes + SPARE_BYTES)} ({size(backup.bytes)} of backup {backup.label} and "
                f"{size(SPARE_BYTES)} for WAL): make room or give another directory."
            )


def machine_id() -> str:
    try:
        return _MACHINE.read_text().strip()
    except OSError:
        return ""


def instances_of(system_identifier: str) -> Iterator[tuple[str, Path]]:
    """The instances of this host, running or not, that hold that cluster."""
    for config in sorted(_INSTANCES.glob("*/*/postgresql.conf")):
        version, name = config.parent.parent.name, config.parent.name
        if not version.isdigit():
            continue
        data = Path(registered(int(version), name) or _debian.data_directory(int(version), name))
        try:
            control = parsed(printed(int(version), data))
        except ProgramFailed:
            continue
        if control is not None and control.system_identifier == system_identifier:
            yield f"{version}/{name}", data


def free_bytes(path: Path) -> int:
    there = next(each for each in (path, *path.parents) if each.exists())
    found = os.statvfs(there)
    return found.f_bavail * found.f_frsize
