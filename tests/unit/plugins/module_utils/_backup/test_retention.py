"""What goes and what never does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import Entry
from ansible_collections.runbook.postgres.plugins.module_utils._backup.retention import Retention, leaving, spared
from tests.unit.plugins.module_utils._backup.entries import NOW, entry

BAD = ("It is damaged.",)


def gone(entries: list[Entry], policy: Retention) -> list[str]:
    return [each.entry.id for each in leaving(entries, policy, NOW)]


def days(number: float) -> timedelta:
    return timedelta(days=number)


# Backup n is the n-th: of five, b5 is of today and b1 four days old.
FIVE = [entry(number, days=5 - number) for number in range(1, 6)]


@pytest.mark.parametrize(
    ("entries", "policy", "ids"),
    [
        (FIVE, Retention(), []),
        (FIVE, Retention(count=2), ["b1", "b2", "b3"]),
        (FIVE, Retention(age=days(2)), ["b1", "b2"]),
        # Past both, or it stays.
        (FIVE, Retention(age=days(2), count=4), ["b1"]),
        (FIVE, Retention(age=days(2), count=1), ["b1", "b2"]),
        # Backups failed for long: the last one stays, however old.
        ([entry(1, days=90), entry(2, days=80)], Retention(age=days(30)), ["b1"]),
        # The last verified one stays beside newer ones that are not.
        (
            [entry(1, days=3), entry(2, days=2, level="none"), entry(3, days=1, level="none")],
            Retention(count=1),
            ["b2"],
        ),
        # One with a problem is not counted, keeps no other from staying, and goes.
        ([entry(1, days=3), entry(2, days=2), entry(3, days=1, problems=BAD)], Retention(count=1), ["b1"]),
        ([entry(1, days=9, problems=BAD), entry(2, days=1)], Retention(count=1), ["b1"]),
        # What a newer one depends on stays, and what that depends on.
        (
            [entry(1, days=9), entry(2, days=8, depends_on=("b1",)), entry(3, days=1, depends_on=("b2",))],
            Retention(count=1),
            [],
        ),
        # A clock was set back: the later one is newer although it says otherwise.
        ([entry(1, days=1), entry(2, days=5)], Retention(count=1), ["b1"]),
        # One from the future is not old.
        ([entry(1, days=-5), entry(2, days=1)], Retention(age=days(1)), []),
    ],
)
def test_cases(entries: list[Entry], policy: Retention, ids: list[str]) -> None:
    assert gone(entries, policy) == ids


def test_why() -> None:
    assert leaving(FIVE, Retention(days(2), 1), NOW)[0].why == "older than 2 days and not among the last 1"


@st.composite
def catalogues(draw: st.DrawFn) -> list[Entry]:
    made: list[Entry] = []
    for number in range(1, draw(st.integers(0, 12)) + 1):
        older = [each.id for each in made]
        made.append(
            entry(
                number,
                days=draw(st.integers(-2, 60)),
                level=draw(st.sampled_from(["none", "checksum", "restore"])),
                problems=draw(st.sampled_from([(), (), BAD])),
                depends_on=tuple(draw(st.lists(st.sampled_from(older), max_size=2))) if older else (),
            )
        )
    return made


POLICIES = st.builds(Retention, st.none() | st.integers(1, 40).map(days), st.none() | st.integers(1, 6))


@given(catalogues(), POLICIES)
def test_what_is_relied_on_never_goes(entries: list[Entry], policy: Retention) -> None:
    ids = set(gone(entries, policy))
    stays = [each for each in entries if each.id not in ids]
    good = [each for each in entries if each.good]
    verified = [each for each in good if each.verified is not None]
    for last in (good[-1:], verified[-1:]):
        assert all(each in stays for each in last)
    assert not any(needed in ids for each in stays for needed in each.depends_on)


@given(catalogues(), POLICIES)
def test_a_second_time_nothing_goes(entries: list[Entry], policy: Retention) -> None:
    ids = set(gone(entries, policy))
    assert gone([each for each in entries if each.id not in ids], policy) == []


@given(catalogues(), POLICIES)
def test_young_ones_and_the_last_ones_stay(entries: list[Entry], policy: Retention) -> None:
    ids = set(gone(entries, policy))
    if policy.age is not None:
        assert not any(NOW - each.stopped <= policy.age for each in entries if each.id in ids)
    if policy.count is not None:
        assert not any(each.id in ids for each in [each for each in entries if each.good][-policy.count :])


def test_one_that_is_restored_from_stays_and_is_told() -> None:
    reading = [replace(each, held=each.id in ("b1", "b5")) for each in FIVE]
    policy = Retention(count=2)
    assert gone(reading, policy) == ["b2", "b3"]
    [told] = spared(reading, policy, NOW)
    assert told == "Backup b1 is not among the last 2 and is being restored from now: it stays until a later run."
    assert spared(FIVE, policy, NOW) == []
