"""Commands of the user's, as real programs: the proof decides, whatever the command says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._fencing.command import Command


def made(tmp_path: Path, script: str, **more: Any) -> Command:
    """Its proof is that a file is there."""
    program = tmp_path / "power"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    given = {
        "host": "db1",
        "state": "fenced",
        "command": [str(program), "off; touch oops", str(tmp_path / "is off")],
        "proof": ["test", "-e", str(tmp_path / "is off")],
        "environment": {"TOKEN": "s3cret"},
        "timeout": 2,
        "hide_output": False,
    }
    return Command.of({**given, **more})


def carried_out(command: Command) -> bool:
    for change in command.plan(command.observe()).changes:
        command.take(change)
    return command.evidence(command.observe()).proven


def test_it_runs_once_with_its_secrets_and_no_shell(tmp_path: Path) -> None:
    command = made(tmp_path, 'echo "$1 $TOKEN" > "$2"')
    assert [change.sentence for change in command.plan(command.observe()).changes] == [
        f"run {tmp_path}/power, and wait for its proof"
    ]
    assert carried_out(command)
    assert (tmp_path / "is off").read_text() == "off; touch oops s3cret\n"
    assert command.plan(command.observe()).changes == ()


def test_its_proof_may_take_a_while(tmp_path: Path) -> None:
    assert carried_out(made(tmp_path, '(sleep 0.3; touch "$2") &', timeout=30))


def test_a_command_that_complains_after_it_worked_has_worked(tmp_path: Path) -> None:
    assert carried_out(made(tmp_path, 'touch "$2"; exit 3'))


def test_a_command_that_does_nothing_proves_nothing(tmp_path: Path) -> None:
    command = made(tmp_path, "exit 0", timeout=1)
    assert not carried_out(command)
    [sentence] = command.evidence(command.observe()).missing
    assert sentence.startswith("The proof that db1 is fenced does not succeed (test failed with exit code 1")


@pytest.mark.parametrize(
    ("script", "more", "words"),
    [
        ("echo no $TOKEN >&2; exit 4", {}, "exit code 4: no s3cret"),
        ("echo no $TOKEN >&2; exit 4", {"hide_output": True}, r"\(exit code 4, what it said is not shown\)"),
        ("sleep 30", {"timeout": 1, "hide_output": True}, "did not end within 1 s"),
        ("true", {"command": ["/nowhere/power"]}, "could not be started"),
    ],
)
def test_a_command_that_fails_is_told_with_what_may_be_told(
    tmp_path: Path, script: str, more: dict[str, Any], words: str
) -> None:
    with pytest.raises(ProgramFailed, match=words):
        carried_out(made(tmp_path, script, **more))


def test_a_proof_that_is_not_there_proves_nothing(tmp_path: Path) -> None:
    command = made(tmp_path, "true", proof=["/nowhere/is-off"])
    assert not command.observe().proven


@pytest.mark.parametrize("lacking", ["command", "proof"])
def test_both_are_needed(tmp_path: Path, lacking: str) -> None:
    with pytest.raises(Refused, match="give command and proof"):
        made(tmp_path, "true", **{lacking: []})
