"""The playbook over an inventory: rows of a primary, and a word about its standby."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from lab.checkout import ROOT
from tests.integration.partitions import DATABASE, Partitions
from tests.integration.test_partition_playbook import BIN, login


def played(partitions: Partitions, place: Path, wanted: list[dict[str, Any]], *options: str) -> tuple[int, str]:
    """The playbook for a cluster of two. Passwords lie in a file, so that no argument holds one."""
    common = {
        "ansible_connection": "local",
        "ansible_become": False,
        "ansible_python_interpreter": sys.executable,
        "row_expiry": wanted,
    }
    hosts = {
        name: {**common, "row_expiry_login": login(partitions, standby=name == "second")}
        for name in ("first", "second")
    }
    hosts["third"] = {**common, "row_expiry": [], "postgres_login": {"login_port": 1}}
    inventory = place / "inventory.json"
    inventory.touch(mode=0o600)
    inventory.write_text(json.dumps({"postgres": {"hosts": hosts}}))
    done = subprocess.run(
        [str(BIN / "ansible-playbook"), "-i", str(inventory), str(ROOT / "playbooks/row_expiry.yml"), *options],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".lab/collections"), "ANSIBLE_NOCOLOR": "1"},
        cwd=place,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.returncode, done.stdout


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
    assert "changed=0" in said
    assert "changed=1" not in said
