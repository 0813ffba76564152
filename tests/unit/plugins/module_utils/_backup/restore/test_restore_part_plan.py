"""From a backup and a database to the steps that restore a part of it, as tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import Extension, Manifest, Rows
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore import marks, naming
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.parts.observe import gave_way_to
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.parts.plan import plan_part
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.parts.scene import (
    PartScene,
    Unit,
    estimated,
    units_of,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.plan import SafetyBackup
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.scene import Database
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.wish import Part, Wish
from ansible_collections.runbook.postgres.plugins.module_utils._backup.room import Room
from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from tests.unit.plugins.module_utils._backup.backups import manifest
from tests.unit.plugins.module_utils._backup.restore.test_restore_plan import BACKUP, NOW, SCENE, steps

WISH = Wish("shop", safety=Path("/backups"), part=Part(("orders",)))
ORDERS = Unit("public", "orders", "public", "orders")
APP = Unit("app", None, "app", None)
USUAL = ["Define", "Fill", "CheckPart", "PutInPlace", "Discard"]


def planned(*units: Unit, wish: Wish = WISH, scene: PartScene | None = None, **other: Any) -> Plan:
    scene = replace(scene or PartScene(()), units=units or (ORDERS,))
    return plan_part(wish, manifest(database="shop", **other), SCENE, scene, NOW)


def test_where_tables_and_schemas_go() -> None:
    tables = (("public", "orders"),)
    assert list(units_of(Part(("orders",)), tables)) == [ORDERS]
    assert next(units_of(Part(("orders",), (), "back", "o"), tables)).place == "back.o"
    assert list(units_of(Part((), ("app",), "app2"), ())) == [Unit("app", None, "app2", None)]


def test_what_is_not_there_is_made_without_a_safety_backup() -> None:
    found = planned()
    assert steps(found) == USUAL
    assert found.changes[3].kept == ()


def test_what_is_replaced_is_backed_up_and_kept() -> None:
    found = planned(replace(ORDERS, standing=True), wish=replace(WISH, replace=True))
    assert steps(found) == ["SafetyBackup", *USUAL]
    assert found.changes[0] == SafetyBackup("shop", "/backups", ('"public"."orders"',))
    assert found.changes[4].kept == (("public", "public_before_20260801T020304Z"),)
    assert found.after[-1] == "schema public_before_20260801T020304Z, kept"


GIGABYTE = 1_000_000_000
COUNTED = (Rows("public", "orders", 10), Rows("public", "big", 980), Rows("app", "a", 4), Rows("app", "b", 6))


@pytest.mark.parametrize(
    ("units", "rows", "share"),
    [
        ((ORDERS,), COUNTED, GIGABYTE // 100),
        ((APP,), COUNTED, GIGABYTE // 100),
        ((ORDERS, APP), COUNTED, GIGABYTE // 50),
        ((ORDERS,), None, None),
        # Such as one whose rows are all in its partitions.
        ((replace(ORDERS, name="orders_2"),), COUNTED, None),
        ((ORDERS,), (Rows("public", "orders", 0),), None),
    ],
)
def test_a_part_takes_its_share(units: tuple[Unit, ...], rows: tuple[Rows, ...] | None, share: int | None) -> None:
    backup = replace(BACKUP, rows=rows, origin=replace(BACKUP.origin, bytes=GIGABYTE))
    assert estimated(units, backup) == share


def test_one_small_table_needs_no_room_for_the_whole_database() -> None:
    cluster = replace(SCENE, room=Room("/data", GIGABYTE // 20))
    backup = replace(BACKUP, rows=COUNTED, origin=replace(BACKUP.origin, bytes=GIGABYTE))

    def found(wish: Wish, held: Manifest) -> Plan:
        return plan_part(wish, held, cluster, PartScene((ORDERS,)), NOW)

    assert steps(found(WISH, backup)) == USUAL
    assert found(WISH, backup).warnings == ()
    [lack] = found(WISH, replace(backup, rows=(*COUNTED[:1], Rows("public", "big", 90)))).refusals
    assert "what is restored takes about 114 MiB" in lack
    uncounted = replace(backup, rows=None)
    assert steps(found(WISH, uncounted)) == USUAL
    assert "give expected_size" in found(WISH, uncounted).warnings[0]
    [lack] = found(replace(WISH, expected_bytes=GIGABYTE), uncounted).refusals
    assert "954 MiB are expected" in lack


def test_nothing_is_done_twice() -> None:
    restored = replace(ORDERS, standing=True, comment=marks.restored("theirs", BACKUP.id, NOW))
    assert steps(planned(restored)) == []
    assert steps(planned(restored, wish=replace(WISH, replace=True, again=True)))[1:] == USUAL
    kept = PartScene((), kept=("public_before_x",))
    assert steps(planned(restored, scene=kept)) == []
    assert steps(planned(restored, scene=kept, wish=replace(WISH, replaced="drop"))) == ["DropStaged"]
    used = replace(kept, relied_on=(("public_before_x", "view changed"),))
    for units in ((restored,), (replace(ORDERS, standing=True),)):
        wish = replace(WISH, replaced="drop", replace=True, safety_declined=True)
        assert (
            "would take along what came to use it, view changed" in planned(*units, scene=used, wish=wish).refusals[0]
        )


@pytest.mark.parametrize(
    ("units", "was", "held", "mine"),
    [
        ((ORDERS,), "public", {"orders"}, True),
        ((ORDERS,), "public", {"orders", "customer"}, False),
        ((ORDERS,), "public", {"customer"}, False),
        ((ORDERS,), "app", {"orders"}, False),
        ((APP,), "app", {"anything"}, True),
        ((replace(ORDERS, to_name="orders_2"),), "public", {"orders"}, False),
    ],
)
def test_what_another_restore_replaced_is_not_dropped(
    units: tuple[Unit, ...], was: str, held: set[str], *, mine: bool
) -> None:
    assert gave_way_to(units, was, held) == mine


def test_what_a_killed_run_left_goes_first() -> None:
    left = PartScene((), staged=(("x", marks.restoring(marks.Journal("b", "shop"))),))
    scene = replace(SCENE, databases=(Database(naming.scratch("shop"), "postgres"),))
    found = plan_part(WISH, manifest(database="shop"), scene, replace(left, units=(ORDERS,)), NOW)
    assert steps(found) == ["DropStaged", "Discard", *USUAL]


REFUSED: list[tuple[tuple[Unit, ...], PartScene, dict[str, Any], str]] = [
    ((replace(ORDERS, standing=True),), PartScene(()), {}, "replace: true"),
    ((replace(ORDERS, in_backup=False),), PartScene(()), {}, "does not hold public.orders"),
    ((ORDERS,), PartScene((), there=False), {}, "no database shop"),
    ((ORDERS,), PartScene((), staged=(("x", "theirs"),)), {}, "in the way"),
    ((ORDERS,), PartScene(()), {"format": "plain"}, "format plain"),
    ((ORDERS,), PartScene(()), {"content": "schema"}, "no rows"),
    ((ORDERS,), PartScene(()), {"major": 16}, "older server"),
    ((APP,), PartScene(()), {"tables": ("app.t",)}, "no whole schema"),
    ((APP,), PartScene(()), {"extensions": (Extension("citext", "1", "app"),)}, "holds extensions"),
]


@pytest.mark.parametrize(("units", "scene", "other", "words"), REFUSED)
def test_what_is_refused(units: tuple[Unit, ...], scene: PartScene, other: dict[str, Any], words: str) -> None:
    [refusal] = planned(*units, scene=scene, **other).refusals
    assert words in refusal


def test_what_is_in_no_backup_is_not_dropped() -> None:
    standing, wish = replace(ORDERS, standing=True), replace(WISH, replace=True, replaced="drop")
    [refusal] = planned(standing, wish=wish).refusals
    assert "would be in no backup" in refusal
    unwanted = replace(wish, safety=None, safety_declined=True)
    assert steps(planned(standing, wish=unwanted)) == [*USUAL, "DropStaged"]


def test_what_would_go_on_using_it_is_named() -> None:
    scene = PartScene((), obstacles=("materialized view m",))
    [refusal] = planned(replace(ORDERS, standing=True), wish=replace(WISH, replace=True), scene=scene).refusals
    assert "materialized view m would go on using" in refusal
