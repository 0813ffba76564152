"""What is past its time becomes steps, files and a diff; what an interrupted run left is settled first."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.manifest import Column
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.manifest import read as read_other
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.store import Store
from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import INTEGER, parse_time
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.part import (
    CONFIRM,
    DISCARD,
    KEEP,
    PENDING,
    WAIT,
    Part,
    Serial,
    file_of,
    first_after,
    last_of,
    partials_of,
    read,
    verdict,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.plan import (
    Leave,
    Left,
    Settle,
    plan_expiry,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.state import Due, PlainTable, Policy
from ansible_collections.runbook.postgres.plugins.module_utils._stream.placing import partial_of

TABLE = PlainTable(1, "public", "audit log", "k", INTEGER, 8_000_000, 1000)
STORE = Store(Path("/archive"), system_identifier="7", database="d")
STEM = TABLE.stem(STORE)
STAMP = "20261121T032500Z"
FIRST = Serial(STAMP, 1)
PART = Part(
    file=f"{STEM}-20261120T000000Z-000003.csv.gz",
    state=PENDING,
    transaction="1234",
    place="(0,1)",
    writer="77",
    system_identifier="7",
    database="d",
    table_schema="public",
    table="audit log",
    column="k",
    cutoff="100",
    where=None,
    lowest="1",
    highest="99",
    rows=10,
    bytes=100,
    sha256="0" * 64,
    columns=(Column("k", "bigint", True, None, False, True),),
    ddl=("CREATE TABLE",),
    copy="COPY",
    format="csv",
    compression="gzip",
    recipients=(),
    encoding="UTF8",
    file_bytes=80,
    file_sha256="1" * 64,
    verified="content",
    offsite=None,
    server_version="15",
    programs={},
    started="",
    finished="",
)


def policy(rows: int = 10, *, store: Store | None = STORE, where: str | None = None) -> Policy:
    return Policy("100", rows, where, store)


def left(found: str) -> Left:
    return Left(Path(f"/archive/{PART.file}.manifest.json"), PART, found)


def test_nothing_due_is_nothing_to_do() -> None:
    plan = plan_expiry(TABLE, policy(), Due(0), None, Serial(STAMP, 8))
    assert not plan.changed
    assert (plan.before, plan.after) == ((), ())


def test_rows_become_numbered_files() -> None:
    plan = plan_expiry(TABLE, policy(where="v >\n 1"), Due(25), None, Serial(STAMP, 8))
    [step] = plan.changes
    assert (step.first.number, step.batches) == (8, 3)
    assert step.sentence == "archive and delete 25 rows of public.audit log, where k is below 100 and v > 1"
    assert plan.before == ("25 rows where k is below 100 and v > 1, about 200 kB",)
    assert plan.after == (
        "no rows where k is below 100 and v > 1",
        f"3 files of 10 rows each, from /archive/{STEM}-{STAMP}-000008.csv.gz to {STEM}-{STAMP}-000010.csv.gz",
    )


def test_one_file_tells_its_rows() -> None:
    assert (
        plan_expiry(TABLE, policy(), Due(1), None, FIRST).after[1]
        == f"/archive/{STEM}-{STAMP}-000001.csv.gz with 1 row"
    )


def test_an_estimate_says_so() -> None:
    plan = plan_expiry(TABLE, policy(1_000_000), Due(3_500_000, exact=False), None, FIRST)
    assert plan.before[0].startswith("about 3500000 rows")
    assert plan.after[1].startswith("about 4 files")


def test_dropped_rows_have_no_files() -> None:
    plan = plan_expiry(TABLE, policy(store=None), Due(25), None, FIRST)
    assert plan.changes[0].sentence.startswith("delete 25 rows")
    assert plan.after == ("no rows where k is below 100",)


@pytest.mark.parametrize(("found", "words"), [(CONFIRM, "confirm that"), (DISCARD, "remove"), (KEEP, "keep")])
def test_what_was_left_comes_first(found: str, words: str) -> None:
    plan = plan_expiry(TABLE, policy(), Due(25), left(found), FIRST)
    settle, leave = plan.changes
    assert isinstance(settle, Settle)
    assert isinstance(leave, Leave)
    assert settle.sentence.startswith(words)
    assert leave.first == FIRST
    assert (str(settle.left.file) in plan.before) == (found == DISCARD)
    assert bool(plan.warnings) == (found == KEEP)
    assert plan_expiry(TABLE, policy(), Due(0), left(found), FIRST).changed


def test_a_table_that_was_never_analyzed_is_taken_by_what_is_due() -> None:
    assert replace(TABLE, tuples=0).share(10, 10) == TABLE.bytes
    assert replace(TABLE, tuples=0).share(10, 100) == TABLE.bytes // 10
    assert TABLE.share(0, 0) == 0


VERDICTS = [
    # status, the row is there as it was, surely this cluster
    ("committed", False, True, CONFIRM),
    ("committed", False, False, CONFIRM),
    # Its number was given again after a crash.
    ("committed", True, True, DISCARD),
    ("aborted", True, True, DISCARD),
    ("aborted", True, False, DISCARD),
    ("aborted", False, True, DISCARD),
    # Perhaps another cluster's.
    ("aborted", False, False, KEEP),
    ("future", False, True, DISCARD),
    ("future", False, False, KEEP),
    ("in progress", True, True, WAIT),
    ("in progress", False, False, WAIT),
    # Too long ago for the server to know.
    (None, False, True, KEEP),
    (None, True, True, DISCARD),
]


@pytest.mark.parametrize(("status", "there", "identified", "expected"), VERDICTS)
def test_what_a_pending_part_is_worth(status: str | None, there: bool, identified: bool, expected: str) -> None:
    assert verdict(status, there=there, identified=identified) == expected


def test_numbers_go_on_from_the_highest_whatever_the_format() -> None:
    names = [
        f"{STEM}-{STAMP}-000001.csv.gz",
        f"{STEM}-{STAMP}-000001.csv.gz.manifest.json",
        f"{STEM}-{STAMP}-000012.pgcopy.zst.age.manifest.json",
        f".{STEM}-{STAMP}-000099.csv.partial",
        f"{STEM}-{STAMP}-000050.txt",
        f"other-{STAMP}-000077.csv",
        f"{STEM}-20261120T235959Z-000099.csv",
    ]
    assert last_of(names, STEM) == (Serial(STAMP, 12), names[2])
    assert last_of(names[:1], STEM) == (FIRST, None)
    assert last_of([], STEM) == (None, None)
    assert partials_of(names, STEM) == [names[3]]


@given(st.text(max_size=80), st.text(max_size=80), st.integers(1, 10**7), st.integers(0, 4 * 10**15))
def test_every_name_is_found_again(schema: str, name: str, number: int, now: int) -> None:
    table = replace(TABLE, schema=schema, name=name)
    stem = table.stem(STORE)
    serial = first_after(None, now).plus(number - 1)
    file = file_of(STORE, stem, serial)
    assert file.parent == STORE.destination
    assert last_of([file.name], stem)[0] == serial
    assert partials_of([partial_of(file).name], stem) == [partial_of(file).name]


def test_no_serial_is_given_again_though_the_clock_be_set_back() -> None:
    now = parse_time("2026-11-21 03:25:00.7")
    assert first_after(None, now) == FIRST
    assert first_after(Serial("20261121T032459Z", 9), now) == FIRST
    assert first_after(Serial(STAMP, 9), now) == Serial(STAMP, 10)
    assert first_after(Serial("20271121T032500Z", 9), now) == Serial("20271121T032500Z", 10)


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    place = tmp_path / "m.json"
    place.write_text(PART.to_json(), encoding="utf-8")
    assert read(place) == PART
    with pytest.raises(Refused, match="rows of a plain table"):
        read_other(place)


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"manifest": 1, "of": "rows"}), "\x00"])
def test_what_is_no_whole_manifest_is_not_believed(tmp_path: Path, text: str) -> None:
    place = tmp_path / "m.json"
    place.write_text(text)
    with pytest.raises(Refused, match="no whole manifest"):
        read(place)


def test_a_manifest_of_a_later_version_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "m.json"
    place.write_text(json.dumps({"manifest": 99, "of": "rows", **asdict(PART)}))
    with pytest.raises(Refused, match="later version"):
        read(place)
    with pytest.raises(Refused, match="cannot be read"):
        read(tmp_path / "none")
