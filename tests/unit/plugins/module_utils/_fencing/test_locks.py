"""The steps that keep an instance from running, and back; also from wherever an earlier run was killed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._fencing import locks
from ansible_collections.runbook.postgres.plugins.module_utils._fencing.locks import DISABLED, Found, Record, plan_stop

NOBODY: frozenset[int] = frozenset()
RUNS = Found(frozenset({7, 8}), 2, frozenset({5432}), "auto\n", masked=False, record=None)
FENCED = Found(NOBODY, 0, NOBODY, DISABLED, masked=True, record=Record("auto\n", masked=False))
NOTE, OFF, HALT, MASK = "write down how it starts", "have Debian's tools not start it", "stop it", "mask its unit"
BACK, UNMASK, FORGET = "put start.conf back", "unmask its unit", "forget how it was"


@pytest.mark.parametrize(
    ("found", "state", "expected"),
    [
        (RUNS, "fenced", [NOTE, OFF, HALT, MASK]),
        (replace(RUNS, running=NOBODY, attached=0), "fenced", [NOTE, OFF, MASK]),
        (replace(RUNS, running=NOBODY), "fenced", [NOTE, OFF, HALT, MASK]),
        (FENCED, "fenced", []),
        (replace(FENCED, running=frozenset({9})), "fenced", [HALT]),
        (replace(FENCED, masked=False), "fenced", [MASK]),
        # Undone by hand, and kept otherwise since.
        (replace(FENCED, start="manual\n", masked=False), "fenced", [NOTE, OFF, MASK]),
        (FENCED, "released", [BACK, UNMASK, FORGET]),
        (RUNS, "released", []),
        (replace(FENCED, start="manual\n"), "released", [UNMASK, FORGET]),
        (replace(FENCED, record=Record("auto\n", masked=True)), "released", [BACK, FORGET]),
        (replace(FENCED, record=Record(None, masked=False), masked=False), "released", [BACK, FORGET]),
    ],
)
def test_steps(found: Found, state: str, expected: list[str]) -> None:
    assert [change.sentence for change in plan_stop(found, state).changes] == expected


def test_what_would_start_it_again_has_to_go_first() -> None:
    watched = replace(RUNS, promoters=("Patroni",))
    [refusal] = plan_stop(watched, "fenced").refusals
    assert refusal.startswith("Patroni runs on this host and would start the instance again")
    assert plan_stop(watched, "fenced").changes == ()
    assert plan_stop(replace(FENCED, promoters=("Patroni",)), "released").refusals == ()


def test_both_sides_are_told() -> None:
    plan = plan_stop(RUNS, "fenced")
    assert list(plan.before) == ["runs", "start.conf auto, unit not masked"]
    assert list(plan.after) == ["does not run", "start.conf disabled, unit masked"]
    assert list(plan_stop(FENCED, "released").after) == ["does not run", "start.conf auto, unit not masked"]
    theirs = replace(FENCED, start="manual\n", record=Record("auto\n", masked=True))
    assert list(plan_stop(theirs, "released").after) == ["does not run", "start.conf manual, unit masked"]


@dataclass
class Host:
    """A host on which steps are taken."""

    found: Found

    def take(self, change: Any) -> None:
        if isinstance(change, locks.WriteRecord):
            self.found = replace(self.found, record=change.record)
        elif isinstance(change, locks.Disable):
            self.found = replace(self.found, start=DISABLED)
        elif isinstance(change, locks.StopServer):
            self.found = replace(self.found, running=NOBODY, attached=0, listening=NOBODY)
        elif isinstance(change, (locks.Mask, locks.Unmask)):
            self.found = replace(self.found, masked=isinstance(change, locks.Mask))
        elif isinstance(change, locks.PutBack):
            self.found = replace(self.found, start=change.start)
        else:
            self.found = replace(self.found, record=None)

    def run(self, state: str, steps: int | None = None) -> None:
        for change in plan_stop(self.found, state).changes[:steps]:
            self.take(change)


@given(
    st.sampled_from(["auto\n", "manual\n", "disabled\n", None, "# by hand\nauto\n"]),
    st.booleans(),
    st.lists(st.tuples(st.sampled_from(["fenced", "released"]), st.integers(0, 4)), max_size=6),
)
def test_wherever_runs_are_killed_the_next_ends_it_and_what_was_is_back(
    start: str | None, masked: bool, killed: list[tuple[str, int]]
) -> None:
    host = Host(replace(RUNS, start=start, masked=masked))
    for state, steps in killed:
        host.run(state, steps)
    host.run("fenced")
    assert plan_stop(host.found, "fenced").changes == ()
    assert host.found.disabled
    assert host.found.masked
    assert not host.found.running
    host.run("released")
    assert plan_stop(host.found, "released").changes == ()
    assert (host.found.start, host.found.masked, host.found.record) == (start, masked, None)
