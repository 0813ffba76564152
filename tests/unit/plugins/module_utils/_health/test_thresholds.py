"""The user's thresholds over the defaults: what is kept, what is switched off, what is refused and how."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._health.check import Check, Levels
from ansible_collections.runbook.postgres.plugins.module_utils._health.checks import CHECKS
from ansible_collections.runbook.postgres.plugins.module_utils._health.thresholds import merged


def check(name: str, levels: Levels, above: bool = True) -> Check:
    return Check(
        name=name, subset="tables", unit="rows", measure=lambda _observed: (), remedy="", levels=levels, above=above
    )


KNOWN = {
    "dead": check("dead", Levels(info=1, warning=10, critical=20, floor=3)),
    "cached": check("cached", Levels(warning=95, critical=90), above=False),
}


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ({}, Levels(1, 10, 20, 3)),
        (None, Levels(1, 10, 20, 3)),
        ({"warning": 15}, Levels(1, 15, 20, 3)),
        ({"warning": "15.5"}, Levels(1, 15.5, 20, 3)),
        ({"warning": None}, Levels(1, None, 20, 3)),
        ({"warning": ""}, Levels(1, None, 20, 3)),
        ({"info": None, "warning": None, "critical": None, "floor": None}, Levels()),
        ({"floor": 0}, Levels(1, 10, 20, 0)),
        ({"info": 20, "warning": 20}, Levels(20, 20, 20, 3)),
        ({"critical": 5, "warning": 4}, Levels(1, 4, 5, 3)),
        ({"critical": float("inf")}, Levels(1, 10, float("inf"), 3)),
    ],
)
def test_what_is_given_is_laid_over_the_defaults(override: Any, expected: Levels) -> None:
    levels = merged(KNOWN, {"dead": override})
    assert levels == {"dead": expected, "cached": Levels(warning=95, critical=90)}


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"ded": {"warning": 1}}, ["'ded'", "cached, dead"]),
        ({"ded": {}, "alive": {}}, ["'alive', 'ded'", "cached, dead"]),
        ({"dead": {"warn": 1}}, ["thresholds.dead", "'warn'", "info, warning, critical, floor"]),
        ({"dead": 5}, ["thresholds.dead is 5", "dictionary", "info, warning, critical, floor"]),
        ({"dead": [1]}, ["thresholds.dead is [1]", "dictionary"]),
        ({"dead": {"warning": "many"}}, ["thresholds.dead.warning is 'many'", "number (rows)", "null"]),
        ({"dead": {"warning": [1]}}, ["thresholds.dead.warning is [1]", "number (rows)"]),
        ({"dead": {"warning": float("nan")}}, ["thresholds.dead.warning is nan", "number (rows)"]),
        ({"dead": {"warning": True}}, ["thresholds.dead.warning is True", "number (rows)"]),
        ({"dead": {"floor": "low"}}, ["thresholds.dead.floor is 'low'"]),
        ({"dead": {"warning": 21}}, ["thresholds.dead", "warning at 21", "critical at 20", "more is worse"]),
        ({"dead": {"info": 11}}, ["info at 11", "warning at 10"]),
        ({"dead": {"info": 30, "warning": None}}, ["info at 30", "critical at 20"]),
        ({"cached": {"warning": 89}}, ["thresholds.cached", "warning at 89", "critical at 90", "less is worse"]),
        ({"cached": {"critical": 96}}, ["warning at 95", "critical at 96", "less is worse"]),
    ],
)
def test_a_refusal_names_what_is_wrong_and_what_is_right(overrides: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(Refused) as refusal:
        merged(KNOWN, overrides)
    for word in words:
        assert word in refusal.value.sentence
    assert refusal.value.sentence.endswith(".")


def test_every_default_makes_sense() -> None:
    assert merged(CHECKS, {}) == {name: each.levels for name, each in CHECKS.items()}


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_a_check_with_a_floor_says_what_it_counts(name: str) -> None:
    assert bool(CHECKS[name].floor_of) is (CHECKS[name].levels.floor is not None)
