"""Only whole answers are compared."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bench import health
from bench.tasks import Task, outcome
from lab.errors import LabError

TASK = Task("some.where.thing", {})


def facts(**health_facts: object) -> dict[str, Any]:
    return {"ansible_facts": {"pg_health": {"status": "ok", "unavailable": [], **health_facts}}}


def test_a_whole_answer_passes() -> None:
    health.refuse_gaps(facts())


def test_a_gap_is_named_with_its_reason() -> None:
    with pytest.raises(LabError, match=r"did not answer wal_directory.*permission denied"):
        health.refuse_gaps(facts(unavailable=[{"probe": "wal_directory", "reason": "permission denied"}]))


def test_a_server_that_is_down_is_not_measured() -> None:
    with pytest.raises(LabError, match="refused"):
        health.refuse_gaps(facts(status="down", findings=[{"message": "PostgreSQL refused the connection."}]))


def said(result: dict[str, Any]) -> str:
    duration = {"start": "2026-01-01T00:00:00.250000Z", "end": "2026-01-01T00:00:01.500000Z"}
    return json.dumps({"plays": [{"tasks": [{"task": {"duration": duration}, "hosts": {"node": result}}]}]})


def test_a_task_takes_from_its_start_to_its_end() -> None:
    done = outcome(TASK, said({"changed": False}), "")
    assert (done.seconds, done.result) == (1.25, {"changed": False})


@pytest.mark.parametrize("failure", ["failed", "unreachable"])
def test_a_failed_task_is_not_measured(failure: str) -> None:
    with pytest.raises(LabError, match=r"some.where.thing failed: no driver"):
        outcome(TASK, said({failure: True, "msg": "no driver"}), "")


@pytest.mark.parametrize("text", ["", "nonsense", "{}", '{"plays": []}'])
def test_ansible_without_a_result_is_told_in_one_sentence(text: str) -> None:
    with pytest.raises(LabError, match=r"could not be run: the last line$"):
        outcome(TASK, text, "first\nthe last line\n")


def test_the_packed_module_has_the_name_ansible_gives_it() -> None:
    assert TASK.packed_name == "AnsiballZ_thing.py"
