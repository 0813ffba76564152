"""Settings by machine: some as a table, the rest as what must hold for any machine."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._instance.tuning import (
    DISKS,
    GB,
    KB,
    MB,
    WORKLOADS,
    Machine,
    read_machine,
    rounded,
    tuned,
    written,
)

SIZES = {"kB": KB, "MB": MB, "GB": GB}

memories = st.integers(128 * MB, 4096 * GB)
disks = st.one_of(st.none(), st.integers(GB, 100_000 * GB))
machines = st.builds(
    lambda memory, cores, size, kind: read_machine(
        {"memory_bytes": memory, "cores": cores, "disk_bytes": size, "rotational": None}, kind
    ),
    memories,
    st.integers(1, 256),
    disks,
    st.sampled_from(DISKS),
)
asked = st.tuples(st.sampled_from(WORKLOADS), st.integers(5, 10000), st.integers(13, 18))


def size(text: Any) -> int:
    match = re.fullmatch(r"(\d+)(kB|MB|GB)", str(text))
    assert match, text
    return int(match[1]) * SIZES[match[2]]


@pytest.mark.parametrize(
    ("memory", "workload", "connections", "expected"),
    [
        (
            16 * GB,
            "oltp",
            100,
            {
                "shared_buffers": "4GB",
                "effective_cache_size": "12GB",
                "work_mem": "24MB",
                "maintenance_work_mem": "1GB",
            },
        ),
        (64 * GB, "analytics", 40, {"shared_buffers": "16GB", "work_mem": "640MB", "maintenance_work_mem": "2GB"}),
        (256 * MB, "mixed", 100, {"shared_buffers": "64MB", "work_mem": "512kB", "maintenance_work_mem": "16MB"}),
        (8 * GB, "insert_heavy", 100, {"checkpoint_timeout": "30min", "max_wal_size": "10GB", "jit": False}),
    ],
)
def test_machines_as_one_meets_them(memory: int, workload: str, connections: int, expected: dict[str, Any]) -> None:
    settings = tuned(Machine(memory, 4, 100 * GB, "ssd"), workload, connections, 15)
    assert {name: settings[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("facts", "disk", "cost"),
    [({"rotational": True}, None, "4"), ({"rotational": False}, None, "1.1"), ({}, None, "1.1"), ({}, "hdd", "4")],
)
def test_the_disk_is_what_was_said_or_found(facts: dict[str, Any], disk: str | None, cost: str) -> None:
    machine = read_machine({"memory_bytes": GB, "cores": 2, **facts}, disk)
    assert tuned(machine, "mixed", 100, 15)["random_page_cost"] == cost


def test_versions_get_what_they_know() -> None:
    machine = Machine(GB, 2, None, "ssd")
    assert tuned(machine, "mixed", 100, 13)["wal_compression"] == "on"
    assert tuned(machine, "mixed", 100, 17)["wal_compression"] == "lz4"
    assert "max_slot_wal_keep_size" not in tuned(machine, "mixed", 100, 17)


def test_all_members_have_the_worker_processes_of_the_largest() -> None:
    small, large = Machine(GB, 2, None, "ssd"), Machine(GB, 32, None, "ssd")
    one, other = tuned(small, "oltp", 100, 15, most_cores=32), tuned(large, "oltp", 100, 15, most_cores=32)
    assert one["max_worker_processes"] == other["max_worker_processes"] == 36


@pytest.mark.parametrize(
    ("facts", "disk", "rest", "word"),
    [
        ({"memory_bytes": 64 * MB, "cores": 1}, None, ("oltp", 100, 15), "memory"),
        ({"cores": 1}, None, ("oltp", 100, 15), "memory"),
        ({"memory_bytes": GB, "cores": 0}, None, ("oltp", 100, 15), "cores"),
        ({"memory_bytes": GB, "cores": 1}, "tape", ("oltp", 100, 15), "tape"),
        ({"memory_bytes": GB, "cores": 1}, None, ("games", 100, 15), "games"),
        ({"memory_bytes": GB, "cores": 1}, None, ("oltp", 2, 15), "max_connections"),
        ({"memory_bytes": GB, "cores": 1}, None, ("oltp", 100, 9), "version"),
    ],
)
def test_what_makes_no_sense_is_refused(
    facts: dict[str, Any], disk: str | None, rest: tuple[str, int, int], word: str
) -> None:
    with pytest.raises(Refused, match=word):
        tuned(read_machine(facts, disk), *rest)


@given(machines, asked)
def test_sorts_of_all_connections_fit(machine: Machine, rest: tuple[str, int, int]) -> None:
    settings = tuned(machine, *rest)
    assert size(settings["work_mem"]) * rest[1] <= max(machine.memory // 2, rest[1] * 64 * KB)
    assert size(settings["shared_buffers"]) + size(settings["maintenance_work_mem"]) <= machine.memory // 2


@given(machines, asked)
def test_wal_fits_the_disk_and_its_own_bounds(machine: Machine, rest: tuple[str, int, int]) -> None:
    settings = tuned(machine, *rest)
    most = size(settings["max_wal_size"])
    assert 32 * MB <= size(settings["min_wal_size"]) <= most
    if machine.disk_bytes is not None:
        assert most <= max(256 * MB, machine.disk_bytes // 10)
        assert most <= size(settings["max_slot_wal_keep_size"]) <= max(256 * MB, machine.disk_bytes // 5)


@given(machines, asked)
def test_workers_are_within_their_pool(machine: Machine, rest: tuple[str, int, int]) -> None:
    settings = tuned(machine, *rest)
    pool = settings["max_worker_processes"]
    assert settings["max_parallel_workers_per_gather"] <= settings["max_parallel_workers"] <= pool
    assert settings["max_parallel_maintenance_workers"] <= settings["max_parallel_workers"]


@given(memories, memories, st.integers(1, 64), asked)
def test_more_memory_never_means_less_of_it(one: int, other: int, cores: int, rest: tuple[str, int, int]) -> None:
    small, large = (
        tuned(read_machine({"memory_bytes": memory, "cores": cores}, None), *rest) for memory in sorted((one, other))
    )
    for name in ("shared_buffers", "effective_cache_size", "work_mem", "maintenance_work_mem"):
        assert size(small[name]) <= size(large[name])


@given(st.integers(1, 2**60))
def test_rounding_takes_less_than_a_sixteenth(number: int) -> None:
    assert number - number / 16 <= rounded(number) <= number
    assert rounded(rounded(number)) == rounded(number)


def test_some_pages_less_ask_for_no_restart() -> None:
    facts = {"cores": 4, "disk_bytes": 100 * GB}
    usual = [16 * GB - 300 * MB, 16 * GB - 310 * MB]
    one, other = (tuned(read_machine({**facts, "memory_bytes": each}, None), "mixed", 100, 15) for each in usual)
    assert one == other


@pytest.mark.parametrize(
    ("number", "text"), [(GB, "1GB"), (1536 * MB, "1536MB"), (100 * KB, "100kB"), (GB + KB, "1048577kB")]
)
def test_sizes_are_written_in_the_largest_unit(number: int, text: str) -> None:
    assert written(number) == text


def test_wal_with_a_disk_of_its_own_has_to_fit_there() -> None:
    facts = {"memory_bytes": 8 * GB, "cores": 4, "disk_bytes": 2000 * GB, "wal_disk_bytes": 64 * GB}
    settings = tuned(read_machine(facts, None), "oltp", 100, 15)
    assert size(settings["max_slot_wal_keep_size"]) <= 64 * GB // 5
    assert settings == tuned(read_machine({**facts, "disk_bytes": 64 * GB}, None), "oltp", 100, 15)
