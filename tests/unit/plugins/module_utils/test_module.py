"""The edge to Ansible: whatever happens inside, one result comes out, and failures are sentences."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.runbook.postgres.plugins.module_utils import _module
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused, Unreachable
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module

OPTIONS = {"colour": {"type": "str", "default": "red"}}
Body = Callable[[Module], None]
Run = Callable[[Body], dict[str, Any]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(body: Body) -> dict[str, Any]:
        with patch_module_args({"colour": "blue"}), pytest.raises(SystemExit), Module(OPTIONS) as module:
            body(module)
        printed: dict[str, Any] = json.loads(capsys.readouterr().out)
        return printed

    return run


def raising(error: BaseException) -> Body:
    def body(_module: Module) -> None:
        raise error

    return body


def test_what_is_reported_is_the_result(run: Run) -> None:
    result = run(lambda module: module.report(changed=True, colour=module.params["colour"]))
    assert (result["changed"], result["colour"], result.get("failed")) == (True, "blue", None)


def test_without_a_report_nothing_has_changed(run: Run) -> None:
    assert run(lambda _module: None)["changed"] is False


@pytest.mark.parametrize("kind", [Problem, Refused, Unreachable])
def test_a_problem_is_its_sentence(run: Run, kind: type[Problem]) -> None:
    result = run(raising(kind("The disk is full: free some.")))
    assert (result["failed"], result["msg"]) == (True, "The disk is full: free some.")
    assert "exception" not in result


def test_what_nobody_foresaw_is_a_sentence_that_says_where(run: Run) -> None:
    result = run(raising(ZeroDivisionError("division by zero")))
    assert result["failed"] is True
    assert "ZeroDivisionError at test_module.py:" in result["msg"]
    assert "division by zero" in result["msg"]
    assert "Traceback" not in json.dumps(result)
    assert "\n" not in result["msg"]


def test_being_stopped_is_not_a_result() -> None:
    with patch_module_args({}), pytest.raises(KeyboardInterrupt), Module(OPTIONS):
        raise KeyboardInterrupt


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_being_asked_to_end_cleans_up_and_is_told(run: Run, number: signal.Signals) -> None:
    cleaned = []

    def body(module: Module) -> None:
        module.report(changed=True, steps=["one"])
        try:
            with contextlib.suppress(Exception):
                signal.raise_signal(number)
        finally:
            # Whoever does not want to wait for that says so once more.
            signal.raise_signal(number)
            cleaned.append("all")

    result = run(body)
    assert cleaned == ["all"]
    assert f"ended by {number.name}" in result["msg"]
    assert (result["failed"], result["changed"], result["steps"]) == (True, True, ["one"])
    assert signal.getsignal(number) == signal.SIG_DFL


def test_what_was_to_be_ignored_is(run: Run) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert "failed" not in run(lambda _module: signal.raise_signal(signal.SIGHUP))
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_without_the_driver_the_run_says_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_module, "DRIVER_MISSING", "Traceback: no module named psycopg2")
    result = run(lambda module: module.report(changed=True))
    assert result["failed"] is True
    assert "psycopg2" in result["msg"]
    assert result["changed"] is False if "changed" in result else True


def test_a_module_that_needs_no_driver_runs_without_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_module, "DRIVER_MISSING", "Traceback: no module named psycopg2")
    with patch_module_args({}), pytest.raises(SystemExit), Module(OPTIONS, driver=False) as module:
        module.report(changed=True)
    assert json.loads(capsys.readouterr().out)["changed"] is True


def test_a_module_that_needs_it_for_some_of_what_it_does_says_so_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_module, "DRIVER_MISSING", "Traceback: no module named psycopg2")
    with patch_module_args({}), pytest.raises(SystemExit), Module(OPTIONS, driver=False) as module:
        module.require_driver()
    assert "psycopg2" in json.loads(capsys.readouterr().out)["msg"]
