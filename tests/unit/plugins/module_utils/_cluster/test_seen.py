"""What a run knows of a cluster's hosts, gathered."""

from __future__ import annotations

from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._cluster.seen import seen

NODE = {"instance": {"state": "absent"}}
SEEN = {"ansible_facts": {"pg_node": NODE}}


def gathered(hosts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return seen(hosts, ["a", "b"], ["p", "q"], ["a", "p"])


def test_hosts_of_the_play_and_members_looked_up_by_others() -> None:
    found = gathered({"a": {"preflight_seen": SEEN}, "b": {"pg_node": NODE}, "p": {"preflight_seen": SEEN}})
    assert found["nodes"] == {"a": NODE, "b": NODE}
    assert found["poolers"] == {"p": NODE}
    assert found["reasons"] == {}


def test_what_was_known_before_does_not_count() -> None:
    """Another play, or a run whose facts were kept, may have seen the host while it was still there."""
    gone = {"pg_node": NODE, "preflight_seen": {"unreachable": True, "msg": "Connection\n refused."}}
    # One that the play leaves out is told of in the same way.
    found = gathered({"a": gone, "b": gone})
    assert found["nodes"] == {"a": None, "b": None}
    assert found["reasons"] == dict.fromkeys("ab", "Connection refused")


def test_a_look_that_failed_is_none() -> None:
    found = gathered({"a": {"preflight_seen": {"failed": False, "msg": "no python"}}})
    assert found["nodes"]["a"] is None
    assert found["reasons"] == {"a": "no python"}


def test_addresses_and_upstreams() -> None:
    found = gathered({"a": {"ansible_host": "10.0.0.1"}, "b": {"replication_upstream": "a", "postgres_address": "x"}})
    assert found["addresses"] == {"a": "10.0.0.1", "b": "x"}
    assert found["upstreams"] == {"b": "a"}
    assert gathered({})["addresses"] == {"a": "a", "b": "b"}
