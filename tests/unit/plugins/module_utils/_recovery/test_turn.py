"""Who comes second is told who is there, and at what."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils import _host_lock
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._recovery import turn as turns
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.turn import turn


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_host_lock, "LOCKS", tmp_path / "locks")
    monkeypatch.setattr(turns, "HOST", tmp_path)
    monkeypatch.setattr(turns, "_SECONDS", 0.0)
    progress = {
        "process": os.getpid(),
        "work": "recovery",
        "stanza": "orders",
        "target": "the end of the archive",
        "phase": "restore",
        "percent": 42.4,
    }
    (tmp_path / ".recovery-15-main.progress.json").write_text(json.dumps(progress))
    (tmp_path / ".backup-orders-1.progress.json").write_text(json.dumps({"process": 1}))


@pytest.mark.parametrize("check", [True, False])
def test_a_second_one_is_refused_with_what_the_first_is_at(*, check: bool) -> None:
    with (
        turn("15-main", "instance 15/main", check=False),
        pytest.raises(Refused) as refused,
        turn("15-main", "instance 15/main", check=check),
    ):
        pass
    process = f"process {os.getpid()}"
    assert refused.value.sentence == (
        f"Another run is at work on instance 15/main of this host ({process}, recovery of stanza orders, to the end of "
        "the archive, at restore, 42 % of it): run this again when it is through."
    )


def test_a_run_that_tells_nothing_of_itself_is_known_by_its_process(tmp_path: Path) -> None:
    (tmp_path / ".recovery-15-main.progress.json").unlink()
    with (
        turn("15-main", "it", check=False),
        pytest.raises(Refused, match=rf"\(process {os.getpid()}\)"),
        turn("15-main", "it", check=True),
    ):
        pass


def test_one_after_the_other_goes_on_and_looking_keeps_nobody_out() -> None:
    for check in (True, False, True, False):
        with turn("15-main", "it", check=check):
            pass
    with turn("15-main", "it", check=True), turn("15-main", "it", check=False):
        pass
