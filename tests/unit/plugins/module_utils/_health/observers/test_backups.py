"""What is written down of backups and drills, read and judged."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog.backups import BACKUPS, DRILLS
from ansible_collections.runbook.postgres.plugins.module_utils._health.checks.backups import CHECKS
from ansible_collections.runbook.postgres.plugins.module_utils._health.interview import Interview
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.backups import ask_backups
from ansible_collections.runbook.postgres.plugins.module_utils._health.request import Scope
from tests.unit.plugins.rows import server

NOW = datetime.now(timezone.utc)


def interview(same_host: bool = True, subset: str = "backups", stanzas: tuple[str, ...] = ()) -> Interview:
    asked = Interview({"dbname": "postgres"}, Scope(frozenset({subset}), stanzas=stanzas))
    asked.observed.server = server(same_host=same_host)
    return asked


def write(place: Path, name: str, text: object) -> None:
    (place / name).write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")


def test_what_is_written_is_read_and_judged(tmp_path: Path) -> None:
    day_ago = (NOW - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    repositories = {"1": {"problems": ["A gap.", "Another."]}, "2": {"problems": ["A third."]}, "3": {}}
    known = {"recoverable_to": day_ago, "repositories": repositories}
    write(tmp_path, "backup-a.json", {"cluster": "a", "last_backup_at": day_ago, **known})
    write(tmp_path, "drill-a.json", {"cluster": "a", "passed": False, "passed_at": day_ago, "faults": ["Slow."]})
    write(tmp_path, "drill-b.json", {"cluster": "b", "passed": True})
    write(tmp_path, "other.json", "no json")
    asked = interview()
    ask_backups(asked, tmp_path)
    assert asked.observed.unavailable == []
    measured = {check.name: [(each.object, each.value) for each in check.measure(asked.observed)] for check in CHECKS}
    ((_a, age),) = measured["backup_age_seconds"]
    assert 86400 <= age < 87000
    ((_a, never),) = measured["backup_verified_seconds"]
    assert never > 10**9
    assert measured["backup_problems"] == [("a", 3)]
    assert [name for name, _value in measured["drill_age_seconds"]] == ["a", "b"]
    assert measured["drill_failed"] == [("a", 1)]


def test_a_cluster_that_was_never_backed_up_is_missed(tmp_path: Path) -> None:
    write(tmp_path, "backup-a.json", {"cluster": "a", "last_backup_at": NOW.isoformat()})
    asked = interview(stanzas=("a", "b"))
    ask_backups(asked, tmp_path)
    measured = {each.object: each for check in CHECKS[:1] for each in check.measure(asked.observed)}
    assert measured["a"].value < 86400
    assert measured["b"].value > 10**9
    assert measured["b"].message == "There is no backup of cluster b."


def test_a_damaged_file_costs_only_itself(tmp_path: Path) -> None:
    write(tmp_path, "backup-a.json", "{")
    write(tmp_path, "backup-b.json", {"cluster": "b"})
    write(tmp_path, "drill-a.json", {"cluster": "a"})
    asked = interview()
    ask_backups(asked, tmp_path)
    assert [seen.row.cluster for seen in asked.observed.of(BACKUPS)] == ["b"]
    assert asked.observed.of(DRILLS) == []
    assert [lost.probe for lost in asked.observed.unavailable] == ["backups", "drills"]


def test_another_host_knows_nothing_and_says_so_once(tmp_path: Path) -> None:
    asked = interview(same_host=False)
    ask_backups(asked, tmp_path)
    assert ["run it on the database host" in lost.reason for lost in asked.observed.unavailable] == [True]
    asked = interview(same_host=False, subset="wal")
    ask_backups(asked, tmp_path)
    assert asked.observed.unavailable == []
