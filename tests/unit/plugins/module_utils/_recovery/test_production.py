"""Whether what is recovered takes production's place: no two servers archive as one cluster."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.filter.production_place import production_place
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.production import verdict

SERVES = {"state": "running", "role": "primary"}
FOLLOWS = {"state": "running", "role": "standby"}
DOWN = {"state": "stopped", "role": "primary"}
MUTE = {"state": "running", "role": None}


@pytest.mark.parametrize(
    ("here", "others", "said", "archives", "why"),
    [
        ("a", {}, None, True, "since no other server of the cluster serves"),
        ("a", {"b": FOLLOWS, "c": DOWN}, None, True, "since no other server of the cluster serves"),
        # It is asked of each, since one that was recovered beside production is a primary as well.
        ("a", {"b": SERVES, "c": None}, None, False, "since b serves as the cluster's primary"),
        ("x", {"b": FOLLOWS}, None, False, "since x is none of the cluster's servers"),
        ("x", {"b": None}, True, True, "as pitr_archives says"),
        ("a", {"b": None}, False, False, "as pitr_archives says"),
    ],
)
def test_what_takes_the_place_of_production_archives(
    here: str, others: dict[str, Any], said: bool | None, why: str, *, archives: bool
) -> None:
    found = verdict(here, ["a", *others], others, "pitr_archives", said)
    assert (found.archives, found.why, found.refusal) == (archives, why, None)


@pytest.mark.parametrize("unknown", [None, MUTE, {"state": "broken", "role": "standby"}])
def test_nobody_guesses_what_one_that_does_not_answer_is(unknown: dict[str, Any] | None) -> None:
    found = verdict("a", ["a", "b", "c"], {"b": unknown, "c": FOLLOWS}, "pitr_archives", None)
    assert not found.archives
    assert str(found.refusal).startswith("b did not say whether it serves")
    assert "pitr_archives=true where a takes its place for good" in str(found.refusal)


def test_the_filter_reads_what_the_hosts_said() -> None:
    told = {"preflight_seen": {"ansible_facts": {"pg_node": {"instance": SERVES}}}}
    hosts: dict[str, dict[str, Any]] = {"a": {}, "b": told, "c": {"preflight_seen": {"unreachable": True}}}
    assert production_place(hosts, ["a", "b", "c"], "a", "o")["why"] == "since b serves as the cluster's primary"
    for others in (["c"], ["not in the inventory"]):
        assert "did not say" in production_place(hosts, ["a", *others], "a", "o")["refusal"]
    assert production_place(hosts, ["a", "c"], "a", "o", "true")["archives"]
    assert not production_place(hosts, ["a"], "a", "o", False)["archives"]
