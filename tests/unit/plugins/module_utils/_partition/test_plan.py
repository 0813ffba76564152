"""From what is to what should be: properties that hold for any table."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import (
    INTEGER,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.interval import parse_interval
from ansible_collections.runbook.postgres.plugins.module_utils._partition.listing import before
from ansible_collections.runbook.postgres.plugins.module_utils._partition.plan import (
    missing_periods,
    plan_partitions,
    uncovered,
    wanted_periods,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.state import (
    Partition,
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
    RemoveDefault,
)
from tests.unit.plugins.module_utils._partition.model import applied, partition, policy, table, unreadable

PROPERTY = settings(derandomize=True, deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def tables(draw: st.DrawFn) -> PartitionedTable:
    """Partitions of any width and with any gaps around zero, some of them in odd states."""
    edges = sorted(draw(st.sets(st.integers(-60, 60), max_size=14)))
    found: list[Partition] = []
    for number, (lower, upper) in enumerate(zip(edges, edges[1:])):
        state = draw(st.sampled_from(["gap", "plain", "plain", "plain", "marked", "sub-partitioned"]))
        if state != "gap":
            flags = {"marked": state == "marked", "is_partitioned": state == "sub-partitioned"}
            found.append(partition(f"p{number}", lower, upper, **flags))
    if draw(st.booleans()) and edges:
        found.append(partition("oldest", None, edges[0]))
    if draw(st.booleans()) and found:
        found[0] = replace(found[0], detach_pending=True)
    if draw(st.booleans()):
        found.append(unreadable("rest", default=True))
    orphans = (replace(partition("orphan", None, None), range=None, marked=True),) if draw(st.booleans()) else ()
    taken = frozenset({"events", *(each.name for each in (*found, *orphans))})
    return table(found, marked=orphans, taken=taken)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    width = draw(st.integers(1, 25))
    made = policy(str(width), ahead=draw(st.integers(0, 5)), behind=draw(st.integers(0, 5)))
    if draw(st.booleans()):
        made = replace(made, start=draw(st.integers(-40, 40)))
    expiry = draw(st.sampled_from([None, "age", "count"]))
    if expiry == "age":
        made = replace(made, keep_for=parse_interval(str(width * draw(st.integers(1, 4))), INTEGER))
    elif expiry == "count":
        made = replace(made, keep_count=draw(st.integers(1, 5)))
    if expiry is not None:
        made = replace(made, on_expiry=draw(st.sampled_from(["detach", "drop"])))
    default = draw(st.sampled_from(["ignore", "present", "absent"]))
    return replace(made, default_partition=default)


nows = st.integers(-50, 50)


@PROPERTY
@given(tables(), policies(), nows)
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(found: PartitionedTable, wanted: Policy, now: int) -> None:
    after = applied(found, plan_partitions(found, wanted, now).changes)
    again = plan_partitions(after, wanted, now)
    assert again.changes == ()
    assert again.before == again.after


@PROPERTY
@given(tables(), policies(), nows, st.data())
def test_a_plan_that_was_interrupted_is_finished_by_the_next(
    found: PartitionedTable, wanted: Policy, now: int, data: st.DataObject
) -> None:
    steps = plan_partitions(found, wanted, now).changes
    whole = applied(found, steps)
    for _interruption in range(data.draw(st.integers(1, 3))):
        planned = plan_partitions(found, wanted, now).changes
        found = applied(found, planned[: data.draw(st.integers(0, len(planned)))])
    after = applied(found, plan_partitions(found, wanted, now).changes)
    assert {each.range for each in after.partitions} == {each.range for each in whole.partitions}
    assert plan_partitions(after, wanted, now).changes == ()


@PROPERTY
@given(tables(), policies(), nows)
def test_afterwards_every_wanted_period_is_there(found: PartitionedTable, wanted: Policy, now: int) -> None:
    plan = plan_partitions(found, wanted, now)
    after = applied(found, plan.changes)
    assert missing_periods(after, wanted, now) == []
    if wanted.on_expiry is None:
        assert uncovered(list(wanted_periods(after, wanted, now)), after.partitions) == []


@PROPERTY
@given(tables(), policies(), nows)
def test_what_holds_now_stays_and_so_does_the_last(found: PartitionedTable, wanted: Policy, now: int) -> None:
    plan = plan_partitions(found, wanted, now)
    leaving = [step.partition for step in plan.changes if isinstance(step, Detach)]
    assert not any(each.range is None or each.range.holds(now) or each.is_partitioned for each in leaving)
    assert all(each.range is not None and each.range.upper is not None and each.range.upper <= now for each in leaving)
    # An empty default goes when that is asked for, whatever else there is.
    if any(not each.detach_pending and not each.is_default for each in found.partitions):
        assert applied(found, plan.changes).partitions


@PROPERTY
@given(tables(), policies(), nows)
def test_bounds_of_others_are_respected(found: PartitionedTable, wanted: Policy, now: int) -> None:
    """The model refuses overlaps; and what stays keeps its name and bounds."""
    plan = plan_partitions(found, wanted, now)
    gone = {step.partition.oid for step in plan.changes if isinstance(step, (FinishDetach, Detach, RemoveDefault))}
    after = {each.oid: (each.name, each.range) for each in applied(found, plan.changes).partitions}
    for each in found.partitions:
        assert each.oid in gone or after[each.oid] == (each.name, each.range)


@PROPERTY
@given(tables(), policies(), nows)
def test_nothing_is_dropped_that_the_operator_did_not_say_is_to_be(
    found: PartitionedTable, wanted: Policy, now: int
) -> None:
    plan = plan_partitions(found, wanted, now)
    if wanted.on_expiry != "drop":
        assert not any(isinstance(step, Drop) for step in plan.changes)
    kept = applied(found, plan.changes).partitions
    # A mark that stays would have it dropped as soon as it is detached for another reason.
    assert not any(each.marked for each in kept)


@PROPERTY
@given(tables(), policies(), nows)
def test_names_are_told_apart(found: PartitionedTable, wanted: Policy, now: int) -> None:
    plan = plan_partitions(found, wanted, now)
    names = [step.name for step in plan.changes if isinstance(step, (Create, Fill, CreateDefault))]
    assert len(names) == len(set(names))
    assert not set(names) & set(found.taken)


@PROPERTY
@given(tables(), policies(), nows)
def test_the_diff_shows_what_becomes_of_the_table(found: PartitionedTable, wanted: Policy, now: int) -> None:
    plan = plan_partitions(found, wanted, now)
    after = applied(found, plan.changes)
    assert list(plan.after) == (before(after) if plan.changed else [])
    assert plan.changed == (list(plan.before) != list(plan.after)) or any(
        isinstance(step, Drop) for step in plan.changes
    )
