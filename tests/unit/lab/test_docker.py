"""A program that fails becomes one sentence."""

from __future__ import annotations

import pytest

from lab.docker import run
from lab.errors import LabError
from lab.waiting import wait_until


def test_failure_names_the_program_and_its_last_words() -> None:
    with pytest.raises(LabError, match=r"^'sh -c' failed with exit code 3: what went wrong$"):
        run(["sh", "-c", "echo first >&2; echo what went wrong >&2; exit 3"])


def test_a_missing_program_says_what_to_do() -> None:
    with pytest.raises(LabError, match="make lab"):
        run(["no-such-program-here"])


def test_a_program_that_hangs_is_given_up() -> None:
    with pytest.raises(LabError, match="did not finish"):
        run(["sleep", "5"], timeout=0.1)


def test_input_reaches_the_program() -> None:
    assert run(["cat"], input="secret").stdout == "secret"


def test_waiting_ends_with_what_was_awaited() -> None:
    with pytest.raises(LabError, match="in vain until the moon rises"):
        wait_until("the moon rises", lambda: False, bound=0.0, pause=0.0)
