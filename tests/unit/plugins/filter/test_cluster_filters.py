"""The filters of preflight as a template meets them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.runbook.postgres.plugins.filter import (
    cluster_seen,
    failover_plan,
    inventory_problems,
    restart_plan,
    standby_settings,
    switchover_plan,
    topology,
)
from ansible_collections.runbook.postgres.plugins.module_utils._cluster.hostvars import READ
from tests.unit.plugins.module_utils._cluster.nodes import bare, primary
from tests.unit.plugins.module_utils._failover import clusters

ROOT = Path(__file__).resolve().parents[4]
TOPOLOGY = topology.FilterModule().filters()["topology"]
SEEN = cluster_seen.FilterModule().filters()["cluster_seen"]
RESTART = restart_plan.FilterModule().filters()["restart_plan"]
STANDBY = standby_settings.FilterModule().filters()["standby_settings"]
SWITCHOVER = switchover_plan.FilterModule().filters()["switchover_plan"]
FAILOVER = failover_plan.FilterModule().filters()["failover_plan"]
PROBLEMS = inventory_problems.FilterModule().filters()["inventory_problems"]


def test_from_hosts_to_a_topology() -> None:
    hosts = {"a": {"pg_node": primary()}, "b": {"pg_node": bare()}}
    decided = TOPOLOGY(SEEN(hosts, ["a", "b"]))
    assert {name: node["task"] for name, node in decided["nodes"].items()} == {"a": "primary", "b": "clone"}


@pytest.mark.parametrize("given", [None, 5, [], {}, {"nodes": []}, {"nodes": {"a": "x"}}])
def test_what_is_no_cluster_is_refused_in_one_sentence(given: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="as its documentation shows") as refusal:
        TOPOLOGY(given)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("given", [None, 5, {"a": 5}])
def test_what_are_no_hosts_is_refused_in_one_sentence(given: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="pass hostvars"):
        SEEN(given, ["a"])
    with pytest.raises(AnsibleFilterError, match="pass hostvars"):
        PROBLEMS(given, ["a"])


def test_from_a_topology_to_a_switchover() -> None:
    hosts = {"a": {"pg_node": clusters.primary("b")}, "b": {"pg_node": clusters.streaming()}, "p": {"pg_node": None}}
    cluster = SEEN(hosts, ["a", "b"], ["p"], ["a", "b", "p"])
    refused = SWITCHOVER(cluster, TOPOLOGY(cluster), "", force="false")
    assert [each["code"] for each in refused["refusals"]] == ["pooler_unseen"]
    assert (refused["candidate"], refused["steps"]) == (None, [])
    forced = SWITCHOVER(cluster, TOPOLOGY(cluster), to="b", max_lag_bytes="0", force="yes")
    assert (forced["primary"], forced["candidate"], forced["loss_bytes"]) == ("a", "b", 0)
    assert forced["steps"][-1] == {
        "step": "verify",
        "node": "b",
        "sentence": "see that b alone takes writes and all others stream",
    }


def test_from_a_topology_to_a_switchover_through_patroni() -> None:
    kept = {"promoters": ["Patroni"]}
    hosts = {
        "a": {"pg_node": clusters.with_machine(clusters.primary("b"), **kept)},
        "b": {"pg_node": clusters.with_machine(clusters.streaming(), **kept)},
    }
    cluster = SEEN(hosts, ["a", "b"])
    decided = TOPOLOGY(cluster)
    assert [each["code"] for each in SWITCHOVER(cluster, decided)["refusals"]] == ["promoter_runs"] * 2
    # A task that was skipped, or could not look.
    assert [each["code"] for each in SWITCHOVER(cluster, decided, patroni={"a": {"skipped": True}})["refusals"]] == [
        "patroni_silent"
    ]
    told = {"leader": "a", "settings": {}, "members": [{"name": "b", "role": "replica", "state": "streaming"}]}
    done = SWITCHOVER(cluster, decided, to="b", patroni={"a": {"patroni": told}})
    assert [each["step"] for each in done["steps"]] == ["checkpoint", "ask", "verify"]
    with pytest.raises(AnsibleFilterError, match="something else than a cluster"):
        SWITCHOVER(cluster, decided, patroni=5)


def test_from_a_topology_to_a_failover_in_the_words_of_a_command_line() -> None:
    hosts = {"a": {"pg_node": None}, "b": {"pg_node": clusters.standby()}}
    cluster = SEEN(hosts, ["a", "b"])
    decided = TOPOLOGY(cluster)
    refused = FAILOVER(cluster, decided, allow_data_loss="false", force="true")
    assert [each["code"] for each in refused["refusals"]] == ["loss_unknown"]
    assert (refused["candidate"], refused["steps"], refused["fence"]) == (None, [], ["a"])
    reached = FAILOVER(cluster, decided, witnesses={"pool1": {"a": "yes"}}, allow_data_loss=True)
    assert [each["code"] for each in reached["refusals"]] == ["witness_reaches"]
    done = FAILOVER(cluster, decided, to="", timeline="1", fenced="a", promoting="yes", allow_data_loss="yes")
    assert (done["primary"], done["candidate"], done["fence"], done["loss_bytes"]) == ("a", "b", [], None)
    # What is neither yes nor no is no proof that nobody reaches it.
    with pytest.raises(AnsibleFilterError, match="yes or no as such"):
        FAILOVER(cluster, decided, witnesses={"pool1": {"a": "perhaps"}})


@pytest.mark.parametrize("given", [None, 5, {}, {"nodes": {"a": "x"}}])
def test_what_has_no_topology_is_refused_in_one_sentence(given: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="pass what cluster_seen and topology return"):
        SWITCHOVER(given, {})
    with pytest.raises(AnsibleFilterError, match="pass what cluster_seen and topology return"):
        FAILOVER(given, {})


def test_the_roles_say_which_variables_there_are() -> None:
    takes = inventory_problems.specified()
    assert {"postgres_cluster", "postgres_hosts", "preflight_other_sources"} <= takes.names
    assert {"postgres", "preflight"} <= takes.prefixes
    host = {"postgres_cluster": "c", "postgres_hosts": ["a"], "preflight_other_source": True}
    assert PROBLEMS({"a": host}, ["a"]) == [
        "Variable preflight_other_source (a) is none that the roles know: did you mean preflight_other_sources?"
    ]


def test_the_shared_variables_are_all_specified() -> None:
    """What this role reads, its specification has to name, or it would refuse its own inventory."""
    read = {*READ} - {"ansible_host"}
    options = yaml.safe_load((ROOT / "roles/preflight/meta/argument_specs.yml").read_text())["argument_specs"]["main"]
    assert read <= set(options["options"])


@pytest.mark.parametrize(
    ("allowed", "order"),
    [(False, []), ("false", []), ("no", []), ("0", []), ("perhaps", []), (True, ["a"]), ("true", ["a"])],
)
def test_a_primary_restarts_only_where_somebody_says_so(allowed: Any, order: list[str]) -> None:
    """Whatever the command line gives is a text."""
    waiting = {"shared_buffers": {"running": "16384", "wanted": "32768"}}
    hosts = {"a": {"cluster": "c", "seen": {"role": "primary", "waiting": waiting}, "instance": {"role": "primary"}}}
    assert RESTART(hosts, allow_primary=allowed)["order"] == order


def test_a_standby_keeps_what_its_primary_runs_with() -> None:
    wanted = {"max_connections": 60, "work_mem": "4MB"}
    assert STANDBY(wanted, {"max_connections": 70, "work_mem": 1}) == {"max_connections": 70, "work_mem": "4MB"}
    assert STANDBY(wanted, None) == wanted


@pytest.mark.parametrize("given", [None, 5, []])
def test_what_are_no_settings_is_refused_in_one_sentence(given: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="pass those that are wanted"):
        STANDBY(given, {})
