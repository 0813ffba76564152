"""What is gathered of a fence from the hosts of a play."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.runbook.postgres.plugins.filter.fencing_told import FilterModule, fencing_told

SEEN: dict[str, Any] = {"preflight_seen": {"ansible_facts": {"pg_node": {}}}}


def result(host: str = "db1") -> dict[str, Any]:
    return {"evidence": {"host": host, "proven": True}}


def test_each_host_tells_of_its_share() -> None:
    hosts = {
        "db1": {**SEEN, "failover_stopped": result(), "failover_commanded": result()},
        "db2": {**SEEN, "failover_stopped": {"skipped": True}, "failover_blocked": result()},
    }
    told = FilterModule().filters()["fencing_told"](hosts, "db1", ["db2", "db1", "gone"], commanded=True)
    assert told == [
        {"on": "db1", "stop": result(), "command": result(), "block": {}},
        {"on": "db2", "stop": {"skipped": True}, "command": {}, "block": result()},
    ]


def test_that_nothing_could_be_done_is_told() -> None:
    """Of a host that was not reached, and where there is no command; a word that reads like true is none."""
    (told,) = fencing_told({"db1": {"preflight_seen": {"msg": "No route to host"}}}, "db1", commanded="true")
    assert told["stop"] == {"msg": "It could not be looked at (No route to host)."}
    assert told["command"] == {"msg": "failover_fence_command and failover_fence_proof are not set."}
    (told,) = fencing_told({"db1": {}}, "db1")
    assert "no reason given" in told["stop"]["msg"]


def test_what_a_command_proved_counts_also_where_only_its_host_has_one() -> None:
    (told,) = fencing_told({"db1": {**SEEN, "failover_commanded": result()}}, "db1")
    assert told["command"] == result()


def test_what_another_server_s_fence_left_tells_nothing() -> None:
    hosts = {"db1": {**SEEN, "failover_stopped": result("db2"), "failover_commanded": result("db2")}}
    assert fencing_told(hosts, "db1", commanded=True) == [{"on": "db1", "stop": {}, "command": {}, "block": {}}]


def test_something_else_is_refused_in_a_sentence() -> None:
    with pytest.raises(AnsibleFilterError, match="pass hostvars"):
        fencing_told({"db1": "gone"}, "db1")  # type: ignore[dict-item]
