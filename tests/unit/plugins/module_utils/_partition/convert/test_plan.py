"""From a plain table to the steps by which it becomes partitioned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import TIMESTAMPTZ, Range, parse_time
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.extent import (
    read_progress,
    said_progress,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.plan import plan_conversion
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.question import (
    built_name,
    end_of_old,
    free_name,
    later,
    periods_of_copy,
    wide,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.refusals import copy_key
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.state import (
    Extent,
    Leftovers,
    Progress,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.steps import (
    Build,
    Clear,
    Envelop,
    Lay,
    Prove,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.plan import plan_partitions
from ansible_collections.runbook.postgres.plugins.module_utils._partition.request import Intent
from tests.unit.plugins.module_utils._partition.convert.scenes import column, index, question, scene
from tests.unit.plugins.module_utils._partition.model import partition, policy

WIDEN = Intent("attach", "k", widen=True)


def kinds(asked: Any) -> list[str]:
    return [type(step).__name__ for step in plan_conversion(asked).steps]


def test_attach_is_proved_first() -> None:
    assert kinds(question()) == ["Prove", "Envelop", "Finish"]


def test_copy_lays_its_partitions_first() -> None:
    steps = kinds(question("copy"))
    assert steps == ["Begin", *["Lay"] * 7, "Transfer", "Compare", "Exchange", "Finish"]
    laid = [step for step in plan_conversion(question("copy")).steps if isinstance(step, Lay)]
    assert (laid[0].name, laid[0].lower, laid[0].upper) == ("events_p0", "0", "10")
    assert laid[-1].upper == "70"


@pytest.mark.parametrize(
    ("left", "steps"),
    [
        (Leftovers(check=True, until=60, proved=True), ["Envelop", "Finish"]),
        (Leftovers(check=True, until=60), ["Prove", "Envelop", "Finish"]),
        # Still a period's time after the highest key, so that what was proved is of use.
        (Leftovers(check=True, until=50, proved=True), ["Envelop", "Finish"]),
        (Leftovers(check=True, until=40, proved=True), ["Prove", "Envelop", "Finish"]),
        (Leftovers(copying=True), ["Clear", "Prove", "Envelop", "Finish"]),
        (Leftovers(indexes={"stray": True}), ["Clear", "Prove", "Envelop", "Finish"]),
    ],
)
def test_what_an_interrupted_attach_left_is_used_or_removed(left: Leftovers, steps: list[str]) -> None:
    assert kinds(question(left=left)) == steps
    assert "an interrupted run began" in plan_conversion(question(left=left)).warnings[0]


def progress(**more: Any) -> Progress:
    asked = question("copy")
    known = Progress(asked.scene.shape, "k", asked.policy.interval.words, copied=("30",), complete=False)
    return replace(known, **more)


def test_an_interrupted_copy_is_gone_on_with() -> None:
    laid = tuple(partition(f"mine{lower}", lower, lower + 10) for lower in (0, 10, 20))
    asked = question("copy", left=Leftovers(copying=True, progress=progress()), laid=laid)
    assert kinds(asked) == [*["Lay"] * 4, "Transfer", "Compare", "Exchange", "Finish"]
    assert plan_conversion(asked).created[:4] == ("mine0", "mine10", "mine20", "events_p30")


@pytest.mark.parametrize(
    ("left", "laid"),
    [
        (Leftovers(copying=True), ()),
        (Leftovers(copying=True, progress=progress(shape="another")), ()),
        (Leftovers(copying=True, progress=progress(column="other")), ()),
        (Leftovers(copying=True, progress=progress(interval="5 numbers")), ()),
        (Leftovers(copying=True, progress=progress()), (partition("odd", 0, 7),)),
        (Leftovers(check=True), ()),
    ],
)
def test_an_interrupted_copy_of_something_else_is_removed(left: Leftovers, laid: tuple[Any, ...]) -> None:
    steps = plan_conversion(question("copy", left=left, laid=laid)).steps
    assert isinstance(steps[0], Clear)
    assert [type(step).__name__ for step in steps[1:3]] == ["Begin", "Lay"]


def test_narrow_keys_are_refused_or_widened() -> None:
    narrow = scene(indexes=(index("events_pkey", "id"), index("u", "x", "k", kind="u"), index("i", "x", unique=False)))
    refused = plan_conversion(question(scene=narrow)).refusals
    assert len(refused) == 1
    assert "primary key events_pkey (id) without k" in refused[0]
    assert "make it (id, k)" in refused[0]
    plan = plan_conversion(question(scene=narrow, intent=WIDEN))
    assert plan.widened == ("events_pkey",)
    assert plan.before == ("events not partitioned", "primary key events_pkey (id)")
    assert plan.after == ("primary key events_pkey (id, k)",)
    built = [step for step in plan.steps if isinstance(step, Build)]
    assert [(step.index.name, step.index.columns) for step in built] == [("events_pkey", ("id", "k"))]
    envelop = next(step for step in plan.steps if isinstance(step, Envelop))
    assert envelop.built == (("events_pkey", built[0].name),)


def test_an_index_that_was_built_is_not_built_again() -> None:
    narrow = scene(indexes=(index("events_pkey", "id"),))
    name = built_name(narrow, wide(narrow, "k")[0])
    whole = question(scene=narrow, intent=WIDEN, left=Leftovers(indexes={name: True}))
    assert kinds(whole) == ["Prove", "Envelop", "Finish"]
    broken = question(scene=narrow, intent=WIDEN, left=Leftovers(indexes={name: False}))
    assert kinds(broken) == ["Prove", "Build", "Envelop", "Finish"]


def test_a_column_that_was_included_becomes_part_of_the_key() -> None:
    narrow = scene(indexes=(index("events_pkey", "id", included=("k", "x")),))
    assert (wide(narrow, "k")[0].columns, wide(narrow, "k")[0].included) == (("id", "k"), ("x",))


def test_the_old_table_ends_a_period_after_the_latest() -> None:
    assert end_of_old(question()) == 60
    assert end_of_old(question(extent=Extent(), now=7)) == 20
    assert end_of_old(question(until=99)) == 99
    moment = parse_time("2026-11-21 00:00:00")
    months: dict[str, Any] = {"policy": policy("month", TIMESTAMPTZ), "kind": TIMESTAMPTZ, "now": moment}
    assert end_of_old(question(extent=Extent(), **months)) == parse_time("2027-01-01 00:00:00")
    later_rows = Extent(highest=parse_time("2027-05-05 00:00:00"))
    assert end_of_old(question(extent=later_rows, **months)) == parse_time("2027-07-01 00:00:00")


def test_numbers_end_with_their_type() -> None:
    small = scene(columns=(column("id"), column("k", "smallint")))
    asked = question(scene=small, extent=Extent(lowest=-32768, highest=32765), now=32765, policy=policy("20000"))
    assert end_of_old(asked) is None
    proved = plan_conversion(asked).steps[0]
    assert isinstance(proved, Prove)
    assert proved.shown is None
    copied = replace(asked, intent=Intent("copy", "k"))
    assert list(periods_of_copy(copied)) == [
        Range(-32768, -20000),
        Range(-20000, 0),
        Range(0, 20000),
        Range(20000, None),
    ]


def test_a_copy_has_a_key_of_columns_that_are_not_null() -> None:
    assert copy_key(scene()) == ("id", "k")
    assert copy_key(scene(indexes=(index("u", "x", kind="u"),))) is None
    both = (index("a", "id", "k", kind=""), index("b", "k", kind="u"), index("c", "id", "k"))
    assert copy_key(scene(indexes=both)) == ("id", "k")
    assert copy_key(scene(indexes=both[:2])) == ("k",)


@pytest.mark.parametrize("name", ["events", "n" * 63, "ü" * 31, "表" * 21])
def test_names_stay_within_their_bytes(name: str) -> None:
    found = later(name)
    assert found.endswith("_before")
    taken = {found}
    for _ in range(12):
        found = free_name(later(name), taken)
        assert found not in taken
        assert len(found.encode()) <= 63
        taken.add(found)


@given(
    low=st.integers(-(10**6), 10**6),
    span=st.integers(0, 900),
    ahead=st.integers(0, 5),
    how=st.sampled_from(["attach", "copy"]),
)
def test_what_it_becomes_has_a_place_for_each_row(low: int, span: int, ahead: int, how: str) -> None:
    """And what its policy adds does not overlap what it is, nor leave a gap up to what is ahead."""
    asked = question(
        how, extent=Extent(lowest=low, highest=low + span), now=low + span, policy=policy("7", ahead=ahead)
    )
    plan = plan_conversion(asked)
    assert plan.becomes is not None
    steps = plan_partitions(plan.becomes, asked.policy, asked.now).changes
    ranges = [each.range for each in plan.becomes.partitions if each.range is not None]
    ranges += [step.range for step in steps]
    ranges.sort(key=lambda each: -(10**9) if each.lower is None else each.lower)
    for earlier, following in zip(ranges, ranges[1:]):
        assert earlier.upper == following.lower
    assert all(any(each.holds(point) for each in ranges) for point in (low, low + span, low + span + 7 * ahead))


def test_progress_is_read_as_it_was_told() -> None:
    for known in (progress(), progress(copied=None), progress(complete=True, copied=("a'b", '{"', "ü"))):
        assert read_progress(said_progress(known)) == known
    for strange in (
        None,
        "ours",
        "runbook.postgres: nonsense",
        'runbook.postgres: {"shape": 1}',
        "runbook.postgres: 1",
    ):
        assert read_progress(strange) is None


def test_the_shape_differs_when_anything_does() -> None:
    plain = scene()
    assert plain.shape == scene().shape
    assert plain.shape != scene(said="a comment").shape
    assert plain.shape != scene(columns=plain.columns[:2]).shape
