"""The module as Ansible calls it, with commands, which take no rights: what it does, foresees, refuses and tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from ansible_collections.runbook.postgres.plugins.modules import pg_fence
from tests.unit.plugins.modules.test_pg_hba import alike

Call = Callable[..., dict[str, Any]]


def test_each_option_is_documented_as_it_is() -> None:
    alike(yaml.safe_load(pg_fence.DOCUMENTATION)["options"], pg_fence.OPTIONS)


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    off = str(tmp_path / "is off")

    def call(**given: Any) -> dict[str, Any]:
        options = {
            "method": "command",
            "host": "db1",
            "command": ["touch", off],
            "proof": ["test", "-e", off],
            "timeout": 1,
            **given,
        }
        with patch_module_args(options), pytest.raises(SystemExit):
            pg_fence.main()
        told: dict[str, Any] = json.loads(capsys.readouterr().out)
        return told

    return call


def test_a_dry_run_says_what_the_run_then_does_and_again_nothing(call: Call, tmp_path: Path) -> None:
    check = call(_ansible_check_mode=True)
    assert (check["changed"], check["evidence"]["proven"], check["evidence"]["foreseen"]) == (True, False, True)
    assert not (tmp_path / "is off").exists()
    run = call()
    assert (run["changed"], run["steps"], run["diff"]) == (True, check["steps"], check["diff"])
    assert run["evidence"] == {
        "host": "db1",
        "method": "command",
        "state": "fenced",
        "proven": True,
        "foreseen": False,
        "missing": [],
        "proof_code": 0,
    }
    again = call()
    assert (again["changed"], again["steps"], again["evidence"]["proven"]) == (False, [], True)


def test_without_proof_it_fails_and_tells_what_it_did(call: Call) -> None:
    told = call(command=["true"])
    assert told["failed"]
    assert told["changed"]
    assert told["steps"] == ["run true, and wait for its proof"]
    assert told["evidence"]["proven"] is False
    assert told["msg"] == told["evidence"]["missing"][0]


def test_a_command_that_fails_has_been_run(call: Call) -> None:
    told = call(command=["false"])
    assert (told["failed"], told["changed"], told["evidence"]["proven"]) == (True, True, False)


def test_secrets_are_taken_out_of_what_is_told(call: Call) -> None:
    told = call(command=["sh", "-c", "echo $TOKEN >&2; exit 1"], environment={"TOKEN": "s3cr3t-value"})
    assert told["failed"]
    assert "s3cr3t-value" not in json.dumps(told)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"method": "stop"}, "version"),
        ({"method": "stop", "version": 1}, "This host has no instance 1/main"),
        ({"method": "stop", "version": 1, "instance": "a b"}, "cannot be a systemd unit"),
        ({"method": "block"}, "give addresses"),
        ({"proof": []}, "proof"),
    ],
)
def test_what_cannot_be_done_is_refused(call: Call, given: dict[str, Any], words: str) -> None:
    told = call(_ansible_check_mode=True, **given)
    assert told["failed"]
    assert words in told["msg"]
    assert not told.get("changed")
