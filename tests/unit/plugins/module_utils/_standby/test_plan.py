"""From what was found on both sides to the steps between, as tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._controldata import Control
from ansible_collections.runbook.postgres.plugins.module_utils._history import Branch
from ansible_collections.runbook.postgres.plugins.module_utils._standby.local import Data, Host, Registered, Server
from ansible_collections.runbook.postgres.plugins.module_utils._standby.place import Place
from ansible_collections.runbook.postgres.plugins.module_utils._standby.plan import (
    Clone,
    MoveAside,
    Register,
    RemoveLeftovers,
    Stop,
    Wanted,
    plan_standby,
    room_refusal,
    size,
)
from ansible_collections.runbook.postgres.plugins.module_utils._standby.upstream import Upstream

PLACE = Place(Path("/var/lib/postgresql/15/main"))
WANTED = Wanted(15, "main", PLACE, "192.0.2.1 port 5432", "db2", stamp="20260102T030405Z")
UPSTREAM = Upstream("192.0.2.1 port 5432", "77", Branch(1, "0/500"), 15)
EMPTY = Host(installed=True, free_bytes=1 << 40)
STANDBY = Data("15", Control("77", "shut down in recovery", Branch(1, "0/400")), standby=True)
KNOWN = Registered(str(PLACE.data), finished=True)
HERE = replace(EMPTY, data=STANDBY, registered=KNOWN)


def kinds(wanted: Wanted, host: Host, upstream: Upstream | None = UPSTREAM) -> list[type]:
    plan = plan_standby(wanted, host, upstream)
    assert not plan.refusals
    return [type(change) for change in plan.changes]


def refusal(wanted: Wanted, host: Host, upstream: Upstream | None = UPSTREAM) -> str:
    plan = plan_standby(wanted, host, upstream)
    assert not plan.changes
    return " ".join(plan.refusals)


@pytest.mark.parametrize(
    ("host", "steps"),
    [
        (EMPTY, [Clone, Register]),
        (replace(EMPTY, installed=False), [Clone, Register]),
        (replace(EMPTY, registered=KNOWN), [Clone]),
        (replace(EMPTY, leftovers=("/x.clone",)), [RemoveLeftovers, Clone, Register]),
        (HERE, []),
        (replace(HERE, leftovers=("/x.clone",)), [RemoveLeftovers]),
        (replace(HERE, registered=None), [Register]),
        (replace(HERE, registered=Registered(None, finished=False)), [Register]),
        (replace(HERE, server=Server(in_recovery=True, streaming=True)), []),
        # What is in the way of a clone is in nobody's way where none is made.
        (replace(HERE, strangers=("/y",), mounted=True, unmounted="x", free_bytes=0, wal_free_bytes=0), []),
    ],
)
def test_steps(host: Host, steps: list[type]) -> None:
    assert kinds(WANTED, host) == steps


FAULTS: list[tuple[Data, str]] = [
    (Data(None, None, standby=False, names=("letters",)), "no data of PostgreSQL (letters)"),
    (replace(STANDBY, version="13"), "PostgreSQL 13, not 15"),
    (replace(STANDBY, control=None), "control file cannot be read"),
    (replace(STANDBY, control=Control("66", "x", Branch(1, "0/4"))), "system identifier 66 and not 77"),
    (replace(STANDBY, standby=False), "last run as a primary (state 'shut down in recovery'"),
    (replace(STANDBY, control=Control("77", "x", Branch(1, "0/501"))), "diverged"),
]


@pytest.mark.parametrize(("data", "says"), FAULTS)
def test_data_with_a_fault_is_refused_and_moved_aside_for_a_rebuild(data: Data, says: str) -> None:
    host = replace(HERE, data=data)
    assert says in refusal(WANTED, host)
    assert "name this host for rebuild" in refusal(WANTED, host)
    rebuild = replace(WANTED, rebuild=True)
    assert kinds(rebuild, host) == [MoveAside, Clone]
    [aside] = [each for each in plan_standby(rebuild, host, UPSTREAM).changes if isinstance(each, MoveAside)]
    assert aside.to == f"{PLACE.data}.before-rebuild-20260102T030405Z"
    running = replace(host, server=Server(in_recovery=True))
    assert kinds(rebuild, running) == [Stop, MoveAside, Clone]
    for server in (Server(in_recovery=False), Server()):
        assert "a server runs on it that is no standby" in refusal(rebuild, replace(host, server=server))


def test_a_standby_in_order_is_not_rebuilt() -> None:
    assert kinds(replace(WANTED, rebuild=True), HERE) == []


def test_a_standby_whose_wal_is_gone_is_refused_and_rebuilt() -> None:
    beyond = replace(WANTED, wal_from="0/401")
    assert "keeps WAL from 0/401 on only" in refusal(beyond, HERE)
    assert kinds(replace(beyond, rebuild=True), HERE) == [MoveAside, Clone]
    streams = replace(HERE, server=Server(in_recovery=True, streaming=True))
    assert kinds(replace(beyond, rebuild=True), streams) == []
    assert kinds(replace(WANTED, wal_from="0/400"), HERE) == []


@pytest.mark.parametrize(
    ("wanted", "host", "upstream", "says"),
    [
        (replace(WANTED, system_identifier="5"), EMPTY, UPSTREAM, "5 is wanted"),
        (WANTED, EMPTY, replace(UPSTREAM, major=16), "needs the same major version"),
        (WANTED, replace(HERE, registered=Registered("/srv/x", finished=True)), UPSTREAM, "has its data in /srv/x"),
        (WANTED, replace(EMPTY, registered=Registered(None, finished=True)), UPSTREAM, "does not say where"),
        (WANTED, replace(EMPTY, strangers=("/srv/y",)), UPSTREAM, "/srv/y is in the way"),
        (WANTED, replace(EMPTY, mounted=True), UPSTREAM, "mount point"),
        (WANTED, replace(EMPTY, registered=KNOWN, unmounted="/srv is not mounted."), UPSTREAM, "/srv is not mounted"),
        (WANTED, replace(EMPTY, wal_free_bytes=1 << 20), UPSTREAM, "has 1.0 MiB free, and the WAL"),
        (
            replace(WANTED, bytes=1 << 30),
            replace(EMPTY, free_bytes=1 << 30),
            UPSTREAM,
            "needs 1.1 GiB (1.0 GiB of data",
        ),
    ],
)
def test_refusals(wanted: Wanted, host: Host, upstream: Upstream, says: str) -> None:
    assert says in refusal(wanted, host, upstream)


def test_without_an_answer_the_given_identifier_counts() -> None:
    assert "another cluster" in refusal(replace(WANTED, system_identifier="5"), HERE, None)
    assert kinds(replace(WANTED, system_identifier="77"), HERE, None) == []


def test_the_diff_has_both_states() -> None:
    plan = plan_standby(replace(WANTED, rebuild=True), replace(HERE, data=FAULTS[3][0]), UPSTREAM)
    told = plan.diff("15/main")
    assert "primary" not in told["before"]
    assert "system identifier 66" in told["before"]
    assert "standby of the cluster" in told["after"]


@pytest.mark.parametrize(
    ("count", "text"), [(5, "5 bytes"), (2048, "2.0 KiB"), (3 << 20, "3.0 MiB"), (4 << 40, "4.0 TiB")]
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


def test_room() -> None:
    assert room_refusal("/x", 0, 64 << 20) is None
    told: Any = room_refusal("/x", 1, 64 << 20)
    assert "64.0 MiB free" in told
