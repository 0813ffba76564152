"""Programs as somebody else, with text for their standard input and an environment of their own."""

from __future__ import annotations

import contextlib
import os
import pwd
import subprocess

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._command import Program, ProgramFailed, account, run
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="becoming somebody else takes root")


def test_text_is_standard_input() -> None:
    assert run(["cat"], 10, text="secret ü\n") == "secret ü\n"


def test_one_that_takes_no_more_of_what_it_is_fed_is_ended_in_time() -> None:
    program = Program(["sleep", "600"], subprocess.PIPE)
    try:
        with program.within(0.5), contextlib.suppress(BrokenPipeError):
            # More than a pipe holds.
            program.stdin.write(b"x" * (8 << 20))
        with pytest.raises(ProgramFailed, match="sleep did not end within 0 s and was killed"):
            program.finish(10)
    finally:
        program.end()


def test_one_that_is_through_in_time_is_let_be() -> None:
    program = Program(["cat"], subprocess.PIPE)
    try:
        with program.within(600):
            program.stdin.write(b"x")
            program.stdin.close()
            program.finish(600)
    finally:
        program.end()


def test_the_environment_is_added_to_and_taken_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "elsewhere")
    assert run(["sh", "-c", "echo $PGHOST.$A"], 10, environment={"A": "b", "PGHOST": None}) == ".b\n"


def test_a_failure_keeps_its_code_and_last_words() -> None:
    with pytest.raises(ProgramFailed) as failure:
        run(["sh", "-c", "echo no such thing >&2; exit 3"], 10)
    assert (failure.value.code, failure.value.words) == (3, "no such thing")


def test_the_reason_is_told_and_not_the_long_statement_that_failed_for_it() -> None:
    words = f"sh: error: no room\nCommand was: CREATE VIEW v AS\nSELECT 1\n{'more ' * 1000}\n\nsh: error: one died\n"
    with pytest.raises(ProgramFailed) as failure:
        run(["sh", "-c", "cat >&2; exit 1"], 10, text=words)
    assert failure.value.words == "sh: error: no room / sh: error: one died"
    assert failure.value.told == "sh: error: no room\nsh: error: one died"


@ROOT
def test_a_program_of_somebody_else_has_their_rights_only() -> None:
    nobody = account("nobody", "base-passwd")
    assert run(["sh", "-c", "id -un; pwd; echo $HOME"], 10, become=nobody).splitlines() == [
        "nobody",
        "/",
        pwd.getpwnam("nobody").pw_dir,
    ]


def test_who_is_that_user_already_becomes_nobody() -> None:
    assert account(pwd.getpwuid(os.geteuid()).pw_name, "x") is None


def test_a_user_who_is_not_there_is_named_with_the_package() -> None:
    with pytest.raises(Refused, match="no user no-such-one: install package some-package"):
        account("no-such-one", "some-package")


def test_without_root_nobody_becomes_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(Refused, match="become: true"):
        account("nobody", "base-passwd")
