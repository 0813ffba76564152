# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A node as a whole: its host, its packages and the instance on it. Nothing is ever written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils import _debian, _promoters
from ansible_collections.runbook.postgres.plugins.module_utils._cluster.node import instance, machine, packages
from ansible_collections.runbook.postgres.plugins.module_utils._ports import Listener, listeners

CONFIGURATIONS = Path("/etc/postgresql")


@dataclass(frozen=True)
class Question:
    """The module's options."""

    version: int | None
    instance: str
    port: int
    data_directory: str | None
    wal_directory: str | None
    machine_only: bool


def observe(asked: Question) -> dict[str, Any]:
    _debian.refuse_unfit_name(asked.instance)
    heard = listeners()
    if asked.machine_only:
        host = machine.machine("/var/lib", "")
        seen = {**host, "listening": told(heard), "promoters": _promoters.running()}
        return {"machine": seen, "packages": None, "version": None, "instance": None}
    distribution, release = machine.system(machine.text(Path("/etc/os-release")))
    found = packages.packages(asked.version, distribution, release)
    version = meant(asked.version, asked.instance, found)
    where = instance.place(version, asked.instance, asked.port, asked.data_directory)
    unit = _debian.unit(version, asked.instance)
    host = machine.machine(str(where.data_directory), unit, wal_directory=asked.wal_directory)
    return {
        "machine": {**host, "listening": told(heard), "promoters": _promoters.running()},
        "packages": found,
        "version": version or None,
        "instance": instance.observe(where, heard, asked.wal_directory),
    }


def meant(wanted: int | None, name: str, found: dict[str, Any]) -> int:
    """The version asked for, else that of the instance there is, else the newest installed, else the one on offer.

    Zero where even that is unknown, so that its directories are places that never exist.
    """
    if wanted is not None:
        return wanted
    names = (path.parent.name for path in CONFIGURATIONS.glob(f"*/{name}"))
    existing = [int(version) for version in names if version.isdigit()]
    installed: list[int] = found["versions_installed"]
    return max(existing or installed or [found["version_offered"] or 0])


def told(heard: list[Listener]) -> list[dict[str, Any]]:
    pairs = dict.fromkeys((each.port, each.program) for each in heard)
    return [{"port": port, "program": program} for port, program in pairs]
