"""What a drill found: its verdict, its file and its page follow from one value."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._recovery.drill.evidence import (
    Checked,
    Evidence,
    Objectives,
    Restored,
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
    3,
    None,
    "0/500",
    999_700.0,
    "the newest transaction",
    # The restore took long.
    1_000_600.0,
    812.5,
    {"restore": 700.1},
    [Checked("rows", passed=True)],
)

DUMP = Restored(
    "sh<op>",
    1_000_000.0,
    Objectives(1800.0, 93_600.0),
    {"id": "sh-op-all-19700112T000000Z-0a1b2c", "bytes": 5 << 20},
    950_000.0,
    "15.14",
    40.0,
    {"restore": 30.0},
    [Checked("sales", passed=True)],
)


def test_a_good_one_passes_and_is_remembered() -> None:
    assert GOOD.rpo_seconds == 900.0
    assert GOOD.faults == []
    state = GOOD.state(None)
    assert (state["passed"], state["passed_at"], state["rpo_seconds"]) == (True, "1970-01-12T13:46:40+00:00", 900.0)
    assert GOOD.document["newest_commit"] == "1970-01-12T13:41:40+00:00"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rto_seconds": 1801.0}, "RTO was 30.0 min, the objective is 30.0 min."),
        ({"rto_seconds": None}, "RTO was not measured"),
        ({"newest_commit": 999_600.0}, "RPO was 16.7 min"),
        ({"newest_commit": None}, "RPO was not measured"),
        ({"read_at": None}, "RPO was not measured"),
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


def test_copies_that_were_not_tried_are_on_the_page_and_no_fault() -> None:
    told = replace(GOOD, untried=["Any copy <elsewhere>."])
    assert told.passed
    assert told.document["untried"] == ["Any copy <elsewhere>."]
    assert "<li>Any copy &lt;elsewhere&gt;.</li>" in page(told)
    assert "not tried" not in page(GOOD)


def test_a_failure_is_told_alone() -> None:
    assert replace(GOOD, failure="No WAL.", rto_seconds=None).faults == ["No WAL."]


def test_the_page_holds_it_all_and_nothing_that_could_run() -> None:
    shown = page(replace(GOOD, checks=[Checked("<script>alert(1)</script>", passed=True)]))
    assert "<script>" not in shown
    assert "orders &lt;1&gt;" in shown
    for words in ("13.5 min", "15.0 min", "objective 30.0 min, met", "20260131-020000F (full, 5.0 GiB)", "15.14"):
        assert words in shown
    assert "<td>3, the latest in the archive</td>" in shown
    assert "<td>2, as was asked</td>" in page(replace(GOOD, followed_timeline=2, named_timeline=2))
    assert "src=" not in shown
    assert "http" not in shown


def test_what_arrived_while_it_was_restored_counts_from_when_the_archive_was_read() -> None:
    """Its beginning says nothing: a restore of 40 minutes takes in what was archived in the 25th."""
    long = replace(GOOD, newest_commit=GOOD.began + 600, read_at=GOOD.began + 2400)
    assert long.rpo_seconds == 1800.0
    assert long.faults == ["RPO was 30.0 min, the objective is 15.0 min."]
    assert long.document["read_at"] == "1970-01-12T14:26:40+00:00"


def test_a_commit_from_the_future_is_a_wrong_clock_and_no_rpo_of_nothing() -> None:
    future = replace(GOOD, newest_commit=1_003_000.0)
    assert future.rpo_seconds is None
    missed, wrong = future.faults
    assert missed == "RPO was not measured, the objective is 15.0 min."
    assert "The newest transaction was committed 40.0 min after the archive was read, by their clocks: set" in wrong
    dump = replace(DUMP, taken=DUMP.began + 300)
    assert dump.rpo_seconds is None
    assert "What is in the logical backup of database sh<op> was committed 5.0 min after the drill" in dump.faults[1]
    # Two clocks that are kept right differ a little all the same.
    assert replace(GOOD, newest_commit=1_000_600.5).rpo_seconds == 0.0


def test_lengths_and_sizes_are_said_as_one_says_them() -> None:
    assert [span(each) for each in (None, 5, 300, 7200, 200000)] == [
        "not measured",
        "5.0 s",
        "5.0 min",
        "2.0 h",
        "2.3 days",
    ]
    assert [size(each) for each in (None, 5, 2048, 1 << 40)] == ["unknown", "5 bytes", "2.0 KiB", "1.0 TiB"]


def test_what_was_restored_and_found_whole_is_remembered() -> None:
    backup = {**GOOD.backup, "repository": 2}
    first = replace(GOOD, backup={**backup, "label": "before"}).state(None)
    slow = replace(GOOD, backup=backup, rto_seconds=9999.0).state(first)
    assert [each["backup"] for each in slow["restored"]] == ["before", "20260131-020000F"]
    assert slow["restored"][1] == {
        "stanza": "orders",
        "repository": 2,
        "backup": "20260131-020000F",
        "at": "1970-01-12T13:46:40+00:00",
    }
    # One that did not stand the drill is no more told as proven, whatever was found before.
    bad = replace(GOOD, backup=backup, checks=[Checked("checksums", passed=False)]).state(slow)
    assert [each["backup"] for each in bad["restored"]] == ["before"]


def test_a_backup_that_is_damaged_is_remembered_until_one_restores_it() -> None:
    bad = replace(GOOD, backup={**GOOD.backup, "repository": 2}, failure="No WAL.", damage="No WAL.")
    first = bad.state(None)
    assert first["failed"] == [
        {
            "stanza": "orders",
            "repository": 2,
            "backup": "20260131-020000F",
            "at": "1970-01-12T13:46:40+00:00",
            "why": "No WAL.",
        }
    ]
    assert len(bad.state(first)["failed"]) == 1
    # What was in a drill's way, or what a user asked, says nothing of the backup: neither good nor bad.
    for hindered in ({"failure": "The disk is full."}, {"checks": [Checked("rows", passed=False)]}):
        assert replace(GOOD, **hindered).state(None)["failed"] == []
        assert replace(GOOD, **hindered).state(first)["failed"] == first["failed"]
    assert replace(GOOD, rto_seconds=9999.0).state(first)["failed"] == []


def test_a_dump_is_measured_by_its_own_objectives() -> None:
    both = replace(GOOD, logical=[DUMP])
    assert both.passed
    assert both.figures == (812.5, 900.0)
    assert both.document["summary"] == (
        "RTO was 13.5 min, RPO was 15.0 min; RTO of the logical backup of database sh<op> was 40.0 s, RPO was 13.9 h."
    )
    told = both.document["logical"][0]
    assert (told["taken"], told["rpo_seconds"]) == ("1970-01-11T23:53:20+00:00", 50_000.0)
    assert both.state(None)["logical"][0] == {
        "database": "sh<op>",
        "backup": "sh-op-all-19700112T000000Z-0a1b2c",
        "rto_seconds": 40.0,
        "rpo_seconds": 50_000.0,
    }
    shown = page(both)
    for words in ("database sh&lt;op&gt;", "13.9 h", "sh-op-all-19700112T000000Z-0a1b2c (of a database of 5.0 MiB)"):
        assert words in shown


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"taken": 900_000.0}, "RPO of the logical backup of database sh<op> was 27.8 h, the objective is 26.0 h."),
        ({"rto_seconds": 2000.0}, "RTO of the logical backup of database sh<op> was 33.3 min"),
        ({"checks": [Checked("sales", passed=False, told="no")]}, "Check 'sales' of the logical backup of database"),
        ({"failure": "It is damaged."}, "The logical backup of database sh<op> was not restored: It is damaged."),
    ],
)
def test_what_is_wrong_with_a_dump_fails_the_drill(change: dict[str, Any], words: str) -> None:
    bad = replace(GOOD, logical=[replace(DUMP, **change)])
    assert not bad.passed
    assert words in bad.faults[0]


def test_dumps_alone_are_told_by_the_worst_of_them() -> None:
    alone = replace(GOOD, stanza=None, backup={}, rto_seconds=None, newest_commit=None, checks=[], logical=[DUMP])
    assert alone.passed
    assert alone.figures == (40.0, 50_000.0)
    assert "Replayed to" not in page(alone)
    two = replace(alone, logical=[DUMP, replace(DUMP, rto_seconds=None)])
    assert two.figures == (None, 50_000.0)
    assert not two.passed
