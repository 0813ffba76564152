"""How far a run is: told to its owner, gone at the end, and nothing made up."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils import _progress
from ansible_collections.runbook.postgres.plugins.module_utils._progress import Progress

NAME = "shop-all-20260801T020000Z-0a1b2c"


def test_it_is_told_and_goes_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    progress = Progress(path, id=NAME)
    progress.tick("dump", lambda: (50.0, 200.0))
    told = json.loads(path.read_text())
    assert (told["id"], told["phase"], told["percent"], told["bytes"]) == (NAME, "dump", 25.0, 50)
    progress.tick("dump", lambda: (_ for _ in ()).throw(AssertionError("asked again at once")))
    progress.tick("checksum", lambda: (300.0, 200.0))
    assert json.loads(path.read_text())["percent"] == 99.9
    progress.tick("restore", lambda: (0.0, None))
    assert json.loads(path.read_text())["percent"] is None
    assert path.stat().st_mode & 0o777 == 0o600
    progress.end()
    progress.end()
    assert not path.exists()


def test_what_is_not_known_is_null(tmp_path: Path) -> None:
    with Progress(tmp_path / "p.json") as progress:
        progress.tick("check")
        told = json.loads((tmp_path / "p.json").read_text())
        assert {told[name] for name in ("percent", "bytes", "bytes_per_second", "seconds_left")} == {None}
    assert list(tmp_path.iterdir()) == []


def test_where_it_cannot_be_written_the_work_goes_on(tmp_path: Path) -> None:
    with Progress(tmp_path / "gone" / "p.json") as progress:
        progress.tick("load")
    with Progress(None) as progress:
        progress.tick("load", lambda: (_ for _ in ()).throw(AssertionError("asked for nobody")))


def test_a_rate_is_of_the_phase() -> None:
    told = _progress.figures(50.0, 200.0, 10.0)
    assert (told["bytes_per_second"], told["seconds_left"]) == (5, 30)
    assert _progress.figures(0.0, 200.0, 0.0)["seconds_left"] is None


def test_on_a_host_only_what_lives_is_told_and_the_rest_is_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_progress, "HOST", tmp_path / "state")
    mine = _progress.of_host("backup-one", stanza="one")
    mine.tick("backup")
    # No process has this number.
    dead = {"stanza": "one", "process": 1 << 30}
    (tmp_path / "state" / ".drill-15.progress.json").write_text(json.dumps(dead))
    (tmp_path / "state" / ".cut.progress.json").write_text("{")
    assert [each["process"] for each in _progress.told_on_host("one")] == [os.getpid()]
    assert _progress.told_on_host("two") == []
    _progress.clear_host()
    assert [each["process"] for each in _progress.told_in(tmp_path / "state")] == [os.getpid()]
