"""How far a restore is, and where that is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from ansible_collections.runbook.postgres.plugins.module_utils._backup import place as places
from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import SCHEMA
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore import watch
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Unreachable
from ansible_collections.runbook.postgres.plugins.module_utils._progress import Progress
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session

from ..backups import manifest

HOSTILE = "../sh\"op\n%s; --'ü"


class Server:
    """It says how large the database is."""

    def __init__(self, *sizes: int) -> None:
        self._sizes = list(sizes)

    def fetch(self, query: str, values: dict[str, Any]) -> list[dict[str, int]]:
        assert (query, values) == (watch.SIZE, {"name": HOSTILE})
        if not self._sizes:
            raise Unreachable("The server is gone.")
        return [{"bytes": self._sizes.pop(0)}]


def test_a_file_of_its_own_for_each_target_whatever_it_is_called(tmp_path: Path) -> None:
    for target in (HOSTILE, "shop", "sho-p"):
        with watch.of_restore(tmp_path, manifest(), target, "7") as progress:
            progress.tick("load")
            [path] = tmp_path.iterdir()
            assert path.name.startswith(".restore-")
            assert path.name.isascii()
            assert json.loads(path.read_text())["target"] == target
            # A backup that is taken beside it takes it for nobody's leftover.
            assert places.leftovers(tmp_path, "shop") == []
        assert list(tmp_path.iterdir()) == []


def test_a_database_grows_towards_what_it_was() -> None:
    told = manifest()
    told = replace(told, origin=replace(told.origin, bytes=108))
    grown = watch.growth(cast(Session, Server(8, 58)), HOSTILE, told)
    assert [grown(), grown(), grown()] == [(0, 100), (50, 100), (None, None)]
    alone = watch.growth(cast(Session, Server(8)), HOSTILE, replace(told, content=SCHEMA))
    assert alone() == (0, None)


def test_single_tables_are_counted_by_rows() -> None:
    class Heard(Progress):
        def tick(self, phase: str, measure: Any = None) -> None:
            heard.append((phase, measure()))

    heard: list[Any] = []
    parts = [b"1\ta\n2\tb\n", b"3\tc\n", b""]
    read = watch.Rows(Heard(None), 6).through(lambda _: parts.pop(0))
    assert [read(9) for _ in range(3)] == [b"1\ta\n2\tb\n", b"3\tc\n", b""]
    assert heard == [("load", (8, 24)), ("load", (12, 24)), ("load", (12, 24))]
