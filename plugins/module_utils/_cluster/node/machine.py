# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The host itself: its system, memory, processors, disk and addresses, read from files alone."""

from __future__ import annotations

import contextlib
import ipaddress
import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

SUPPORTED = frozenset({("debian", "11"), ("debian", "12"), ("debian", "13"), ("ubuntu", "22.04"), ("ubuntu", "24.04")})

# Beyond this a limit of control groups is the kernel's way to say that there is none.
NO_LIMIT = 1 << 60


def machine(data_directory: str, unit: str, root: Path = Path("/"), wal_directory: str | None = None) -> dict[str, Any]:
    """What the host is; `unit` names the service whose limits count, `root` is another place in tests."""
    distribution, release = system(text(root / "etc/os-release"))
    disk_bytes, rotational = disk(nearest(Path(data_directory)), root)
    return {
        "distribution": distribution,
        "release": release,
        "supported": (distribution, release) in SUPPORTED,
        "memory_bytes": memory(root, unit),
        "cores": cores(root, unit),
        "disk_bytes": disk_bytes,
        "rotational": rotational,
        "wal_disk_bytes": disk(wal_place(Path(data_directory), wal_directory), root)[0],
        "wal_free_bytes": free(wal_place(Path(data_directory), wal_directory)),
        "addresses": addresses(root),
    }


def text(path: Path) -> str:
    """What a file holds; one that is missing or not ours to read holds nothing."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def system(os_release: str) -> tuple[str, str]:
    pairs = (line.partition("=") for line in os_release.splitlines())
    told = {key.strip(): value.strip().strip("\"'") for key, _equals, value in pairs}
    return told.get("ID", ""), told.get("VERSION_ID", "")


def control_groups(unit: str) -> Iterator[str]:
    """Where limits for the server may stand, from the whole host down to its own unit."""
    slices = ("", "system.slice", "system.slice/system-postgresql.slice")
    yield from slices
    yield f"{slices[-1]}/{unit}"


def memory(root: Path, unit: str) -> int:
    """Bytes the server may use: the host's, or less where a control group says so."""
    lines = (line.split() for line in text(root / "proc/meminfo").splitlines())
    total = next((int(words[1]) * 1024 for words in lines if words and words[0] == "MemTotal:"), 0)
    groups = root / "sys/fs/cgroup"
    limits = [
        text(groups / place / file)
        for group in control_groups(unit)
        for place, file in ((group, "memory.max"), (f"memory/{group}", "memory.limit_in_bytes"))
    ]
    return min([total, *(int(limit) for limit in limits if limit.strip().isdigit() and 0 < int(limit) < NO_LIMIT)])


def cores(root: Path, unit: str) -> int:
    """Processors the server may use, a share of one counted as one."""
    quotas = [(text(root / "sys/fs/cgroup" / group / "cpu.max")).split() for group in control_groups(unit)]
    quotas += [
        [
            text(root / "sys/fs/cgroup/cpu" / group / "cpu.cfs_quota_us").strip(),
            text(root / "sys/fs/cgroup/cpu" / group / "cpu.cfs_period_us").strip(),
        ]
        for group in control_groups(unit)
    ]
    shares = [
        math.ceil(int(quota[0]) / int(quota[1]))
        for quota in quotas
        if len(quota) == 2 and quota[0].isdigit() and quota[1].isdigit() and int(quota[1])
    ]
    return max(1, min([len(os.sched_getaffinity(0)), *shares]))


def nearest(path: Path) -> Path:
    """The path, or the first directory above it that exists."""
    return next((each for each in (path, *path.parents) if each.is_dir()), Path("/"))


def wal_place(data_directory: Path, wanted: str | None) -> Path:
    """Where the WAL is, which may be a link from the data, or will be."""
    there = data_directory / "pg_wal"
    return there if there.is_dir() else nearest(Path(wanted or data_directory))


def disk(place: Path, root: Path) -> tuple[int, bool | None]:
    """How large the file system at this place is, and whether its disk turns; None where nobody can tell."""
    figures = os.statvfs(place)
    device = place.stat().st_dev
    entry = root / f"sys/dev/block/{os.major(device)}:{os.minor(device)}"
    told = ""
    with contextlib.suppress(OSError):
        real = entry.resolve(strict=True)
        # A partition's own directory lies in that of its disk.
        told = (text(real / "queue/rotational") or text(real.parent / "queue/rotational")).strip()
    return figures.f_blocks * figures.f_frsize, {"1": True, "0": False}.get(told)


def free(place: Path) -> int:
    """What those who are not root can still write there."""
    figures = os.statvfs(place)
    return figures.f_bavail * figures.f_frsize


def addresses(root: Path) -> list[str]:
    """Addresses that others may reach the host by: neither loopback nor link-local ones."""
    four = ipv4(text(root / "proc/net/fib_trie").splitlines())
    six = ipv6(text(root / "proc/net/if_inet6").splitlines())
    return [*dict.fromkeys(four), *dict.fromkeys(six)]


def ipv4(lines: Iterable[str]) -> Iterator[str]:
    """Of the kernel's routing tree, the leaves that are this host."""
    leaf = ""
    for line in lines:
        words = line.split()
        if words[:1] == ["|--"]:
            leaf = words[1]
        elif words == ["/32", "host", "LOCAL"] and not leaf.startswith("127."):
            yield leaf


def ipv6(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        words = line.split()
        if len(words) == 6:
            address = ipaddress.IPv6Address(int(words[0], 16))
            if not address.is_loopback and not address.is_link_local:
                yield str(address)
