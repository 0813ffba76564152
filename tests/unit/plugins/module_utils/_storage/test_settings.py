"""Storage parameters as they are and as they should be."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._storage.settings import (
    Storage,
    plan_settings,
    wanted_settings,
)


def given(settings: dict[str, Any]) -> dict[str, Any]:
    return {"tables": [{"table": "t", "settings": settings}], "lock_timeout": 2.0, "retries": 8}


def differing(current: dict[str, str], settings: dict[str, Any]) -> dict[str, Any]:
    [(_, wanted)] = wanted_settings(given(settings))
    plan = plan_settings([Storage("public", "t", current)], wanted)
    assert plan.changed is (list(plan.before) != list(plan.after))
    return {name: value for step in plan.changes for name, value in step.settings.items()}


@pytest.mark.parametrize(
    ("current", "wanted"),
    [
        ({}, {}),
        ({"fillfactor": "90"}, {"fillfactor": 90}),
        ({"autovacuum_vacuum_scale_factor": "0.10"}, {"autovacuum_vacuum_scale_factor": 0.1}),
        ({"autovacuum_enabled": "off"}, {"autovacuum_enabled": False}),
        ({"autovacuum_enabled": "true"}, {"autovacuum_enabled": "on"}),
        ({"fillfactor": "90"}, {"autovacuum_enabled": None}),
    ],
)
def test_the_same_in_other_words_is_no_change(current: dict[str, str], wanted: dict[str, Any]) -> None:
    assert differing(current, wanted) == {}


def test_what_differs_is_set_and_null_takes_back() -> None:
    wanted = {"fillfactor": 80, "autovacuum_enabled": True, "toast.autovacuum_enabled": None}
    current = {"fillfactor": "90", "toast.autovacuum_enabled": "false", "parallel_workers": "2"}
    assert differing(current, wanted) == {
        "fillfactor": "80",
        "autovacuum_enabled": "true",
        "toast.autovacuum_enabled": None,
    }


@pytest.mark.parametrize("name", ["a b", "fillfactor)", "other.fillfactor", "", "Fillfactor"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="no name of a storage parameter"):
        wanted_settings(given({name: 1}))


def test_a_list_is_no_value() -> None:
    with pytest.raises(Refused, match="give it one"):
        wanted_settings(given({"fillfactor": [1, 2]}))
    with pytest.raises(Refused, match="lock_timeout"):
        wanted_settings({**given({}), "lock_timeout": 0.0})
