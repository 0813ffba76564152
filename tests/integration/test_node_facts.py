"""What a node is, asked on real ones while they go through what happens to a cluster, and what is decided from it.

Two nodes of each release live through one story; the tests look at what was seen on the way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._cluster.topology import decide
from lab.clusters import Cluster
from lab.images import release as shipped
from lab.nodes import Node
from lab.waiting import wait_until
from tests.integration import inside
from tests.integration.conftest import releases

Facts = Mapping[str, Any]
Seen = Mapping[str, Facts]
Story = Mapping[str, Seen]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "release" in metafunc.fixturenames:
        numbers = releases(metafunc.config)
        metafunc.parametrize("release", numbers, ids=[f"debian{number}" for number in numbers], scope="module")


def look(node: Node, *, check: bool = False, **options: Any) -> Facts:
    result = inside.run(node, "pg_node_facts", options, user="root", check=check).result
    assert not result.get("failed"), result
    assert result["changed"] is False
    assert list(result["ansible_facts"]) == ["pg_node"]
    return dict(result["ansible_facts"]["pg_node"])


def both(nodes: Mapping[str, Node], **options: Any) -> dict[str, Facts]:
    return {name: look(node, **options) for name, node in nodes.items()}


def decided(seen: Seen, **more: Any) -> dict[str, Any]:
    return decide({"name": "orders", "first_primary": "a", "nodes": seen, **more})


def tasks(seen: Seen, **more: Any) -> list[str]:
    found = decided(seen, **more)
    assert found["refusals"] == []
    return [node["task"] for node in found["nodes"].values()]


@contextlib.contextmanager
def listening(node: Node, port: int) -> Iterator[None]:
    """Another program on that port."""
    server = f"import socket, time; s = socket.create_server(('0.0.0.0', {port})); time.sleep(600)"
    node.exec(["systemd-run", "--quiet", "--unit=squatter", "/usr/bin/python3", "-c", server])
    wait_until("the port is taken", lambda: f":{port} " in node.exec(["ss", "-ltn"]).stdout)
    try:
        yield
    finally:
        node.exec(["systemctl", "stop", "squatter"])


@contextlib.contextmanager
def frozen(cluster: Cluster) -> Iterator[None]:
    """A server that keeps connections waiting."""
    pid = cluster.node.exec(["head", "-n", "1", f"{cluster.data_directory}/postmaster.pid"]).stdout.strip()
    cluster.node.exec(["kill", "-STOP", pid])
    try:
        yield
    finally:
        cluster.node.exec(["kill", "-CONT", pid])


@contextlib.contextmanager
def moved(node: Node, path: str) -> Iterator[None]:
    node.exec(["mv", path, f"{path}.away"])
    try:
        yield
    finally:
        node.exec(["mv", f"{path}.away", path])


@pytest.fixture(scope="module")
def nodes(release: int) -> Iterator[dict[str, Node]]:
    def start(name: str) -> Node:
        return Node.start(f"facts-{name}-{release}", release, bare=name == "bare")

    with ThreadPoolExecutor(max_workers=3) as pool:
        found = dict(zip(("a", "b", "bare"), pool.map(start, ("a", "b", "bare"))))
    for node in found.values():
        inside.install(node)
    yield found
    for node in found.values():
        node.stop()


@pytest.fixture(scope="module")
def story(nodes: dict[str, Node]) -> Story:
    seen: dict[str, Seen] = {
        "bare": {"a": look(nodes["bare"])},
        "machine": {"a": look(nodes["bare"], machine_only=True)},
    }
    nodes = {name: nodes[name] for name in ("a", "b")}
    seen["nothing made"] = both(nodes)
    with listening(nodes["a"], 5432):
        seen["port in use"] = both(nodes)
    primary = Cluster.create(nodes["a"])
    seen["one server"] = both(nodes)
    standby = primary.clone_standby(nodes["b"])
    seen["in service"] = both(nodes)
    seen["in check mode"] = both(nodes, check=True)
    seen["another version"] = both(nodes, version=9)
    seen["another place"] = both(nodes, data_directory="/srv/elsewhere")
    seen["another instance"] = both(nodes, instance="other")
    with frozen(primary):
        seen["the primary hangs"] = both(nodes)
    standby.stop()
    seen["the standby stopped"] = both(nodes)
    standby.start()
    primary.stop()
    seen["the primary stopped"] = both(nodes)
    standby.promote()
    seen["the standby promoted"] = both(nodes)
    primary.start()
    seen["both write"] = both(nodes)
    primary.stop()
    with moved(nodes["a"], primary.config_directory):
        seen["no configuration"] = both(nodes)
    with moved(nodes["a"], f"{primary.data_directory}/global/pg_control"):
        seen["no control file"] = both(nodes)
        nodes["a"].write(f"{primary.data_directory}/backup_label", "START WAL LOCATION", owner="postgres:postgres")
        seen["an unfinished backup"] = both(nodes)
    nodes["a"].exec(["rm", f"{primary.data_directory}/backup_label"])
    with moved(nodes["a"], primary.data_directory):
        seen["no data"] = both(nodes)
        nodes["a"].exec(["install", "-d", f"{primary.data_directory}/notes"])
        seen["something else"] = both(nodes)
        nodes["a"].exec(["rm", "-r", primary.data_directory])
        clone = f"{primary.data_directory}.clone"
        nodes["a"].exec(["install", "-d", clone])
        nodes["a"].write(f"{clone}/runbook.postgres-clone", "")
        seen["a clone of ours was cut off"] = both(nodes)
    return seen


def test_a_host_without_postgresql(story: Story, release: int) -> None:
    found = story["bare"]["a"]
    assert found["machine"]["distribution"] == "debian"
    assert found["machine"]["release"] == str(release)
    assert found["machine"]["supported"] is True
    assert found["machine"]["memory_bytes"] > 1 << 28
    assert found["machine"]["cores"] >= 1
    assert found["machine"]["disk_bytes"] > 1 << 28
    assert found["machine"]["addresses"]
    assert found["packages"]["versions_installed"] == []
    assert found["packages"]["version_offered"] == found["version"] == shipped(release).postgresql
    assert found["instance"]["state"] == "absent"
    assert tasks(story["bare"]) == ["bootstrap"]


def test_a_pooler_host_is_looked_at_as_a_machine(story: Story) -> None:
    found = story["machine"]["a"]
    # What is free changes from one look to the next.
    free = {"wal_free_bytes": found["machine"]["wal_free_bytes"]}
    assert found["machine"] == story["bare"]["a"]["machine"] | free
    assert found["packages"] is found["version"] is found["instance"] is None


def test_a_first_run(story: Story) -> None:
    assert tasks(story["nothing made"]) == ["bootstrap", "clone"]
    assert tasks(story["one server"]) == ["primary", "clone"]


def test_a_port_in_use(story: Story) -> None:
    found = story["port in use"]["a"]
    assert "python3" in found["instance"]["port_taken_by"]
    assert 5432 in [each["port"] for each in found["machine"]["listening"]]
    assert "port 5432 in use" in decided(story["port in use"])["refusals"][0]


def test_a_cluster_in_service(story: Story, release: int) -> None:
    a, b = (story["in service"][name]["instance"] for name in ("a", "b"))
    assert (a["state"], a["role"], b["state"], b["role"]) == ("running", "primary", "running", "standby")
    assert a["system_identifier"] == b["system_identifier"]
    assert (a["timeline"], b["timeline"]) == (1, 1)
    assert a["checksums"] is True
    assert a["streaming"] == [a["slots"][0]["name"]]
    assert a["slots"][0]["active"] is True
    assert b["upstream"]["status"] == "streaming"
    assert b["settings"]["max_connections"] == 100
    assert a["server_version_num"] // 10000 == shipped(release).postgresql
    assert (a["problem"], a["port_taken_by"], b["port_taken_by"]) == (None, None, None)
    assert tasks(story["in service"]) == ["primary", "standby"]
    assert decided(story["in service"])["read_hosts"] == ["b"]


def test_check_mode_sees_the_same(story: Story) -> None:
    real, check = story["in service"], story["in check mode"]
    moves = {"replay_lsn", "receive_lsn", "current_lsn"}
    for name in ("a", "b"):
        one, other = real[name]["instance"], check[name]["instance"]
        assert {key: one[key] for key in one.keys() - moves} == {key: other[key] for key in other.keys() - moves}


def test_other_wishes_than_what_is_there(story: Story) -> None:
    for name, words in (("another version", "pg_upgradecluster"), ("another place", "/var/lib/postgresql")):
        found = story[name]["a"]["instance"]
        assert found["state"] == "foreign"
        assert words in found["problem"]
        assert decided(story[name])["refusals"]
    other = story["another instance"]["a"]["instance"]
    assert (other["state"], bool(other["port_taken_by"])) == ("absent", True)


def test_a_server_that_hangs(story: Story) -> None:
    a = story["the primary hangs"]["a"]["instance"]
    assert (a["state"], a["role"]) == ("broken", None)
    assert a["system_identifier"] == story["in service"]["a"]["instance"]["system_identifier"]
    refusals = decided(story["the primary hangs"])["refusals"]
    assert "a does not tell who it is" in refusals[0]


def test_stopped_servers(story: Story) -> None:
    b = story["the standby stopped"]["b"]["instance"]
    assert (b["state"], b["role"], b["control_state"]) == ("stopped", "standby", "shut down in recovery")
    assert tasks(story["the standby stopped"]) == ["primary", "standby"]
    a = story["the primary stopped"]["a"]["instance"]
    assert (a["state"], a["role"], a["control_state"]) == ("stopped", "primary", "shut down")
    assert a["checksums"] is True
    assert "has the most advanced" in decided(story["the primary stopped"])["refusals"][0]


def test_a_promotion_by_hand_is_taken_as_it_is(story: Story) -> None:
    seen = story["the standby promoted"]
    b = seen["b"]["instance"]
    assert (b["role"], b["timeline"], [each["timeline"] for each in b["history"]]) == ("primary", 2, [1])
    found = decided(seen)
    assert (found["primary"], found["timeline"]) == ("b", 2)
    assert tasks(seen) == ["refused", "primary"]
    assert "former primary" in found["nodes"]["a"]["refusal"]
    assert "replication_rebuild" in found["nodes"]["a"]["refusal"]
    assert tasks(seen, rebuild=["a"]) == ["rebuild", "primary"]


def test_two_primaries(story: Story) -> None:
    found = decided(story["both write"])
    assert "More than one primary" in found["refusals"][0]
    assert "a (timeline 1" in found["refusals"][0]
    assert "b (timeline 2" in found["refusals"][0]
    assert {node["task"] for node in found["nodes"].values()} == {"refused"}


def test_half_an_instance(story: Story) -> None:
    without = story["no configuration"]["a"]["instance"]
    assert (without["state"], without["has_data"], without["role"]) == ("stopped", True, "primary")
    broken = story["no control file"]["a"]["instance"]
    assert broken["state"] == "broken"
    assert "cannot be read" in broken["problem"]
    empty = story["no data"]["a"]["instance"]
    assert (empty["state"], empty["has_data"]) == ("empty", False)
    assert tasks(story["no data"]) == ["clone", "primary"]


@pytest.mark.parametrize(
    ("name", "words"), [("an unfinished backup", "never finished"), ("something else", "no PostgreSQL data")]
)
def test_what_is_not_ours_is_left_alone(story: Story, name: str, words: str) -> None:
    found = story[name]["a"]["instance"]
    assert (found["state"], found["has_data"]) == ("foreign", True)
    assert words in found["problem"]
    assert tasks(story[name]) == ["refused", "primary"]


def test_a_clone_of_ours_is_made_again(story: Story) -> None:
    found = story["a clone of ours was cut off"]["a"]["instance"]
    assert (found["unfinished_basebackup"], found["has_data"]) == (True, False)
    assert tasks(story["a clone of ours was cut off"]) == ["clone", "primary"]
