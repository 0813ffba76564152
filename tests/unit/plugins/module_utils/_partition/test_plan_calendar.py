"""Plans by the calendar, in every zone and over a century: what is wanted is covered, and what holds now stays."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import DATE, DAY, TIMESTAMP, TIMESTAMPTZ
from ansible_collections.runbook.postgres.plugins.module_utils._partition.interval import parse_interval
from ansible_collections.runbook.postgres.plugins.module_utils._partition.plan import plan_partitions
from ansible_collections.runbook.postgres.plugins.module_utils._partition.state import PartitionedTable, Policy
from ansible_collections.runbook.postgres.plugins.module_utils._partition.steps import Detach
from tests.unit.plugins.module_utils._partition.model import applied, policy, table
from tests.unit.plugins.module_utils._partition.test_calendar import PROPERTY, instants, words, zones

kinds = st.sampled_from([DATE, TIMESTAMP, TIMESTAMPTZ])


@st.composite
def policies(draw: st.DrawFn) -> tuple[str, Policy]:
    """The kind of key, and a policy of whole periods of it."""
    kind, text, zone = draw(kinds), draw(words), draw(zones)
    if kind == DATE and "hour" in text:
        kind = TIMESTAMP
    made = policy(text, kind, zone, ahead=draw(st.integers(0, 6)), behind=draw(st.integers(0, 6)))
    keep = draw(st.sampled_from(["all", "age", "count"]))
    if keep == "age":
        made = replace(made, keep_for=parse_interval("1 year", kind, ZoneInfo(zone)), on_expiry="drop")
    elif keep == "count":
        made = replace(made, keep_count=draw(st.integers(1, 6)), on_expiry="detach")
    return kind, made


def covered(found: PartitionedTable, first: int, last: int) -> bool:
    """Whether the partitions follow each other from here to there; that none overlap the model sees to."""
    point = first
    for each in sorted((each.range for each in found.partitions if each.range), key=lambda each: each.lower or 0):
        if each.holds(point):
            point = each.upper or last
    return point >= last


@PROPERTY
@given(policies(), instants, st.integers(0, 1200 * DAY), st.none() | st.integers(-400, 400))
def test_what_is_wanted_is_covered_now_and_later(
    drawn: tuple[str, Policy], now: int, later: int, begins: int | None
) -> None:
    kind, wanted = drawn
    start = None if begins is None else (now // DAY + begins) * DAY
    wanted, found = replace(wanted, start=start), table(kind=kind)
    for moment in (now, now + later):
        plan = plan_partitions(found, wanted, moment)
        leaving = [step.partition.range for step in plan.changes if isinstance(step, Detach)]
        assert all(each is not None and each.upper is not None and each.upper <= moment for each in leaving)
        found = applied(found, plan.changes)
        interval = wanted.interval
        # What is past its time need not be there.
        first = interval.shifted(moment, -wanted.behind) if wanted.on_expiry is None else moment
        last = interval.period(interval.shifted(moment, wanted.ahead)).upper
        assert last is not None
        assert covered(found, first if start is None else max(first, start), last)
        assert plan_partitions(found, wanted, moment).changes == ()
