"""The same modules in the test's own process and over the network: archives on another host than the server's.

age and rclone are the node's own; what stands for them here hands everything through.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from tests.integration.archive_tables import DATABASE, wish
from tests.integration.archives import Stage
from tests.integration.servers import Server

MODULES = "ansible_collections.runbook.postgres.plugins.modules"
FAR = "/var/lib/postgresql/far"

# Files are here and not there, so that rclone gets and gives them by its standard input and output.
STAND_IN = """#!/usr/bin/env python3
import subprocess, sys
name, words = sys.argv[0].rsplit("/", 1)[1], sys.argv[1:]
into = ["docker", "exec", "--interactive", "--user=postgres", "{container}", name]
if name == "rclone" and words[0] == "copyto":
    with open(words[-2], "rb") as file:
        sys.exit(subprocess.run([*into, "rcat", words[-1]], stdin=file).returncode)
sys.exit(subprocess.run([*into, *words]).returncode)
"""


@dataclass
class Here:
    stage: Stage
    server: Server
    destination: Path

    def run(self, module: str, arguments: Mapping[str, Any], *, check: bool = False) -> dict[str, Any]:
        parameters = self.server.parameters(DATABASE)
        login = {"login_host": parameters["host"], "login_port": int(parameters["port"]), "login_db": DATABASE}
        given = {**arguments, **login, "login_password": parameters["password"], "retries": 1}
        out = io.StringIO()
        main = importlib.import_module(f"{MODULES}.{module}").main
        given.update(_ansible_check_mode=check, _ansible_diff=True)
        with patch_module_args(given), contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
            main()
        assert parameters["password"] not in out.getvalue()
        return dict(json.loads(out.getvalue()))

    def archive(self, *, check: bool = False, **archive: Any) -> dict[str, Any]:
        return self.run("pg_partition", wish(self.stage.table, str(self.destination), archive), check=check)

    def archived(self, **archive: Any) -> dict[str, Any]:
        result = self.archive(**archive)
        assert not result.get("failed"), result
        [told] = result["tables"][0]["archives"]
        return dict(told)

    def restore(self, file: str, **options: Any) -> dict[str, Any]:
        return self.run("pg_partition_restore", {"file": file, **options})


@pytest.fixture
def here(stage: Stage, installed: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    for name in ("age", "rclone"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(STAND_IN.replace("{container}", stage.node.container))
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return Here(stage, installed, tmp_path / "archive" / "deep")


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_there_and_back(here: Here, compression: str) -> None:
    whole = here.stage.content()
    told = here.archived(compression=compression, offsite=FAR)
    assert not here.stage.stands()
    assert Path(told["file"]).stat().st_mode & 0o777 == 0o600
    assert here.destination.stat().st_mode & 0o777 == 0o700
    assert told["offsite"].startswith(FAR)
    assert here.restore(told["file"])["changed"]
    assert here.stage.content() == whole
    again = here.restore(told["file"])
    assert again["changed"] is False
    # The partition is archived again and found kept.
    assert here.archived(compression=compression)["file"] == told["file"]


def test_encrypted(here: Here) -> None:
    public, secret = here.stage.keys
    whole = here.stage.content()
    told = here.archived(recipients=[public])
    assert told["verified"] == "file"
    assert "identity" in here.restore(told["file"])["msg"]
    # The name is the node's, where age runs; the module looks whether there is a file of it here.
    Path(secret).touch()
    try:
        assert here.restore(told["file"], identity=secret)["changed"]
    finally:
        Path(secret).unlink()
    assert here.stage.content() == whole


def test_rows_that_came_after_the_archive_keep_the_table(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    archiver = importlib.import_module(
        "ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.archiver"
    )
    real = archiver.Archiver._drop

    def late(self: Any, step: Any) -> None:
        here.stage.psql("DELETE FROM {leaving} WHERE flag")
        real(self, step)

    monkeypatch.setattr(archiver.Archiver, "_drop", late)
    failed = here.archive()
    assert "written to after it was archived" in failed["msg"]
    assert here.stage.stands()
    monkeypatch.undo()
    before = {each.name: each.read_bytes() for each in here.destination.iterdir()}
    told = here.archived()
    assert Path(told["file"]).name not in before
    assert before.items() <= {each.name: each.read_bytes() for each in here.destination.iterdir()}.items()


def test_what_looks_like_an_archive_and_is_damaged_is_left_and_not_believed(here: Here) -> None:
    first = here.archived()
    here.restore(first["file"])
    data = Path(first["file"]).read_bytes()
    Path(first["file"]).write_bytes(data[:-1] + b"x")
    second = here.archived()
    assert second["file"] != first["file"]
    assert second["sha256"] == first["sha256"]
    assert "is damaged" in here.restore(first["file"])["msg"]


def test_a_lock_that_is_not_had_is_told(here: Here) -> None:
    with here.server.connect(DATABASE) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f"SELECT 1 FROM {here.stage.leaving} LIMIT 1")  # noqa: S608 - names of this test
        failed = here.archive()
    assert "another session held a lock on it" in failed["msg"]
    assert here.stage.content()
    assert here.archived()["rows"] > 0


def test_a_table_that_a_killed_restore_left_is_made_anew(here: Here) -> None:
    whole = here.stage.content()
    file = here.archived()["file"]
    title = here.stage.psql(
        "SELECT nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = "
        "relnamespace WHERE c.oid = $q${table}$q$::regclass"
    )
    here.stage.psql("CREATE TABLE {leaving} (half int)")
    here.stage.psql(
        f"COMMENT ON TABLE {{leaving}} IS $q$runbook.postgres: being restored, to be attached to {title}$q$"
    )
    result = here.restore(file)
    assert [each["step"].split()[0] for each in result["steps"]] == ["make", "load", "attach"]
    assert here.stage.content() == whole


def test_rows_that_do_not_fit_are_refused_by_the_server_and_nothing_is_attached(here: Here) -> None:
    file = here.archived()["file"]
    here.stage.psql("ALTER TABLE {table} ADD CONSTRAINT later CHECK (\"select\" <> '') NOT VALID")
    failed = here.restore(file)
    assert "violates check constraint" in failed["msg"]
    assert here.stage.partitions() == 1
    here.stage.psql("ALTER TABLE {table} DROP CONSTRAINT later")
    assert here.restore(file)["changed"]


def test_a_standby_is_refused(here: Here) -> None:
    file = here.archived()["file"]
    standby = here.server.parameters(DATABASE, standby=True)
    arguments = {"file": file, "login_host": standby["host"], "login_port": int(standby["port"])}
    given = {**arguments, "login_db": DATABASE, "login_password": standby["password"]}
    out = io.StringIO()
    main = importlib.import_module(f"{MODULES}.pg_partition_restore").main
    with patch_module_args(given), contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main()
    assert "standby" in json.loads(out.getvalue())["msg"]


def test_another_cluster_is_told(here: Here) -> None:
    file = here.archived()["file"]
    manifest = Path(f"{file}.manifest.json")
    manifest.write_text(manifest.read_text().replace('"system_identifier": "', '"system_identifier": "1'))
    result = here.restore(file)
    assert result["changed"]
    assert "another cluster" in str(result["warnings"])
