"""Calls pg_row_expiry as Ansible would, in this process, and reads what it wrote."""

from __future__ import annotations

import contextlib
import gzip
import importlib
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.testing import patch_module_args

from tests.integration.partitions import DATABASE, Partitions

MODULE = "ansible_collections.runbook.postgres.plugins.modules.pg_row_expiry"
# In the names of files: when the run was that wrote them, and a number that goes on within one second.
STAMP = re.compile(r"\d{8}T\d{6}Z-\d{6}")
TIMED = ("seconds", "longest_lock_wait_seconds", "waited_for_replicas_seconds", "cutoff")


@dataclass(frozen=True)
class Expiries:
    """Calls the module against one server's test database; archives lie in a directory of this host."""

    partitions: Partitions
    place: Path

    def wish(self, **options: Any) -> dict[str, Any]:
        """Everything of table t below 100 leaves, to an archive."""
        given = {"table": "t", "column": "k", "retention": "100", "on_expiry": "archive", **options}
        if given["on_expiry"] == "archive":
            given["archive"] = {"destination": str(self.place), **given.get("archive", {})}
        return given

    def __call__(
        self, *tables: Mapping[str, Any], check: bool = False, user: str = "postgres", **options: Any
    ) -> dict[str, Any]:
        """The result, also of a call that failed."""
        parameters = self.partitions.server.parameters(DATABASE, user)
        arguments = {
            "login_host": parameters["host"],
            "login_port": int(parameters["port"]),
            "login_user": user,
            "login_password": parameters["password"],
            "login_db": DATABASE,
            "tables": [dict(table) for table in tables],
            "retries": 1,
            **options,
            "_ansible_check_mode": check,
            "_ansible_diff": True,
        }
        out = io.StringIO()
        main = importlib.import_module(MODULE).main
        with patch_module_args(arguments), contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
            main()
        assert parameters["password"] not in out.getvalue()
        result = dict(json.loads(out.getvalue()))
        result.pop("invocation", None)
        return result

    def done(self, *tables: Mapping[str, Any], **options: Any) -> list[dict[str, Any]]:
        """What is told of each table by a run that check mode foretold, and whose repetition has nothing to do."""
        before = self.state()
        foretold = self(*tables, check=True, **options)
        assert not foretold.get("failed"), foretold
        assert self.state() == before, "check mode changed something"
        result = self(*tables, **options)
        assert not result.get("failed"), result
        assert result["changed"] == foretold["changed"]
        assert [comparable(each) for each in result["tables"]] == [comparable(each) for each in foretold["tables"]]
        assert [without_times(each) for each in result["diff"]] == [without_times(each) for each in foretold["diff"]]
        after = self.state()
        again = self(*tables, **options)
        assert again["changed"] is False, again
        assert self.state() == after, "the second run changed something"
        return list(result["tables"])

    def refused(self, *tables: Mapping[str, Any], **options: Any) -> str:
        """The sentence of a run that must be refused, alike in check mode, with nothing changed."""
        before = self.state()
        foretold = self(*tables, check=True, **options)
        result = self(*tables, **options)
        assert result.get("failed"), result
        assert foretold.get("msg") == result["msg"]
        assert not result.get("changed")
        assert self.state() == before
        return str(result["msg"])

    def state(self) -> tuple[Any, ...]:
        """Every row and every file."""
        tables = self.partitions.rows("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        rows = [self.partitions.rows(f'SELECT t::text FROM ONLY "{name}" AS t ORDER BY 1') for (name,) in tables]  # noqa: S608 - names of these tests
        return rows, self.contents()

    def contents(self) -> dict[str, bytes]:
        return {each.name: each.read_bytes() for each in self.place.iterdir()} if self.place.is_dir() else {}

    def files(self) -> list[Path]:
        """What somebody who looks takes for archives."""
        found = self.place.iterdir() if self.place.is_dir() else iter(())
        return sorted(each for each in found if not each.name.startswith(".") and not each.name.endswith(".json"))

    def manifests(self) -> list[dict[str, Any]]:
        return [dict(json.loads(Path(f"{each}.manifest.json").read_text())) for each in self.files()]

    def put_back(self, file: Path) -> None:
        """As the guide says: by the statement in the manifest."""
        told = json.loads(Path(f"{file}.manifest.json").read_text())
        content = gzip.decompress(file.read_bytes()) if told["compression"] == "gzip" else file.read_bytes()
        with self.partitions.connect() as cursor:
            cursor.copy_expert(told["copy"], io.BytesIO(content))

    def stored(self) -> list[int]:
        return [row[0] for row in self.partitions.rows("SELECT k FROM t ORDER BY 1")]


def comparable(told: Mapping[str, Any]) -> dict[str, Any]:
    """What check mode and the real run have to say alike."""
    return {
        **{key: value for key, value in told.items() if key not in TIMED},
        "files": [STAMP.sub("", each["file"]) for each in told["files"]],
    }


def without_times(diff: Mapping[str, str]) -> dict[str, str]:
    """Seconds have passed between the two, perhaps a minute."""
    return {
        name: STAMP.sub("", "\n".join(line.split(" is below ")[0] for line in text.split("\n")))
        for name, text in diff.items()
    }
