"""How long backups stay that restores took of what they replaced."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import Entry, Series
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.expiring import (
    Expire,
    Kept,
    kept_for_safety,
    with_retention,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.plan import SafetyBackup, Swap
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.wish import read_wish
from ansible_collections.runbook.postgres.plugins.module_utils._backup.retention import Retention
from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from tests.unit.plugins.module_utils._backup.backups import made, manifest
from tests.unit.plugins.module_utils._backup.entries import NOW, entry
from tests.unit.plugins.module_utils._backup.restore.test_restore_pieces import GIVEN

WHOLE = Series("logical", "all", "7", "shop", (), "safety")
TABLE = Series("logical", "all", "7", "shop", ("public.orders",), "safety")
POLICY = Retention(timedelta(days=30), 2)
REPLACING = Plan((SafetyBackup("shop", "/backups"), Swap("shop_new", "shop", None)), before=["shop"], after=["shop"])


def expired(plan: Plan, *entries: Entry, policy: Retention = POLICY, restored: str = "other") -> list[str]:
    found = with_retention(plan, Kept(Path("/backups"), "shop", "7", policy, entries), restored, NOW)
    assert found.changes[: len(plan.changes)] == plan.changes
    shown = {line for line in found.before if line not in found.after}
    gone = [step.id for step in found.changes if isinstance(step, Expire)]
    assert shown == {f"safety backup {each}" for each in gone}
    return gone


def safety(number: int, days: float, series: Series = WHOLE, **other: Any) -> Entry:
    return entry(number, days=days, series=series, **other)


def test_the_new_one_counts_among_those_that_stay() -> None:
    there = [safety(1, 90), safety(2, 60), safety(3, 40)]
    assert expired(REPLACING, *there) == ["b1", "b2"]
    assert expired(Plan(), *there) == ["b1"]


def test_both_age_and_count_have_to_be_past() -> None:
    assert expired(REPLACING, safety(1, 20), safety(2, 10), safety(3, 5)) == []


def test_the_last_one_stays_however_old() -> None:
    assert expired(Plan(), safety(1, 900), policy=Retention(timedelta(days=1))) == []
    # Whole ones and those of some tables are each other's last one no more.
    assert expired(Plan(), safety(1, 900), safety(2, 800, TABLE), policy=Retention(timedelta(days=1))) == []


def test_one_with_a_problem_is_not_the_last_good_one() -> None:
    there = [safety(1, 90), safety(2, 80, problems=("it is cut",))]
    assert expired(Plan(), *there, policy=Retention(timedelta(days=1))) == ["b2"]


def test_what_is_restored_from_does_not_go() -> None:
    there = [safety(1, 90), safety(2, 60), safety(3, 40)]
    assert expired(REPLACING, *there, restored="b1") == ["b2"]


def test_without_a_policy_all_stay() -> None:
    assert expired(REPLACING, *(safety(each, 900) for each in range(9)), policy=Retention()) == []


def test_only_those_that_a_restore_took_of_this_database_of_this_cluster(tmp_path: Path) -> None:
    for number, how in enumerate(
        [
            {"label": "safety"},
            {"label": ""},
            {"label": "safety", "database": "other"},
            {"label": "safety", "system_identifier": "8"},
        ]
    ):
        made(tmp_path, manifest(id=f"x-all-20260801T020000Z-00000{number}", number=number, **how))
    found = kept_for_safety(tmp_path, 'sh"op', "7000000000000000001")
    assert [each.id for each in found] == ["x-all-20260801T020000Z-000000"]


@pytest.mark.parametrize("given", [None, {}, {"age": None, "count": None}])
def test_nothing_named_keeps_all(given: Any) -> None:
    assert read_wish({**GIVEN, "safety_retention": given}, "shop").safety_retention.endless


def test_a_retention_that_keeps_nothing_is_refused() -> None:
    with pytest.raises(Refused, match="safety_retention: count is 0"):
        read_wish({**GIVEN, "safety_retention": {"age": None, "count": 0}}, "shop")
