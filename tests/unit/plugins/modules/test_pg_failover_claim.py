"""What a run hears of its claim: that it holds it, that somebody else does, or that nobody can tell."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.runbook.postgres.plugins.module_utils import _claim, _host_lock
from ansible_collections.runbook.postgres.plugins.modules import pg_failover_claim


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(_host_lock, "LOCKS", tmp_path)
    monkeypatch.setattr(_claim, "FILE", tmp_path / "claim.json")
    return tmp_path


def called(token: str, state: str = "taken", *, check: bool = False, **options: Any) -> dict[str, Any]:
    out = io.StringIO()
    arguments = {"token": token, "state": state, "_ansible_check_mode": check, **options}
    with patch_module_args(arguments), contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        pg_failover_claim.main()
    return dict(json.loads(out.getvalue()))


def test_from_the_first_word_to_the_last() -> None:
    assert called("one")["held"] is True
    assert "Another failover is under way" in called("other", check=True)["msg"]
    assert called("one", "renewed")["held"] is True
    assert called("one", "given_up")["held"] is False
    assert called("other", check=True)["held"] is True


def test_one_that_is_lost_says_that_it_is_not_held() -> None:
    lost = called("one", "renewed")
    assert (lost["failed"], lost["held"]) == (True, False)
    called("other")
    taken_over = called("one", "renewed")
    assert (taken_over["failed"], taken_over["held"]) == (True, False)
    assert "has taken over" in taken_over["msg"]


def test_a_dry_run_claims_nothing(place: Path) -> None:
    called("one", check=True)
    assert not (place / "claim.json").exists()


def test_a_claim_that_runs_out_between_two_tasks_is_refused() -> None:
    assert "seconds takes 10 or more" in called("one", seconds=5)["msg"]
