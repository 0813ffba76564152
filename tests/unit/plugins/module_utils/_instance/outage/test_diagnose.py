"""Why a server is down, and whether it is started: a table of what may be found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage.cause import DESPITE, Wish
from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage.diagnose import diagnose
from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage.found import (
    Crash,
    Found,
    Lock,
    Place,
    Server,
    Story,
    Unit,
    Volume,
)
from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage.recover import Outcome
from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage.told import told

DATA = "/var/lib/postgresql/15/main"
PLACE = Place(DATA, version="15")
UNIT = Unit("postgresql@15-main.service")
DOWN = Found("15/main", "/etc/postgresql/15/main", 5432, PLACE, UNIT, story=Story("/log"))
GIB = 1 << 30


def place(**changes: Any) -> dict[str, Any]:
    return {"place": replace(PLACE, **changes)}


def unit(**changes: Any) -> dict[str, Any]:
    return {"unit": replace(UNIT, **changes)}


def crashes(*pids: int, how: str = "was terminated by signal 9: Killed") -> tuple[Crash, ...]:
    return tuple(Crash(f"2026-11-30 01:0{at}:00", "server process", pid, how, at * 60.0) for at, pid in enumerate(pids))


def looped() -> Story:
    return Story("/log", crashes=crashes(1, 2, 3), ended=200.0)


def volume(purpose: str = "data", free: int = GIB, **more: Any) -> Volume:
    return Volume(purpose, f"/{purpose}", free, 8 * GIB, **more)


# What was found, the code of the cause, and words that its sentence has to hold.
REFUSED: list[tuple[dict[str, Any], str, tuple[str, ...]]] = [
    ({"configured": False}, "no_instance", ("15/main",)),
    ({"installed": False}, "not_installed", ("postgresql-15",)),
    (place(exists=False, unmounted="/etc/fstab says so."), "unmounted", ("/etc/fstab says so.",)),
    (place(exists=False), "no_data", (DATA, "emergency_restore")),
    (place(version=None), "no_data", ("PG_VERSION",)),
    (place(version="13"), "another_version", ("PostgreSQL 13", "version 15")),
    (place(owner="root"), "owner", ("root", f"chown postgres:postgres {DATA}")),
    (place(mode=0o755), "mode", ("0755", f"chmod 0700 {DATA}")),
    (place(mode=0o770), "mode", ("0770",)),
    (place(shut="/srv"), "shut", ("/srv",)),
    (place(dangling=(f"{DATA}/pg_wal -> /wal",)), "part_missing", ("pg_wal -> /wal",)),
    (place(control_problem="No such file"), "control_data", ("No such file", "corruption_check")),
    ({"promoters": ("Patroni",)}, "promoter", ("Patroni",)),
    ({"start": "manual"}, "kept_stopped", ("start.conf says manual", "despite: [kept_stopped]")),
    ({"start": "disabled"}, "kept_stopped", ("says disabled",)),
    (unit(masked=True), "masked", ("systemctl unmask postgresql@15-main.service",)),
    ({"volumes": (volume(free=3 << 20),)}, "disk_full", ("data (/data)", "3 MiB of 8192 MiB", "64 MiB")),
    ({"volumes": (volume(), volume("WAL", 0))}, "disk_full", ("WAL (/WAL)", "0 MiB")),
    ({"volumes": (volume(free_files=0),)}, "disk_full", ("no file can be made",)),
    ({"volumes": (volume(read_only=True),)}, "read_only", ("read-only",)),
    ({"configuration": "in file x line 3"}, "configuration", ("in file x line 3",)),
    ({"port_taken_by": "nginx (PID 4)"}, "port_taken", ("Port 5432", "nginx (PID 4)")),
    ({"lock": Lock(f"{DATA}/postmaster.pid", 7, "psql", True)}, "lock_held", ("process 7", "psql")),
    ({"story": looped()}, "crash_loop", ("3 times", "despite: [crash_loop]")),
    (unit(result="start-limit-hit"), "crash_loop", ("as often as it may",)),
    (unit(restarts=4), "crash_loop", ("4 times",)),
]


@pytest.mark.parametrize(
    ("changes", "code", "words"), REFUSED, ids=[f"{code}{at}" for at, (_, code, _w) in enumerate(REFUSED)]
)
def test_what_starting_does_not_cure_is_refused(changes: dict[str, Any], code: str, words: tuple[str, ...]) -> None:
    found = diagnose(replace(DOWN, **changes), Wish())
    [cause] = [each for each in found.causes if each.refused]
    assert cause.code == code
    assert found.refusals == (cause.sentence,)
    assert (found.state, found.starts) == ("down", False)
    assert all(word in cause.sentence for word in words), cause.sentence
    assert cause.sentence.endswith((".", ")."))
    assert "\n" not in cause.sentence


CURED: list[tuple[dict[str, Any], str, tuple[str, ...]]] = [
    ({"lock": Lock("/d/postmaster.pid", 7)}, "stale_lock", ("process 7 is gone",)),
    ({"lock": Lock("/d/postmaster.pid", 7, "sshd", False)}, "stale_lock", ("is sshd now",)),
    ({"leftovers": (8, 9)}, "leftovers", ("8, 9",)),
    ({"volumes": (volume("log", 0),)}, "disk_full", ("not told",)),
    ({"story": Story("/log", stopped="01:00")}, "stopped", ("orderly", "01:00")),
    ({"story": Story("/log", crashes=crashes(5))}, "killed", ("PID 5", "cannot be proven")),
    ({"story": Story("/log", crashes=crashes(5)), "out_of_memory": {}}, "killed", ("says nothing of memory",)),
    ({"story": Story("/log", crashes=crashes(5)), "out_of_memory": {6: "said"}}, "killed", ("not name it, but: said",)),
    ({"story": Story("/log", crashes=crashes(5)), "out_of_memory": {5: "said"}}, "out_of_memory", ("'said'",)),
    (unit(result="oom-kill"), "out_of_memory", ("systemd says so",)),
    ({**unit(main_signal=9), "lock": Lock("/d", 7), "out_of_memory": {7: "said"}}, "out_of_memory", ("'said'",)),
    (unit(result="signal", main_signal=9), "killed", ("The server of postgresql@15-main.service",)),
    ({"story": Story("/log", crashes=crashes(5, how="was terminated by signal 11"))}, "crashed", ("signal 11",)),
    ({"story": Story("/log", words=("no", "room"), last="01:00")}, "words", ("no; room", "01:00")),
]


@pytest.mark.parametrize(
    ("changes", "code", "words"), CURED, ids=[f"{code}{at}" for at, (_, code, _w) in enumerate(CURED)]
)
def test_what_starting_cures_is_told_and_started(changes: dict[str, Any], code: str, words: tuple[str, ...]) -> None:
    found = diagnose(replace(DOWN, **changes), Wish())
    assert found.starts
    [sentence] = [each.sentence for each in found.causes if each.code == code]
    assert all(word in sentence for word in words), sentence


def test_nothing_is_found_and_it_is_started() -> None:
    found = diagnose(DOWN, Wish())
    assert found.causes == ()
    result = told(DOWN, found, Outcome())
    assert (result["changed"], result["steps"], result["role"]) == (True, ["start instance 15/main"], "primary")
    assert result["diff"]["after"] == "serves as primary\n"


def test_who_is_named_is_started_in_spite_of_it() -> None:
    kept = replace(DOWN, start="manual", story=looped())
    assert not diagnose(kept, Wish(frozenset({"kept_stopped"}))).starts
    assert not diagnose(replace(kept, start="disabled"), Wish(frozenset(DESPITE))).starts
    found = diagnose(kept, Wish(frozenset(DESPITE)))
    assert found.starts
    assert {"kept_stopped", "crash_loop"} <= {cause.code for cause in found.causes}


def test_a_second_primary_is_not_started_and_a_standby_is() -> None:
    found = diagnose(DOWN, Wish(primary="db2"))
    assert [cause.code for cause in found.causes] == ["second_primary"]
    assert "db2 is the primary" in found.refusals[0]
    assert diagnose(replace(DOWN, **place(standby=True)), Wish(primary="db2")).starts
    # Its recovery ends with a primary.
    assert not diagnose(replace(DOWN, **place(recovering=True)), Wish(primary="db2")).starts


SERVERS = [
    (Server(1, 5432, in_recovery=False), "up", ()),
    (Server(1, 5432, in_recovery=True), "up", ()),
    (Server(1, 5432, silence="starting up", starting=True, replaying="0001"), "starting", ("replays WAL file 0001",)),
    (Server(1, 5432, silence="starting up", starting=True, awaits="0002"), "starting", ("waits for WAL file 0002",)),
    (Server(1, 5432, silence="It does not answer.", frozen=True), "silent", ("kill -CONT 1",)),
    (Server(1, 5432, silence="It does not answer."), "silent", ("does not answer", "not restarted")),
]


@pytest.mark.parametrize(("server", "state", "words"), SERVERS)
def test_a_server_that_runs_is_not_started(server: Server, state: str, words: tuple[str, ...]) -> None:
    seen = replace(DOWN, server=server)
    found = diagnose(seen, Wish())
    assert (found.state, found.starts, bool(found.refusals)) == (state, False, state == "silent")
    assert all(word in found.causes[0].sentence for word in words)
    result = told(seen, found, Outcome())
    assert (result["changed"], "diff" in result) == (False, False)
    if server.in_recovery is not None:
        assert result["role"] == ("standby" if server.in_recovery else "primary")


def test_without_data_there_is_no_role() -> None:
    seen = replace(DOWN, **place(exists=False, version=None))
    assert told(seen, diagnose(seen, Wish()), Outcome())["role"] is None


NOTHING_WRONG: list[dict[str, Any]] = [{}, *(changes for changes, _code, _words in CURED)]


@given(st.lists(st.sampled_from([each[0] for each in REFUSED]), min_size=1), st.sampled_from(NOTHING_WRONG))
def test_whatever_else_is_found_what_is_refused_stays_refused(
    wrong: list[dict[str, Any]], also: dict[str, Any]
) -> None:
    changes = dict(also)
    for each in wrong:
        changes.update(each)
    assert not diagnose(replace(DOWN, **changes), Wish()).starts
