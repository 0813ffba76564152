# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Settings that follow from the machine and from what it is used for.

Sizes are rounded down to sixteenths of a power of two, so that a kernel that
keeps some more pages for itself does not ask for a restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused

KB, MB, GB = 1024, 1024**2, 1024**3

OLTP, ANALYTICS, MIXED, INSERT_HEAVY = "oltp", "analytics", "mixed", "insert_heavy"
WORKLOADS = (OLTP, ANALYTICS, MIXED, INSERT_HEAVY)
HDD, SSD, NVME = "hdd", "ssd", "nvme"
DISKS = (HDD, SSD, NVME)

SMALLEST_MEMORY = 128 * MB
OLDEST, NEWEST = 13, 18


@dataclass(frozen=True)
class Character:
    """What a workload asks for."""

    # Of the memory, what all connections together may use for one sort each.
    work_share: float
    max_wal: int
    checkpoint_timeout: str
    # Of the cores, how many help one query, and at most how many.
    gather_share: float
    gather_most: int
    vacuum_scale: str
    insert_scale: str
    jit: bool


_CHARACTERS = {
    OLTP: Character(0.15, 4 * GB, "15min", 0.25, 2, "0.05", "0.1", jit=False),
    MIXED: Character(0.20, 4 * GB, "15min", 0.5, 4, "0.1", "0.1", jit=True),
    ANALYTICS: Character(0.40, 8 * GB, "20min", 0.5, 8, "0.1", "0.1", jit=True),
    INSERT_HEAVY: Character(0.10, 16 * GB, "30min", 0.25, 2, "0.05", "0.02", jit=False),
}


@dataclass(frozen=True)
class Machine:
    memory: int
    cores: int
    # Size of the file system with the WAL; None when not known.
    disk_bytes: int | None
    disk: str


def read_machine(given: Mapping[str, Any], disk: str | None) -> Machine:
    """The facts of a host, as pg_node_facts tells them."""
    memory, cores = given.get("memory_bytes"), given.get("cores")
    size = given.get("wal_disk_bytes") or given.get("disk_bytes")
    if not isinstance(memory, int) or memory < SMALLEST_MEMORY:
        raise Refused(f"The machine has {memory} bytes of memory by its facts: PostgreSQL needs at least 128 MB of it.")
    if not isinstance(cores, int) or cores < 1:
        raise Refused(f"The machine has {cores} cores by its facts: that cannot be, look at the facts.")
    if disk is not None and disk not in DISKS:
        raise Refused(f"The disk is '{disk}': give one of {', '.join(DISKS)}.")
    kind = disk or (HDD if given.get("rotational") else SSD)
    return Machine(rounded(memory), cores, rounded(size) if isinstance(size, int) and size > 0 else None, kind)


def rounded(size: int) -> int:
    step = 1 << max(0, size.bit_length() - 5)
    return size // step * step


def tuned(
    machine: Machine, workload: str, max_connections: int, version: int, most_cores: int | None = None
) -> dict[str, Any]:
    """`most_cores` are those of the largest member: no standby may have fewer worker processes than its primary."""
    if workload not in _CHARACTERS:
        raise Refused(f"The workload is '{workload}': give one of {', '.join(WORKLOADS)}.")
    if not 5 <= max_connections <= 10000:
        raise Refused(f"max_connections is {max_connections}: give a number from 5 to 10000.")
    if not OLDEST <= version <= NEWEST:
        raise Refused(f"The version is {version}: tuning is known for PostgreSQL {OLDEST} to {NEWEST}.")
    character = _CHARACTERS[workload]
    return {
        "max_connections": max_connections,
        **_memory(machine, character, max_connections, workload),
        **_wal(machine, character, version),
        **_parallel(machine, character, max(machine.cores, most_cores or 0)),
        **_disk(machine),
        **_autovacuum(machine, character, workload),
        "jit": character.jit,
    }


def _memory(machine: Machine, character: Character, connections: int, workload: str) -> dict[str, Any]:
    memory = machine.memory
    each = int(memory * character.work_share / connections)
    upkeep = memory // (8 if workload == ANALYTICS else 16)
    return {
        "shared_buffers": written(memory // 4),
        "effective_cache_size": written(memory // 4 * 3),
        # The server takes no less than 64 kB.
        "work_mem": written(within(64 * KB, rounded(each), 2 * GB)),
        "maintenance_work_mem": written(within(8 * MB, upkeep, 2 * GB)),
    }


def _wal(machine: Machine, character: Character, version: int) -> dict[str, Any]:
    most = character.max_wal
    if machine.disk_bytes is not None:
        most = within(256 * MB, machine.disk_bytes // 10, most)
    settings = {
        "max_wal_size": written(most),
        "min_wal_size": written(max(80 * MB, most // 4)),
        "checkpoint_timeout": character.checkpoint_timeout,
        "checkpoint_completion_target": "0.9",
        "wal_compression": "lz4" if version >= 15 else "on",
    }
    if machine.disk_bytes is not None:
        # A standby that is away must not fill the primary's disk.
        settings["max_slot_wal_keep_size"] = written(max(most, machine.disk_bytes // 5))
    return settings


def _parallel(machine: Machine, character: Character, most_cores: int) -> dict[str, Any]:
    cores = machine.cores
    return {
        "max_worker_processes": max(8, most_cores + 4),
        "max_parallel_workers": cores,
        "max_parallel_workers_per_gather": min(character.gather_most, int(cores * character.gather_share)),
        "max_parallel_maintenance_workers": min(4, cores // 2),
    }


def _disk(machine: Machine) -> dict[str, Any]:
    turning = machine.disk == HDD
    return {
        "random_page_cost": "4" if turning else "1.1",
        "effective_io_concurrency": {HDD: 2, SSD: 200, NVME: 500}[machine.disk],
        "maintenance_io_concurrency": {HDD: 10, SSD: 100, NVME: 500}[machine.disk],
    }


def _autovacuum(machine: Machine, character: Character, workload: str) -> dict[str, Any]:
    most = 6 if workload == INSERT_HEAVY else 4
    return {
        "autovacuum_max_workers": within(3, machine.cores // 2, most),
        "autovacuum_vacuum_cost_limit": 400 if machine.disk == HDD else 2000,
        "autovacuum_vacuum_scale_factor": character.vacuum_scale,
        "autovacuum_analyze_scale_factor": "0.05",
        "autovacuum_vacuum_insert_scale_factor": character.insert_scale,
    }


def within(least: int, value: int, most: int) -> int:
    return max(least, min(value, most))


def written(size: int) -> str:
    """In the largest unit that leaves no rest, and in whole kilobytes."""
    kilobytes = size // KB
    for unit, factor in (("GB", 1024**2), ("MB", 1024)):
        if kilobytes >= factor and kilobytes % factor == 0:
            return f"{kilobytes // factor}{unit}"
    return f"{kilobytes}kB"
