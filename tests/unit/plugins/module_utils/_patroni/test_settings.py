"""What becomes of the settings that Patroni keeps."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._patroni.settings import merged, plan_settings

FOUND = {"ttl": 30, "postgresql": {"use_slots": True, "parameters": {"max_connections": 100}}}
NESTED = st.recursive(
    st.none() | st.integers() | st.booleans(),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("wanted", "changed"),
    [
        ({}, False),
        ({"ttl": 30}, False),
        ({"ttl": "30"}, False),
        ({"postgresql": {"parameters": {"max_connections": "100"}}}, False),
        ({"pause": None}, False),
        ({"pause": True}, True),
        ({"ttl": None}, True),
        ({"postgresql": {"use_slots": False}}, True),
        ({"postgresql": {"parameters": {"max_connections": 60}}}, True),
    ],
)
def test_only_what_differs_is_a_change(wanted: dict[str, Any], changed: bool) -> None:
    assert plan_settings(FOUND, wanted).changed is changed


def test_what_is_not_named_stays_and_null_takes_away() -> None:
    after = merged(FOUND, {"ttl": None, "postgresql": {"parameters": {"wal_level": "replica"}}})
    assert after == {"postgresql": {"use_slots": True, "parameters": {"max_connections": 100, "wal_level": "replica"}}}


@given(st.dictionaries(st.sampled_from("abc"), NESTED), st.dictionaries(st.sampled_from("abc"), NESTED))
def test_a_second_time_changes_nothing(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert not plan_settings(merged(found, wanted), wanted).changed
