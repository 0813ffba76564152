"""Whether one that is down may come up again, by what is known of the others."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.filter import recovery_obstacles
from ansible_collections.runbook.postgres.plugins.module_utils._cluster.reviving import obstacles
from tests.unit.plugins.module_utils._cluster.nodes import (
    OTHER,
    bare,
    diskless,
    foreign,
    fork,
    node,
    primary,
    silent,
    standby,
    stopped,
    streaming,
)

FILTER = recovery_obstacles.FilterModule().filters()["recovery_obstacles"]

# The member that is down, another one, who is primary, and what its refusal says.
CASES: list[tuple[str, Any, Any, str | None, str | None]] = [
    ("a standby that is there", stopped(), standby(), None, None),
    ("a primary", stopped(), primary(), "b", None),
    ("a primary of a later timeline", stopped(), primary(2, history=fork(1, "0/4000000")), "b", None),
    ("one that was not seen", stopped(), None, None, "could not be looked at (No route)"),
    ("one that does not tell", stopped(), silent(), None, "does not tell what it is"),
    (
        "promoted and stopped",
        stopped(),
        stopped("primary", 2, history=fork(1, "0/4000000")),
        None,
        "was promoted after",
    ),
    ("promoted, and again a standby", stopped(), standby(2, history=fork(1, "0/4000000")), None, "was promoted after"),
    ("two that were primaries", stopped(), stopped(), None, "would both come up as primaries"),
    ("promoted after the other", stopped("primary", 2, history=fork(1, "0/4000000")), stopped(), None, None),
    ("of another cluster", stopped(), stopped(system_identifier=OTHER), None, None),
    ("nothing there", stopped(), bare(), None, None),
    ("a disk is missing there", stopped(), diskless(), None, None),
    ("something else there", stopped(), foreign(), None, None),
    ("a stopped standby", stopped(), stopped("standby"), None, None),
    ("a standby comes beside nobody", stopped("standby"), None, None, None),
    ("a standby comes beside a primary", stopped("standby"), primary(), "b", None),
    ("it runs", primary(), None, None, None),
    ("it is starting", node("running", role=None), None, None, None),
    ("it is not there", bare(), None, None, "could not be looked at"),
    ("it was not seen", None, None, None, None),
]


@pytest.mark.parametrize(
    ("own", "other", "who", "words"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_one_other_member(own: Any, other: Any, who: str | None, words: str | None) -> None:
    found = obstacles("a", {"nodes": {"a": own, "b": other}, "reasons": {"b": "No route"}})
    assert found["primary"] == who
    assert len(found["refusals"]) == (words is not None)
    assert (words or "") in " ".join(found["refusals"])


@pytest.mark.parametrize("gone", [["b"], "b", "c,b"])
def test_who_is_known_to_be_off_need_not_be_seen(gone: Any) -> None:
    cluster = {"nodes": {"a": stopped(), "b": None}}
    assert FILTER(cluster, "a", gone=gone)["refusals"] == []
    assert "name it in server_recover_gone" in FILTER(cluster, "a")["refusals"][0]


@pytest.mark.parametrize("given", [None, 5, {}, {"nodes": {"b": None}}])
def test_what_is_no_cluster_is_refused_in_one_sentence(given: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="what cluster_seen makes"):
        FILTER(given, "a")


OTHERS = st.sampled_from(
    [None, bare(), primary(), primary(2, history=fork(1, "0/4000000")), standby(), streaming(), silent(), foreign(),
     stopped(), stopped("standby"), stopped("primary", 3), stopped(system_identifier=OTHER)]
)  # fmt: skip


@given(st.lists(OTHERS, max_size=4))
def test_there_are_never_two(others: list[Any]) -> None:
    """It comes up only beside members that were all seen and of which none is or would be a primary of its data."""
    nodes = {"a": stopped(), **{f"n{at}": each for at, each in enumerate(others)}}
    found = obstacles("a", {"nodes": nodes})
    if found["primary"] is None and not found["refusals"]:
        for each in others:
            instance = each["instance"]
            assert (instance["state"], instance.get("role")) != ("running", "primary")
            same = instance.get("system_identifier") == stopped()["instance"]["system_identifier"]
            assert not same or instance.get("role") == "standby"
