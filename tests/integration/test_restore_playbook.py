"""The playbooks that restore, as somebody runs them: beside, in the place of what is there, and back again."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lab.checkout import ROOT
from lab.recap import changes
from tests.integration.playing import CONNECTION
from tests.integration.restores import REPOSITORY, Stage, only
from tests.integration.servers import Server

SHOP = "CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders SELECT generate_series(1, 100)"


@pytest.fixture
def stage(installed: Server) -> Stage:
    stage = Stage(installed.node, installed.primary)
    stage.clear()
    stage.psql("CREATE DATABASE shop")
    stage.psql(SHOP, "shop")
    stage.back_up("shop")
    return stage


def played(
    stage: Stage,
    place: Path,
    book: str,
    *options: str,
    others: Sequence[tuple[str, int]] = (),
    gone: str | None = None,
    **extra: Any,
) -> tuple[int, str]:
    """Its exit code, and what it says."""
    login = {"login_unix_socket": "/var/run/postgresql", "login_port": stage.cluster.port}
    host = {**CONNECTION, "ansible_host": stage.node.container, "postgres_login": login}
    hosts = {"pg1": host} | {name: {**host, "postgres_login": {**login, "login_port": port}} for name, port in others}
    hosts |= {} if gone is None else {gone: {**host, "ansible_host": "nowhere"}}
    (place / "inventory.json").write_text(json.dumps({"postgres": {"hosts": hosts}}))
    wanted = {"restore_repository": REPOSITORY, "restore_db": "shop", **extra}
    argv = [str(ROOT / ".venv/bin/ansible-playbook"), "-i", "inventory.json", f"runbook.postgres.{book}"]
    done = subprocess.run(
        [*argv, "-e", json.dumps(wanted), *options],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".lab/collections"), "ANSIBLE_NOCOLOR": "1"},
        cwd=place,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.returncode, done.stdout


def orders(stage: Stage, schema: str = "public") -> int:
    return int(stage.psql("SELECT count(*) FROM {}.orders".replace("{}", schema), "shop"))


def test_a_database_in_its_place_and_back_again(stage: Stage, tmp_path: Path) -> None:
    stage.psql("DELETE FROM orders WHERE id > 7", "shop")
    code, text = played(stage, tmp_path, "restore", "--check", "--diff", restore_replace=True)
    assert (code, "shop would be restored" in text) == (0, True), text
    code, text = played(stage, tmp_path, "restore", restore_replace=True)
    assert (code, orders(stage)) == (0, 100), text
    kept = only(stage.kept("shop"))
    assert f"is kept as {kept}." in text
    code, text = played(stage, tmp_path, "restore", restore_replace=True)
    assert (code, changes(text)) == (0, {}), text
    # Somebody goes back as the guide says, and restores once more: what is in use is no left-over.
    stage.psql("ALTER DATABASE shop RENAME TO wrong")
    stage.psql(f'ALTER DATABASE "{kept}" RENAME TO shop')
    dropped: dict[str, Any] = {"restore_replace": True, "restore_replaced": "drop"}
    code, text = played(stage, tmp_path, "restore", **dropped)
    assert (code, "give keep_out: during_restore" in text) == (2, True), text
    code, text = played(stage, tmp_path, "restore", restore_keep_out="during_restore", **dropped)
    assert (code, orders(stage), stage.kept("shop")) == (0, 100, []), text
    assert "kept as" not in text
    assert "wrong" in stage.databases()


def test_a_table_beside_and_in_its_place(stage: Stage, tmp_path: Path) -> None:
    code, text = played(stage, tmp_path, "restore_table")
    assert (code, "Nothing says what to restore" in text) == (2, True), text
    stage.psql("DELETE FROM orders WHERE id > 7", "shop")
    code, text = played(stage, tmp_path, "restore_table", restore_tables=["orders"], restore_into_schema="yesterday")
    assert (code, orders(stage), orders(stage, "yesterday")) == (0, 7, 100), text
    # As -e gives it without JSON.
    code, text = played(stage, tmp_path, "restore_table", "-e", "restore_tables=orders", restore_replace=True)
    assert (code, orders(stage)) == (0, 100), text
    assert "orders in shop was restored" in text
    assert "kept in schema public_before_" in text


def test_the_one_primary_is_found_among_them(stage: Stage, installed: Server, tmp_path: Path) -> None:
    standby = ("pg2", installed.standby.port)
    code, text = played(stage, tmp_path, "restore", others=[standby], restore_target="shop2")
    assert (code, "shop2 was restored" in text) == (0, True), text
    assert "shop2" in stage.databases()
    # Where its server is down it is a host with backups all the same.
    installed.standby.stop()
    try:
        code, text = played(stage, tmp_path, "restore", others=[standby], restore_target="shop4")
    finally:
        installed.standby.start()
    assert (code, "shop4 was restored" in text) == (0, True), text
    # The old primary may have the backup of last night.
    code, text = played(stage, tmp_path, "restore", gone="pg9", restore_target="shop3")
    assert (code > 0, "pg9 cannot be asked for a newer backup" in text) == (True, True), text
    code, text = played(stage, tmp_path, "restore", others=[standby], restore_hosts="pg2", restore_target="shop3")
    assert (code, "None of pg2 answered that it is a primary" in text) == (2, True), text
    # Two clusters in one group.
    for book in ("restore", "restore_table"):
        another = ("pg3", stage.cluster.port)
        code, text = played(stage, tmp_path, book, others=[another], restore_tables=["orders"], restore_target="shop3")
        assert (code, "pg1 and pg3 are primaries" in text) == (2, True), text
    assert "shop3" not in stage.databases()
