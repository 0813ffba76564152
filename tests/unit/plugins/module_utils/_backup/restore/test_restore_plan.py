"""From a backup and a cluster to steps, as tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore import marks, naming, plan
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.scene import Database, Scene
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.wish import Wish
from ansible_collections.runbook.postgres.plugins.module_utils._backup.room import Room
from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from tests.unit.plugins.module_utils._backup.backups import manifest

NOW = datetime(2026, 8, 1, 2, 3, 4, tzinfo=timezone.utc)
BACKUP = manifest(database="shop")
BESIDE = naming.beside("shop")
WISH = Wish("shop", safety=Path("/backups"))
SCENE = Scene(
    major=15,
    standby=False,
    here="postgres",
    system_identifier=BACKUP.origin.system_identifier,
    superuser=True,
    roles=frozenset(BACKUP.origin.roles),
    tablespaces=frozenset({"fast"}),
    extensions=frozenset({"citext"}),
    room=Room("/data", 10_000_000_000),
)
SHOP = Database("shop", "o'wner", bytes=5 << 20)


def planned(*databases: Database, wish: Wish = WISH, **scene: Any) -> Plan:
    return plan.plan_database(wish, BACKUP, replace(SCENE, databases=databases, **scene), NOW)


def steps(found: Plan) -> list[str]:
    assert not found.refusals
    return [type(step).__name__ for step in found.changes]


def beside(state: str = marks.LOADING, **journal: Any) -> Database:
    return Database(BESIDE, "o'wner", comment=marks.restoring(marks.Journal(BACKUP.id, "shop", state, **journal)))


def test_a_database_that_is_not_there() -> None:
    found = planned()
    assert steps(found) == ["Make", "Load", "Check", "Swap"]
    assert found.changes[-1] == plan.Swap(BESIDE, "shop", None)
    assert found.before == []
    assert found.after == [f"shop, restored from {BACKUP.id}"]


def test_a_database_that_is_replaced_is_backed_up_first_and_kept() -> None:
    found = planned(SHOP, wish=replace(WISH, replace=True))
    assert steps(found) == ["SafetyBackup", "Make", "Load", "Check", "Swap"]
    assert found.changes[-1].kept == "shop_before_20260801T020304Z"
    assert found.after[1:] == ["shop_before_20260801T020304Z, kept"]


def test_sessions_are_kept_out_before_the_safety_backup_and_not_before_it_is_written_down() -> None:
    found = planned(SHOP, wish=replace(WISH, replace=True, keep_out="during_restore"))
    assert steps(found) == ["Make", "KeepOut", "SafetyBackup", "Load", "Check", "Swap"]


def test_an_empty_database_is_taken_without_asking_and_not_kept() -> None:
    found = planned(replace(SHOP, empty=True))
    assert steps(found) == ["Make", "Load", "Check", "Swap", "Discard"]
    assert found.changes[-1].if_empty, "it is asked again before it goes"


def test_nothing_is_done_twice() -> None:
    restored = replace(SHOP, comment=marks.restored("ours", BACKUP.id, NOW))
    assert steps(planned(restored)) == []
    again = planned(restored, wish=replace(WISH, again=True, replace=True))
    assert steps(again)[0] == "SafetyBackup"


def test_what_was_kept_goes_when_it_is_told_to() -> None:
    restored = replace(SHOP, comment=marks.restored(None, BACKUP.id, NOW))
    kept = Database("shop_before_20260801T020304Z", "o'wner", comment=marks.kept(None, "shop", "b", NOW))
    other = Database("other_before_x", "o'wner", comment=marks.kept(None, "other", "b", NOW))
    assert steps(planned(restored, kept, other)) == []
    found = planned(restored, kept, other, wish=replace(WISH, replaced="drop"))
    assert found.changes == (plan.Discard("shop_before_20260801T020304Z"),)


@pytest.mark.parametrize("name", ["shop", "shop_of_old"])
def test_what_somebody_went_back_to_is_not_dropped(name: str) -> None:
    back = Database(name, "o'wner", comment=marks.kept(None, "shop", "b", NOW))
    others = () if name == "shop" else (SHOP,)
    found = planned(back, *others, wish=replace(WISH, replace=True, replaced="drop", keep_out="during_restore"))
    [kept] = [step.kept for step in found.changes if isinstance(step, plan.Swap)]
    assert [step.database for step in found.changes if isinstance(step, plan.Discard)] == [kept]


def test_a_name_that_is_taken_is_not_given_twice() -> None:
    found = planned(SHOP, Database("shop_before_20260801T020304Z", "x"), wish=replace(WISH, replace=True))
    assert found.changes[-1].kept == "shop_before_20260801T020304Z_2"


@pytest.mark.parametrize(
    ("left", "wish", "expected"),
    [
        # Killed while loading: begun again.
        (beside(), WISH, ["Discard", "Make", "Load", "Check", "Swap"]),
        # Right after it was made.
        (Database(BESIDE, "postgres", empty=True), WISH, ["Discard", "Make", "Load", "Check", "Swap"]),
        # When all was there but the name: finished, after another look.
        (beside(marks.CHECKED), WISH, ["Check", "Swap"]),
    ],
)
def test_what_a_killed_run_left_of_a_new_database(left: Database, wish: Wish, expected: list[str]) -> None:
    assert steps(planned(left, wish=wish)) == expected


def test_a_run_that_was_killed_while_the_target_was_closed_is_finished() -> None:
    closed = replace(SHOP, open=False)
    assert steps(planned(closed, beside(marks.CHECKED, closed=True))) == ["Check", "Swap"]


def test_what_was_written_since_a_run_was_killed_is_backed_up_before_it_is_replaced() -> None:
    found = planned(SHOP, beside(marks.CHECKED), wish=replace(WISH, replace=True))
    assert steps(found) == ["SafetyBackup", "Check", "Swap"]


def test_sessions_are_kept_out_again_before_that_backup() -> None:
    wish = replace(WISH, replace=True, keep_out="during_restore")
    assert steps(planned(SHOP, beside(marks.CHECKED), wish=wish)) == ["KeepOut", "SafetyBackup", "Check", "Swap"]


def test_another_backup_opens_the_target_again_and_begins_anew() -> None:
    left = Database(BESIDE, "x", comment=marks.restoring(marks.Journal("other", "shop", marks.CHECKED, 7, closed=True)))
    found = planned(replace(SHOP, open=False, limit=0), left, wish=replace(WISH, replace=True))
    assert steps(found) == ["Reopen", "Discard", "SafetyBackup", "Make", "Load", "Check", "Swap"]
    assert found.changes[0] == plan.Reopen("shop", 7)
    refusal, closed = planned(replace(SHOP, open=False), left).refusals
    assert "a restore of other was killed" in refusal
    assert "ALLOW_CONNECTIONS true" in closed


def test_roles_come_from_the_globals_when_asked_for() -> None:
    found = planned(
        wish=replace(WISH, roles="restore"), roles=frozenset(), globals_roles=frozenset(BACKUP.origin.roles)
    )
    assert found.changes[0] == plan.MakeRoles(("o'wner", "reader"))


FULL = Room("/data", 1 << 10)


def test_what_only_changes_names_takes_no_room() -> None:
    left = replace(beside(marks.CHECKED, closed=True), bytes=5 << 20)
    found = planned(replace(SHOP, open=False), left, wish=replace(WISH, replace=True), room=FULL)
    assert steps(found) == ["Check", "Swap"]


def test_what_is_half_made_gives_its_room_back() -> None:
    half = replace(beside(limit=7), bytes=BACKUP.origin.bytes * 2)
    found = planned(replace(SHOP, limit=0), half, wish=replace(WISH, replace=True), room=FULL)
    assert steps(found)[:2] == ["Reopen", "Discard"]
    [lack, closed] = planned(
        replace(SHOP, limit=0), replace(half, bytes=0), wish=replace(WISH, replace=True), room=FULL
    ).refusals
    assert "make room" in lack
    assert 'ALTER DATABASE "shop" ALLOW_CONNECTIONS true CONNECTION LIMIT 7' in closed


def test_whoever_knows_better_what_it_takes_is_believed() -> None:
    assert steps(planned(wish=replace(WISH, expected_bytes=500), room=FULL))
    [lack] = planned(wish=replace(WISH, expected_bytes=20_000_000_000)).refusals
    assert "19,073 MiB are expected (expected_size): make room" in lack


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"standby": True}, "standby"),
    ({"superuser": False}, "superuser"),
    ({"here": "shop"}, "login_db"),
    ({"major": 14}, "older server"),
    ({"roles": frozenset({"reader"})}, "roles that the backup needs: o'wner"),
    ({"tablespaces": frozenset()}, "tablespaces that the backup needs: fast"),
    ({"extensions": frozenset()}, "extensions that the backup needs: citext"),
    ({"room": Room("/data", 1 << 10)}, "/data has 0 MiB left"),
    ({"databases": (SHOP,)}, "replace: true"),
    ({"databases": (Database(BESIDE, "x", comment="somebody's"),)}, "in the way"),
    ({"databases": (replace(SHOP, open=False),)}, "takes no connections"),
]


@pytest.mark.parametrize(("scene", "words"), REFUSED)
def test_what_is_refused(scene: dict[str, Any], words: str) -> None:
    found = plan.plan_database(WISH, BACKUP, replace(SCENE, **scene), NOW)
    assert len(found.refusals) == 1
    assert words in found.refusals[0]
    assert not found.changes


DROPPING = replace(WISH, replace=True, replaced="drop")


@pytest.mark.parametrize(
    ("wish", "left"),
    [
        (DROPPING, ()),
        (DROPPING, (beside(marks.CHECKED, closed=True),)),
        # Clients wrote until that run closed it.
        (replace(DROPPING, keep_out="during_restore"), (beside(marks.CHECKED, closed=True),)),
    ],
)
def test_what_is_in_no_backup_is_not_dropped(wish: Wish, left: tuple[Database, ...]) -> None:
    refusal, *closed = planned(replace(SHOP, open=not left), *left, wish=wish).refusals
    assert len(closed) == len(left)
    assert "would be in no backup" in refusal


@pytest.mark.parametrize(
    ("wish", "left"),
    [
        (replace(DROPPING, keep_out="during_restore"), ()),
        (replace(DROPPING, keep_out="during_restore"), (beside(marks.CHECKED, limit=7, closed=True),)),
        (replace(DROPPING, safety=None, safety_declined=True), ()),
    ],
)
def test_what_is_dropped_is_in_a_backup_or_unwanted(wish: Wish, left: tuple[Database, ...]) -> None:
    assert steps(planned(replace(SHOP, open=not left), *left, wish=wish))[-1] == "Discard"


REPLACING: list[tuple[Database, Wish, str]] = [
    (replace(SHOP, prepared=2), WISH, "2 prepared transactions"),
    (replace(SHOP, subscriptions=1), WISH, "1 subscriptions"),
    (SHOP, replace(WISH, safety=None), "safety_backup: false"),
]


@pytest.mark.parametrize(("there", "wish", "words"), REPLACING)
def test_what_is_not_replaced(there: Database, wish: Wish, words: str) -> None:
    [refusal] = planned(there, wish=replace(wish, replace=True)).refusals
    assert words in refusal


@pytest.mark.parametrize("other", [{"content": "schema"}, {"content": "data"}, {"tables": ("public.t",)}])
def test_a_part_makes_no_database(other: dict[str, Any]) -> None:
    [refusal] = plan.plan_database(WISH, manifest(database="shop", **other), SCENE, NOW).refusals
    assert "makes no whole database" in refusal


@pytest.mark.parametrize("name", ["template1", "", "x" * 64])
def test_names_that_are_no_targets(name: str) -> None:
    assert len(plan.plan_database(replace(WISH, target=name), BACKUP, SCENE, NOW).refusals) == 1


def test_what_is_odd_is_told() -> None:
    scene = replace(SCENE, room=None, system_identifier="1", databases=(replace(SHOP, slots=("a", "b")),))
    told = plan.plan_database(replace(WISH, replace=True), replace(BACKUP, rows=None), scene, NOW).warnings
    assert len(told) == 4
