"""Targets: read, told to the server, and held against what the server says."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.target import Stop, Target, misses, read

UTC = timezone.utc
NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("2026-01-31T14:05:00+01:00", "2026-01-31 13:05:00+00:00"),
        ("2026-01-31 14:05:00Z", "2026-01-31 14:05:00+00:00"),
        ("2026-01-31 14:05:00.25 +02", "2026-01-31 12:05:00.250000+00:00"),
        ("2026-01-31 14:05:00.1234567-0530", "2026-01-31 19:35:00.123456+00:00"),
    ],
)
def test_a_time_is_one_moment(given: str, wanted: str) -> None:
    assert read("time", given, inclusive=True).value == wanted


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("time", "2026-01-31 14:05:00"),
        ("time", "2026-01-31"),
        ("time", "yesterday Z"),
        ("lsn", "16B374D848"),
        ("lsn", "G/0"),
        ("xid", "-1"),
        ("xid", "2"),
        ("name", "x" * 64),
        ("name", "two\nlines"),
        ("name", None),
        ("latest", "now"),
    ],
)
def test_what_is_no_target_is_refused_with_what_it_looks_like(kind: str, given: str | None) -> None:
    with pytest.raises(Refused) as told:
        read(kind, given, inclusive=True)
    assert str(told.value).endswith(".")


@given(st.integers(0, 10**15), st.integers(-14 * 60, 14 * 60))
def test_a_moment_is_the_same_in_every_zone(microseconds: int, minutes: int) -> None:
    moment = NOON + timedelta(microseconds=microseconds)
    there = moment.astimezone(timezone(timedelta(minutes=minutes)))
    assert read("time", there.isoformat(), inclusive=True).moment == moment


def test_the_server_is_told_what_stops_it() -> None:
    assert Target("latest").settings(3, "pause") == {"recovery_target_timeline": "3"}
    assert Target("immediate").settings(None, "pause") == {
        "recovery_target_timeline": "latest",
        "recovery_target": "immediate",
        "recovery_target_action": "pause",
    }
    assert Target("xid", "77", inclusive=False).settings(1, "pause") == {
        "recovery_target_timeline": "1",
        "recovery_target_xid": "77",
        "recovery_target_inclusive": "off",
        "recovery_target_action": "pause",
    }
    assert "recovery_target_inclusive" not in Target("name", "x").settings(1, "pause")


def stop(**more: Any) -> Stop:
    return Stop(**{"in_recovery": True, "paused": True, "lsn": "0/500", "moment": None, **more})


AT_NOON = Target("time", str(NOON))
BEFORE_NOON = Target("time", str(NOON), inclusive=False)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("target", "seen", "words"),
    [
        (AT_NOON, stop(moment=NOON), None),
        (AT_NOON, stop(moment=NOON - SECOND, next_moment=NOON + SECOND), None),
        (AT_NOON, stop(), None),
        (AT_NOON, stop(moment=NOON + SECOND), "ended later"),
        (BEFORE_NOON, stop(moment=NOON), "ended later"),
        (AT_NOON, stop(moment=NOON - SECOND, next_moment=NOON), "not past the target"),
        (BEFORE_NOON, stop(moment=NOON - SECOND, next_moment=NOON), None),
        (AT_NOON, stop(in_recovery=False, paused=False, moment=NOON), "did not pause"),
        (Target("lsn", "0/500"), stop(), None),
        (Target("lsn", "0/600"), stop(), "it is before it"),
        (Target("xid", "77"), stop(xid_status="committed"), None),
        (Target("xid", "77"), stop(xid_status="aborted"), None),
        (Target("xid", "77"), stop(xid_status="not begun"), "not begun"),
        (Target("xid", "77", inclusive=False), stop(xid_status="in progress"), None),
        (Target("xid", "77", inclusive=False), stop(xid_status="committed"), "committed already"),
        (Target("name", "x"), stop(), None),
        (Target("name", "x"), stop(paused=False), "did not pause"),
        (Target("latest"), stop(in_recovery=False), None),
        (Target("latest"), stop(), "still replays"),
    ],
)
def test_where_it_stopped_is_held_against_where_it_was_to(target: Target, seen: Stop, words: str | None) -> None:
    found = misses(target, seen)
    assert (found is None) if words is None else (found is not None and words in found)


def test_the_end_of_the_archive_is_where_its_last_file_is() -> None:
    ended = stop(in_recovery=False, paused=False)
    assert misses(Target("latest"), ended, "0/400") is None
    assert "missing or damaged" in str(misses(Target("latest"), ended, "0/500"))


def test_what_the_server_said_is_read_to_the_microsecond() -> None:
    said = {"in_recovery": True, "paused": True, "lsn": "0/1", "moment": 1769860800123456}
    assert Stop.of(said).moment == NOON.replace(microsecond=123456)
