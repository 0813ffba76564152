"""What the plan says about partitions that are to be archived, and the marks by which the next run knows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.steps import (
    Archive,
    DropArchived,
    Offsite,
    size,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.store import Store
from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import Range
from ansible_collections.runbook.postgres.plugins.module_utils._partition.interval import Interval, parse_interval
from ansible_collections.runbook.postgres.plugins.module_utils._partition.marks import (
    awaited_bound,
    awaiting_of,
    mark_of,
    marked,
    own_comment,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.plan import plan_partitions
from ansible_collections.runbook.postgres.plugins.module_utils._partition.state import (
    Partition,
    PartitionedTable,
    Policy,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.steps import Detach, FinishDetach, Keep

TENS: Interval = parse_interval("10", "integer", timezone.utc)
STORE = Store(Path("/srv"))
POLICY = Policy(TENS, ahead=0, keep_count=1, on_expiry="archive", template="{table}_p{lower}", archive=STORE)


def partition(lower: int, **changed: object) -> Partition:
    known = Partition(lower, "public", f"t_p{lower}", Range(lower, lower + 10), False, False, False, 5_000_000)
    return replace(known, bound=f"FOR VALUES FROM ({lower}) TO ({lower + 10})", **changed)  # type: ignore[arg-type]


def table(*lowers: int, marked: tuple[Partition, ...] = ()) -> PartitionedTable:
    return PartitionedTable(1, "public", "t", "integer", tuple(partition(each) for each in lowers), marked, frozenset())


def test_each_is_detached_archived_and_dropped_before_the_next() -> None:
    plan = plan_partitions(table(0, 10, 20, 30), POLICY, 35)
    assert [type(step) for step in plan.changes] == [Detach, Archive, DropArchived] * 2
    assert [step.partition.name for step in plan.changes] == ["t_p0"] * 3 + ["t_p10"] * 3
    assert plan.changes[0].then_archive
    assert any("with the rows of t_p0, about 5 MB" in line for line in plan.after)


def test_the_offsite_copy_comes_before_the_drop() -> None:
    plan = plan_partitions(table(0, 10, 20), replace(POLICY, archive=replace(STORE, offsite="v:a")), 25)
    assert [type(step) for step in plan.changes] == [Detach, Archive, Offsite, DropArchived]


def test_what_an_interrupted_run_detached_is_archived_first() -> None:
    waiting = partition(0, awaiting=True)
    plan = plan_partitions(table(10, 20, marked=(waiting,)), POLICY, 25)
    assert [type(step) for step in plan.changes] == [Archive, DropArchived]


def test_a_pending_detach_is_finished_and_then_archived() -> None:
    pending = partition(0, awaiting=True, detach_pending=True)
    here = table(10, 20)
    plan = plan_partitions(replace(here, partitions=(pending, *here.partitions)), POLICY, 25)
    assert [type(step) for step in plan.changes] == [FinishDetach, Archive, DropArchived]


def test_what_waits_for_its_archive_is_never_dropped_without_one() -> None:
    waiting = partition(0, awaiting=True)
    for policy in (replace(POLICY, on_expiry="drop", archive=None), replace(POLICY, on_expiry="detach", archive=None)):
        plan = plan_partitions(table(10, 20, marked=(waiting,)), policy, 25)
        assert plan.changes == ()
        assert any("detached to be archived" in each for each in plan.warnings)


def test_a_mark_on_what_stays_after_all_is_taken_back() -> None:
    here = table(10, 20)
    plan = plan_partitions(
        replace(here, partitions=(partition(0, awaiting=True), *here.partitions)), replace(POLICY, keep_count=5), 25
    )
    assert [type(step) for step in plan.changes] == [Keep]


@given(st.none() | st.text(min_size=1), st.text())
def test_a_mark_tells_the_bounds_and_keeps_the_comment(comment: str | None, title: str) -> None:
    bound = "FOR VALUES FROM (1) TO (2)"
    said = marked(awaiting_of(title) + bound, comment, title)
    assert awaited_bound(said, title) == bound
    assert own_comment(said, title) == comment
    assert marked(awaiting_of(title) + bound, said, title) == said
    assert own_comment(mark_of(title), title) is None


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (57_344, "57.3 kB"), (2.5e12, "2.5 TB")]
)
def test_sizes_for_people(number: float, words: str) -> None:
    assert size(number) == words
