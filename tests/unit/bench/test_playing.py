"""What a run of a playbook told a program."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bench.playing import document, ends, failures


def task(name: str, end: str | None, **hosts: dict[str, Any]) -> dict[str, Any]:
    duration = {"start": "2026-01-01T00:00:00Z"} | ({"end": end} if end else {})
    return {"task": {"name": name, "duration": duration}, "hosts": hosts}


TOLD = {
    "custom_stats": {},
    "plays": [
        {"tasks": [task("Decide", "2026-01-01T00:00:01.500000Z", a={}), task("Skip", None)]},
        {
            "tasks": [
                task("Decide", "2026-01-01T00:00:09Z", a={}),
                task("Act", "2026-01-01T00:00:10Z", a={"failed": True, "msg": "It is full."}, b={}),
                task("Act", "2026-01-01T00:00:11Z", c={"unreachable": True, "msg": "Nobody answers."}),
            ]
        },
    ],
}
SAID = "a warning {\n" + json.dumps(TOLD, indent=4)


def test_the_document_is_found_behind_whatever_else_was_said() -> None:
    assert document(SAID) == TOLD


@pytest.mark.parametrize("said", ["", "ERROR! no playbook", '{\n    "custom_stats": {'])
def test_without_one_there_is_nothing(said: str) -> None:
    assert document(said) == {}
    assert failures(said) == said


def test_a_task_has_the_end_of_its_first_one() -> None:
    found = ends(document(SAID))
    assert found.keys() == {"Decide", "Act"}
    assert found["Act"] - found["Decide"] == 8.5


def test_failures_are_told_by_host() -> None:
    assert failures(SAID) == "a: It is full.\nc: Nobody answers."
