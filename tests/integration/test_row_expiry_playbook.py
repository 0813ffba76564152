"""The playbook over an inventory: rows of a primary, and a word about its standby."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab.recap import changes
from tests.integration.partitions import DATABASE, Partitions
from tests.integration.played import played as over_an_inventory


def played(partitions: Partitions, place: Path, wanted: list[dict[str, Any]], *options: str) -> tuple[int, str]:
    return over_an_inventory(
        partitions, place, "row_expiry", {"row_expiry": wanted}, *options, nothing={"row_expiry": []}
    )


def test_check_then_run_then_nothing(partitions: Partitions, tmp_path: Path) -> None:
    partitions.run("CREATE TABLE t (k int PRIMARY KEY)", "INSERT INTO t SELECT generate_series(1, 50)")
    archive = {"destination": str(tmp_path / "archive")}
    wish = {"table": "t", "column": "k", "retention": "21", "on_expiry": "archive", "archive": archive}
    wanted = [{"login_db": DATABASE, "tables": [{**wish, "batch_rows": 15}]}]
    code, said = played(partitions, tmp_path, wanted, "--check", "--diff", "-e", "row_expiry_max_replica_lag='1 GB'")
    assert code == 0, said
    assert "-20 rows where k is below 21" in said
    assert "+2 files of 15 rows each, from " in said
    assert "second is a standby: rows leave it when they leave its primary." in said
    assert partitions.value("SELECT count(*) FROM t") == 50
    code, said = played(partitions, tmp_path, wanted)
    assert code == 0, said
    assert partitions.value("SELECT min(k) FROM t") == 21
    assert len(list((tmp_path / "archive").glob("*.csv.gz"))) == 2
    code, said = played(partitions, tmp_path, wanted)
    assert code == 0, said
    assert changes(said) == {}
