"""What is done so that a backup as wanted is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import Entry
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.plan import Seen, plan_backup
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.request import Offsite, Wanted
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.steps import ClearFar, Drop, RemoveFar
from ansible_collections.runbook.postgres.plugins.module_utils._backup.retention import Retention
from tests.unit.plugins.module_utils._backup.entries import NOW, SERIES, entry

WANTED = Wanted(
    database="shop",
    destination=Path("/backups"),
    label="",
    content="all",
    tables=(),
    format="custom",
    jobs=1,
    method="gzip",
    level=None,
    globals="full",
    count_rows=False,
    recipients=(),
    identity=None,
    owner=None,
    group=None,
    max_age=timedelta(days=1),
    verify="checksum",
    retention=Retention(),
    offsite=None,
    expected_bytes=None,
    lock_seconds=60,
    timeout=86_400,
)
FAR = Offsite("vault:pg", Retention())
BAD = ("It is damaged.",)
TAKE = "back up database shop (all)"


def planned(
    here: Sequence[Entry] = (), far: Sequence[Entry] = (), left: Sequence[str] = (), **wish: Any
) -> tuple[list[str], str]:
    plan, chosen = plan_backup(replace(WANTED, **wish), Seen(SERIES, here, far, left), NOW)
    return [step.sentence for step in plan.changes], chosen


@pytest.mark.parametrize(
    ("here", "wish", "steps", "chosen"),
    [
        ([], {}, [TAKE], "(new)"),
        ([entry(1, days=0.5)], {}, [], "b1"),
        ([entry(1, days=2)], {}, [TAKE], "(new)"),
        ([entry(1, days=0.5)], {"max_age": timedelta()}, [TAKE], "(new)"),
        ([entry(1, days=0.5, level="none")], {}, ["verify backup b1 by checksum"], "b1"),
        ([entry(1, days=0.5)], {"verify": "restore"}, ["verify backup b1 by restore"], "b1"),
        ([entry(1, days=0.5, level="restore")], {"verify": "list"}, [], "b1"),
        # The proven one meets the wish although a newer one is there.
        ([entry(1, days=0.5, level="restore"), entry(2, days=0.2)], {"verify": "restore"}, [], "b1"),
        ([entry(1, days=0.5, problems=BAD)], {}, [TAKE], "(new)"),
        # From the future, by a clock that is wrong.
        ([entry(1, days=-1)], {}, [TAKE], "(new)"),
        # It is to be encrypted from now on.
        ([entry(1, days=0.5)], {"recipients": ("age1x",)}, [TAKE], "(new)"),
    ],
)
def test_which_one_meets_the_wish(here: list[Entry], wish: dict[str, Any], steps: list[str], chosen: str) -> None:
    assert planned(here, **wish) == (steps, chosen)


def test_a_clock_that_is_wrong_is_told() -> None:
    plan, _ = plan_backup(WANTED, Seen(SERIES, [entry(1, days=-1)]), NOW)
    assert "1440 minutes" in plan.warnings[0] or "1 day" in plan.warnings[0]


def test_leftovers_go_first_and_old_ones_last() -> None:
    steps, _ = planned([entry(1, days=3), entry(2, days=2)], left=[".x.partial"], retention=Retention(count=1))
    assert steps == [
        "remove .x.partial, which an interrupted run left",
        TAKE,
        "remove backup b1, not among the last 1",
        "remove backup b2, not among the last 1",
    ]


def test_without_a_proof_of_the_new_one_the_last_proven_one_stays() -> None:
    steps, _ = planned([entry(1, days=3), entry(2, days=2)], verify="none", retention=Retention(count=1))
    assert steps == [TAKE, "remove backup b1, not among the last 1"]


def test_a_copy_is_made_where_there_is_none() -> None:
    mine = entry(1, days=0.5)
    assert planned([mine], offsite=FAR)[0] == ["copy backup b1 to vault:pg"]
    assert planned([mine], [mine], offsite=FAR)[0] == []
    assert planned(offsite=FAR)[0] == [TAKE, "copy backup (new) to vault:pg"]


def test_what_did_not_arrive_in_the_nights_before_goes_with_the_next() -> None:
    """Nothing older than all that is there, nothing that would go again, nothing plain where there are recipients."""
    here = [entry(number, days=6 - number) for number in (1, 2, 3, 4, 5)]
    there = entry(2, days=4, place="vault:pg")
    copied = ["copy backup b5 to vault:pg", "copy backup b4 to vault:pg", "copy backup b3 to vault:pg"]
    young = timedelta(days=2)
    assert planned(here, [there], offsite=FAR, max_age=young)[0] == copied
    few = planned(here, [there], offsite=Offsite("vault:pg", Retention(count=2)), max_age=young)[0]
    assert few == [*copied[:2], "remove backup b2 from vault:pg, not among the last 2"]
    assert planned(here, offsite=FAR, max_age=young)[0] == copied[:1]
    secret = [*here, replace(entry(6, days=0.1), encrypted=True)]
    assert planned(secret, [there], offsite=FAR, recipients=("age1x",))[0] == ["copy backup b6 to vault:pg"]


def test_what_is_left_of_a_removal_there_keeps_nobody_waiting_here() -> None:
    seen = Seen(SERIES, [entry(1, days=3)], left_far=["b0"])
    plan, _ = plan_backup(replace(WANTED, offsite=FAR), seen, NOW)
    assert [step.sentence for step in plan.changes] == [
        TAKE,
        "copy backup (new) to vault:pg",
        "remove what is left of backup b0 from vault:pg, where a removal was interrupted",
    ]


def test_room_there_is_made_although_nothing_new_arrives() -> None:
    """What would be too much already goes in any case, the rest only for what arrived."""
    far = [entry(number, days=10 - number, place="vault:pg") for number in (1, 2, 3)]
    wish = replace(WANTED, offsite=Offsite("vault:pg", Retention(count=2)))
    steps = plan_backup(wish, Seen(SERIES, (), far), NOW)[0].changes
    assert [(step.id, step.anyway) for step in steps if isinstance(step, RemoveFar)] == [("b1", True), ("b2", False)]


def test_a_store_that_is_away_holds_up_nothing_here() -> None:
    """And nothing is done there by guess: not a copy, not a removal, not a note that one is gone."""
    old = [entry(number, days=number, place="vault:pg") for number in (3, 2, 1)]
    away = Seen(SERIES, old, unlisted="vault:pg cannot be listed.")
    wish = replace(
        WANTED, offsite=Offsite("vault:pg", Retention(count=1)), max_age=timedelta(), retention=Retention(count=2)
    )
    plan, chosen = plan_backup(wish, away, NOW)
    sentences = [step.sentence for step in plan.changes]
    assert (sentences[0], chosen) == (TAKE, "(new)")
    assert all(each.startswith("remove backup") and "vault" not in each for each in sentences[1:])
    assert len(sentences) == 3
    assert not any("vault" in each for each in (*plan.before, *plan.after))


def test_a_copy_that_lost_a_file_is_none() -> None:
    offsite = Offsite("vault:pg", Retention())
    lost = replace(entry(1, days=0), problems=("It lacks its dump.",))
    steps, _ = planned([entry(1, days=0)], [lost], offsite=offsite, max_age=timedelta(days=1))
    assert steps == [f"copy backup {lost.id} to vault:pg"]


def test_copies_have_a_retention_of_their_own() -> None:
    offsite = Offsite("vault:pg", Retention(count=2))
    far = [entry(number, days=9 - number) for number in range(1, 4)]
    steps, _ = planned([], far, offsite=offsite, retention=Retention(count=9))
    assert [step for step in steps if step.startswith("remove")] == [
        "remove backup b1 from vault:pg, not among the last 2",
        "remove backup b2 from vault:pg, not among the last 2",
    ]


def test_the_diff_shows_what_stays_beside_what_goes() -> None:
    plan, _ = plan_backup(
        replace(WANTED, max_age=timedelta(), retention=Retention(count=2), offsite=FAR),
        Seen(SERIES, [entry(1, days=2), entry(2, days=1)], [entry(1, days=2)]),
        NOW,
    )
    told = plan.diff("backups")
    assert told["before"].splitlines() == [
        "b1 of 2026-08-29T12:00:00Z, 100 bytes, verified by checksum",
        "b2 of 2026-08-30T12:00:00Z, 100 bytes, verified by checksum",
        "b1 at vault:pg",
    ]
    assert told["after"].splitlines() == [
        "b2 of 2026-08-30T12:00:00Z, 100 bytes, verified by checksum",
        "a new backup, verified by checksum",
        "b1 at vault:pg",
        "(new) at vault:pg",
        "b2 at vault:pg",
    ]


def test_databases_that_proofs_left_go_first_and_are_told() -> None:
    """Also where no backup is due: nobody looks for them in production."""
    left = ("runbook_verify_0123456789ab",)
    for here in ([], [entry(1, days=0.5)]):
        plan = plan_backup(WANTED, Seen(SERIES, here, scratch=left), NOW)[0]
        assert plan.changes[0] == Drop(*left)
        assert (left[0] in plan.before, left[0] in plan.after) == (True, False)


def test_a_new_one_is_restored_once_it_is_taken_and_before_anything_goes_for_it() -> None:
    """Steps of their own: where the second fails the first was done."""
    steps, _ = planned([entry(1, days=2)], verify="restore", retention=Retention(count=1))
    assert steps[:2] == [TAKE, "verify the new backup by restore"]
    assert steps[2:] == ["remove backup b1, not among the last 1"]


@pytest.mark.parametrize(
    ("taken", "goes"), [("20260830T115959Z", True), ("20260831T110000Z", False), ("20270101T000000Z", False)]
)
def test_a_copy_that_was_cut_goes_when_nobody_can_be_at_it_any_more(taken: str, *, goes: bool) -> None:
    name = f"shop-all-{taken}-0a1b2c"
    seen = Seen(SERIES, [entry(1, days=0)], [entry(1, days=0)], cut_far=[name])
    plan = plan_backup(replace(WANTED, offsite=FAR), seen, NOW)[0]
    assert plan.changes == ((ClearFar(name, "vault:pg", "copy"),) if goes else ())
    assert (f"{name} at vault:pg" in plan.before) == goes
    assert f"{name} at vault:pg" not in plan.after
    assert plan_backup(WANTED, seen, NOW)[0].changes == ()


def test_a_copy_that_was_cut_is_sent_again_or_goes_before_its_backup_does() -> None:
    """Afterwards nobody knows whose it was."""
    two = Retention(count=2)
    here, far = [entry(n, days=5 - n) for n in (1, 2, 3)], [entry(1, days=4)]
    seen = Seen(SERIES, here, far, cut_far=["b2", "b3"])
    plan = plan_backup(replace(WANTED, retention=two, offsite=replace(FAR, retention=two)), seen, NOW)[0]
    assert [step.sentence for step in plan.changes] == [
        TAKE,
        "copy backup (new) to vault:pg",
        "copy backup b3 to vault:pg",
        "remove what is left of backup b2 from vault:pg, where a copy was interrupted",
        "remove backup b1, not among the last 2",
        "remove backup b2, not among the last 2",
        "remove backup b1 from vault:pg, not among the last 2",
    ]
    assert "b2 at vault:pg" in plan.before
    assert "b2 at vault:pg" not in plan.after
