"""From what is to what should be, case by case."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import (
    DAY,
    INTEGER,
    TIMESTAMPTZ,
    Range,
    days_of,
    parse_time,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.interval import parse_interval
from ansible_collections.runbook.postgres.plugins.module_utils._partition.plan import (
    plan_partitions,
    uncovered,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.state import (
    InDefault,
    PartitionedTable,
    Policy,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.steps import (
    Create,
    CreateDefault,
    Detach,
    Drop,
    Fill,
    FinishDetach,
    Keep,
    RemoveDefault,
)
from tests.unit.plugins.module_utils._partition.model import partition, policy, table, unreadable


def ranges(found: PartitionedTable, wanted: Policy, now: int) -> list[tuple[int | None, int | None]]:
    steps = plan_partitions(found, wanted, now).changes
    return [(step.range.lower, step.range.upper) for step in steps if isinstance(step, Create)]


def leaving(found: PartitionedTable, wanted: Policy, now: int) -> list[str]:
    return [step.partition.name for step in plan_partitions(found, wanted, now).changes if isinstance(step, Detach)]


def test_an_empty_table_gets_all_its_periods() -> None:
    assert ranges(table(), policy(behind=1), 15) == [(0, 10), (10, 20), (20, 30), (30, 40)]


def test_gaps_are_filled_around_what_is_there() -> None:
    found = table([partition("a", None, 12), partition("b", 17, 21), partition("c", 30, 40)])
    assert ranges(found, policy(), 15) == [(12, 17), (21, 30)]
    assert sum("of a period" in warning for warning in plan_partitions(found, policy(), 15).warnings) == 2


def test_no_partition_begins_before_the_start() -> None:
    assert ranges(table(), policy(behind=5, start=14), 15) == [(14, 20), (20, 30), (30, 40)]


def test_numbers_end_with_their_type() -> None:
    end = 2**15 - 1
    found = table(highest=end)
    plan = plan_partitions(found, policy("10000"), 25000)
    assert ranges(found, policy("10000"), 25000) == [(20000, 30000), (30000, None)]
    assert [warning for warning in plan.warnings if "32767" in warning]
    assert ranges(found, policy("10000", behind=1, ahead=0), -25000) == [(-32768, -30000), (-30000, -20000)]


def eleven() -> PartitionedTable:
    return table([partition(f"p{lower}", lower, lower + 10) for lower in range(0, 110, 10)])


@pytest.mark.parametrize(
    ("keep", "wanted"),
    [
        ({"keep_for": "10"}, ["p0", "p10", "p20", "p30"]),
        ({"keep_for": "45"}, ["p0"]),
        ({"keep_for": "1000"}, []),
        ({"keep_count": 2}, ["p0", "p10", "p20"]),
        ({"keep_count": 5}, []),
    ],
)
def test_retention_by_age_and_by_count(keep: dict[str, Any], wanted: list[str]) -> None:
    if "keep_for" in keep:
        keep = {"keep_for": parse_interval(str(keep["keep_for"]), INTEGER)}
    assert leaving(eleven(), policy(on_expiry="detach", **keep), 55) == wanted


def test_the_last_one_stays_when_nothing_new_comes() -> None:
    # The start lies in the future and so nothing is made.
    wanted = policy(on_expiry="drop", keep_count=1, start=10_000)
    found = table([partition("a", 0, 10), partition("b", 10, 20)])
    assert leaving(found, replace(wanted, keep_count=None, keep_for=parse_interval("10", INTEGER)), 500) == ["a"]


def test_an_age_follows_the_calendar() -> None:
    months = [
        partition(f"m{month}", days_of(2026, month, 1) * DAY, days_of(2026, month + 1, 1) * DAY)
        for month in range(1, 12)
    ]
    wanted = policy("month", TIMESTAMPTZ, on_expiry="detach", keep_for=parse_interval("2 months", TIMESTAMPTZ), ahead=0)
    # April ends on the first of May, two months before the first of July.
    assert leaving(table(months, TIMESTAMPTZ), wanted, parse_time("2026-07-01 00:00:00")) == ["m1", "m2", "m3", "m4"]
    assert leaving(table(months, TIMESTAMPTZ), wanted, parse_time("2026-06-30 23:59:59")) == ["m1", "m2", "m3"]


def test_a_pending_detach_is_finished_before_anything_else() -> None:
    found = table([partition("a", 0, 10, detach_pending=True, marked=True), partition("b", 10, 20)])
    wanted = policy(on_expiry="drop", keep_count=3, behind=1)
    steps = plan_partitions(found, wanted, 15).changes
    assert [type(step) for step in steps[:2]] == [FinishDetach, Drop]


def test_a_mark_that_is_no_longer_meant_is_taken_back() -> None:
    found = table([partition("a", 0, 10, marked=True), partition("b", 10, 20)])
    assert isinstance(plan_partitions(found, policy(), 15).changes[0], Keep)
    once_more = policy(on_expiry="drop", keep_for=parse_interval("10", INTEGER))
    assert not any(isinstance(step, Keep) for step in plan_partitions(found, once_more, 25).changes)


def test_what_is_not_ours_is_reported_and_left() -> None:
    found = table([partition("sub", 0, 10, is_partitioned=True), unreadable("odd"), unreadable("rest", default=True)])
    plan = plan_partitions(found, policy(on_expiry="drop", keep_count=1), 55)
    assert not any(isinstance(step, (Detach, Drop)) for step in plan.changes)
    assert [warning for warning in plan.warnings if "sub is partitioned" in warning]
    assert [warning for warning in plan.warnings if "odd are not understood" in warning]
    assert not any("rest" in warning for warning in plan.warnings)


def test_what_belongs_to_others_is_not_dropped_behind_their_back() -> None:
    found = table([partition("a", 0, 10, owned=False), partition("b", 50, 60)])
    plan = plan_partitions(found, policy(on_expiry="drop", keep_count=1, behind=2), 55)
    assert "a is to be dropped and belongs to another role" in plan.refusals[0]
    assert plan.changes == ()
    assert not plan_partitions(found, policy(on_expiry="detach", keep_count=1, behind=2), 55).refusals


# -- the default partition ----------------------------------------------------

REST = unreadable("rest", default=True)


def with_default(**held: object) -> PartitionedTable:
    return table([partition("a", 0, 10), REST], in_default=InDefault(**held))  # type: ignore[arg-type]


def test_rows_in_the_default_are_refused_with_the_option() -> None:
    plan = plan_partitions(with_default(at_least=3), policy(), 15)
    said = "public.events: its default partition rest holds 3 rows of the periods to be made: "
    assert plan.refusals == (said + "set drain_default to move them.",)
    assert "at least 1000 rows" in plan_partitions(with_default(at_least=1000), policy(), 15).refusals[0]


def test_rows_in_the_default_are_moved_when_asked_for() -> None:
    plan = plan_partitions(with_default(rows=((Range(20, 30), 7),)), policy(drain_default=True), 15)
    assert [(type(step), step.range) for step in plan.changes] == [
        (Create, Range(10, 20)),
        (Fill, Range(20, 30)),
        (Create, Range(30, 40)),
    ]
    assert "move 7 rows into it from rest" in plan.changes[1].sentence


def test_an_obstacle_is_told_before_anything_moves() -> None:
    found = with_default(rows=((Range(20, 30), 7),), obstacle="a foreign key of x refers to them")
    plan = plan_partitions(found, policy(drain_default=True), 15)
    assert plan.refusals == (
        "public.events: the rows in its default partition rest cannot be moved, a foreign key of x refers to them.",
    )


def test_a_partition_half_filled_goes_on_growing() -> None:
    half = partition("half", 10, 14, growing=True)
    found = table([half, REST], in_default=InDefault(rows=((Range(14, 20), 5),)))
    plan = plan_partitions(found, policy(drain_default=True, ahead=0), 15)
    assert plan.changes == (Fill(found, "half", Range(14, 20), 5, REST, half),)
    assert plan.after == ["half from 10 to 20", "rest default"]


def test_sizes_are_told_where_they_are_known() -> None:
    gone = replace(partition("c", 0, 10, marked=True), bytes=999)
    found = table([replace(partition("a", 10, 20), bytes=61_200_000), partition("b", 20, 30)], marked=(gone,))
    plan = plan_partitions(found, policy(ahead=2, on_expiry="detach"), 15)
    told = ["a from 10 to 20, about 61.2 MB", "b from 20 to 30", "c detached, to be dropped, about 999 bytes"]
    assert plan.before == told
    assert plan.after == [*told[:2], "events_p30 from 30 to 40", told[2]]


def test_where_nothing_is_done_nothing_is_shown() -> None:
    plan = plan_partitions(table([partition("a", 10, 20)]), policy(ahead=0), 15)
    assert (plan.changes, plan.before, plan.after) == ((), (), ())


def test_a_default_comes_after_the_others_and_goes_only_when_empty() -> None:
    steps = plan_partitions(table(), policy(default_partition="present"), 15).changes
    assert [type(step) for step in steps] == [Create, Create, Create, CreateDefault]
    assert steps[-1].name == "events_default"
    taken = table(taken=frozenset({"events", "events_default"}))
    assert plan_partitions(taken, policy(default_partition="present"), 15).changes[-1].name == "events_default_1"
    absent = policy(default_partition="absent")
    assert isinstance(plan_partitions(with_default(), absent, 15).changes[-1], RemoveDefault)
    assert "so it stays" in plan_partitions(with_default(others=True), absent, 15).refusals[0]


def test_ten_thousand_partitions_cost_no_more_than_a_look_at_each() -> None:
    """Quadratic work would be a hundred million comparisons; this counts those of the sweep by its result only."""
    many = [partition(f"p{lower}", lower, lower + 10) for lower in range(0, 100_000, 10)]
    assert uncovered([Range(lower, lower + 10) for lower in range(0, 100_010, 10)], many) == [Range(100_000, 100_010)]
