"""What a drill found: its verdict, its file and its page follow from one value."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._recovery.drill.evidence import (
    Checked,
    Evidence,
    Objectives,
    size,
    span,
)
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.drill.page import page

GOOD = Evidence(
    "orders <1>",
    "orders",
    "scratch1",
    1_000_000.0,
    Objectives(1800.0, 900.0),
    "7713633169553289385",
    "15.14",
    {"label": "20260131-020000F", "kind": "full", "bytes": 5 << 30, "stopped": 990_000},
    1,
    "0/500",
    999_400.0,
    "the newest transaction",
    812.5,
    {"restore": 700.1},
    [Checked("rows", passed=True)],
)


def test_a_good_one_passes_and_is_remembered() -> None:
    assert GOOD.rpo_seconds == 600.0
    assert GOOD.faults == []
    state = GOOD.state(None)
    assert (state["passed"], state["passed_at"], state["rpo_seconds"]) == (True, "1970-01-12T13:46:40+00:00", 600.0)
    assert GOOD.document["newest_commit"] == "1970-01-12T13:36:40+00:00"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rto_seconds": 1801.0}, "RTO was 30.0 min, the objective is 30.0 min."),
        ({"rto_seconds": None}, "RTO was not measured"),
        ({"newest_commit": 999_000.0}, "RPO was 16.7 min"),
        ({"newest_commit": None}, "RPO was not measured"),
        (
            {"checks": [Checked("rows", passed=False, told="the answer is 'f'")]},
            "'rows' did not pass: the answer is 'f'.",
        ),
        ({"failure": "No WAL."}, "No WAL."),
    ],
)
def test_what_is_not_as_promised_is_told(change: dict[str, Any], words: str) -> None:
    bad = replace(GOOD, **change)
    assert not bad.passed
    assert words in bad.faults[0]
    # When one passed last is not forgotten.
    assert bad.state({"passed_at": "before"})["passed_at"] == "before"
    assert 'class="verdict failed"' in page(bad)


def test_a_failure_is_told_alone() -> None:
    assert replace(GOOD, failure="No WAL.", rto_seconds=None).faults == ["No WAL."]


def test_the_page_holds_it_all_and_nothing_that_could_run() -> None:
    shown = page(replace(GOOD, checks=[Checked("<script>alert(1)</script>", passed=True)]))
    assert "<script>" not in shown
    assert "orders &lt;1&gt;" in shown
    for words in ("13.5 min", "10.0 min", "objective 30.0 min, met", "20260131-020000F (full, 5.0 GiB)", "15.14"):
        assert words in shown
    assert "src=" not in shown
    assert "http" not in shown


def test_a_commit_after_the_beginning_is_no_loss() -> None:
    assert replace(GOOD, newest_commit=GOOD.began + 5).rpo_seconds == 0.0


def test_lengths_and_sizes_are_said_as_one_says_them() -> None:
    assert [span(each) for each in (None, 5, 300, 7200, 200000)] == [
        "not measured",
        "5.0 s",
        "5.0 min",
        "2.0 h",
        "2.3 days",
    ]
    assert [size(each) for each in (None, 5, 2048, 1 << 40)] == ["unknown", "5 bytes", "2.0 KiB", "1.0 TiB"]
