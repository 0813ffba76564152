"""What in an inventory is refused, each thing alone; and that a good one is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._cluster.hostvars import plain
from ansible_collections.runbook.postgres.plugins.module_utils._cluster.inventory import problems
from ansible_collections.runbook.postgres.plugins.module_utils._cluster.specs import known

Hosts = dict[str, dict[str, Any]]

TAKES = known(
    {
        "preflight": [{"options": {"postgres_cluster": {}, "postgres_hosts": {}, "postgres_first_primary": {}}}],
        "provision": [
            {"options": {"provision_port": {}, "provision_version": {}}},
            {"options": {"provision_packages": {}}},
        ],
        "tls": [{}],
    }
)
SHARED = {"postgres_poolers", "postgres_managed", "postgres_version", "postgres_address", "postgres_port"}


def good() -> Hosts:
    cluster = {
        "postgres_cluster": "orders",
        "postgres_hosts": ["db1", "db2"],
        "postgres_poolers": ["pool"],
        "postgres_first_primary": "db1",
    }
    return {
        "db1": {**cluster, "postgres_address": "10.0.0.1"},
        "db2": {**cluster, "postgres_address": "10.0.0.2", "provision_port": 5432, "health_anything": 1},
        "pool": dict(cluster),
    }


def judged(variables: Mapping[str, Any], name: str) -> Any:
    return variables[name] if name.startswith(("replication_", "provision_")) else None


def found(hosts: Hosts, play: list[str] | None = None) -> list[str]:
    chosen = play or [name for name in hosts if name != "outside"]
    return problems(chosen, plain(hosts, chosen, judged), TAKES.names | SHARED, TAKES.prefixes)


def other_cluster() -> dict[str, Any]:
    return {"postgres_cluster": "ledger", "postgres_hosts": ["outside"], "postgres_address": "10.0.0.9"}


def everywhere(name: str, value: Any) -> Hosts:
    return {host: {**variables, name: value} for host, variables in good().items()}


def at(host: str, **variables: Any) -> Hosts:
    hosts = good()
    hosts[host] = {**hosts[host], **variables}
    return hosts


BAD: list[tuple[str, Hosts, tuple[str, ...]]] = [
    ("a mistyped variable", at("db1", provision_prot=1), ("provision_prot (db1)", "did you mean provision_port?")),
    ("a variable nobody has", everywhere("tls_zzz", 1), ("tls_zzz (db1, db2 and pool)", "take it out")),
    ("a mistyped shared one", at("db1", postgres_hots=[]), ("did you mean postgres_hosts?",)),
    ("no cluster", at("db1", postgres_cluster=None), ("db1 belongs to no cluster",)),
    ("a cluster named like a path", everywhere("postgres_cluster", "../orders"), ("db1 is '../orders', which cannot",)),
    ("a cluster of two lines", everywhere("postgres_cluster", "a\nb"), ("db1 is 'a\\nb', which cannot",)),
    ("no hosts", at("db1", postgres_hosts=[]), ("db1 has no postgres_hosts",)),
    ("hosts as text", everywhere("postgres_hosts", "db1"), ("postgres_hosts of db1 is no list",)),
    ("a first primary elsewhere", everywhere("postgres_first_primary", "db11"), ("db11", "did you mean db1?")),
    ("two first primaries", at("db2", postgres_first_primary="db2"), ("db1 on db1 and pool; db2 on db2",)),
    ("two versions", at("db2", postgres_version=17), ("not set on db1 and pool; 17 on db2",)),
    ("two ports", at("db2", postgres_port=5433), ("5432 on db1 and pool; 5433 on db2",)),
    ("different members", at("db2", postgres_hosts=["db2"]), ("different postgres_hosts: db1 and db2 on",)),
    ("one that is not there", everywhere("postgres_hosts", ["db1", "db2", "db3"]), ("db3", "inventory lacks")),
    ("one named twice", everywhere("postgres_hosts", ["db1", "db2", "db1"]), ("db1 more than once",)),
    ("one address twice", at("db2", postgres_address="10.0.0.1"), ("db1 and db2 have the same address 10.0.0.1",)),
    (
        "no address of its own, beside one that has",
        {**good(), "db2": good()["pool"]},
        ("db2 has no postgres_address, which db1 has",),
    ),
    (
        "a version of the role alone",
        {name: {**host, "provision_version": 17} for name, host in good().items()},
        ("provision_version is 17 on db1 and db2, and postgres_version is not set: set postgres_version",),
    ),
    ("no address", at("db2", postgres_address=""), ("db2 has no address",)),
    ("every host's own address", at("db2", postgres_address="127.0.0.1"), ("db2 has the address 127.0.0.1",)),
    (
        "more standbys to wait for than there can be",
        everywhere("replication_synchronous", {"mode": "any", "count": 2}),
        ("replication_synchronous of cluster orders (db1, db2) has commits wait for 2 standbys and there can be 1",),
    ),
    (
        "standbys to wait for that are none",
        at("db2", replication_synchronous={"mode": "first", "standbys": ["db1", "db7"]}),
        ("(db2) names db7, which postgres_hosts does not",),
    ),
    ("a host that nobody lists", {**good(), "db3": dict(good()["pool"])}, ("db3 says that it belongs to",)),
    (
        "a host of two clusters",
        {**everywhere("postgres_hosts", ["db1", "db2", "outside"]), "outside": other_cluster()},
        ("outside is claimed by the clusters orders and ledger",),
    ),
]


@pytest.mark.parametrize(("hosts", "words"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_what_cannot_be_meant_is_told(hosts: Hosts, words: tuple[str, ...]) -> None:
    told = " ".join(found(hosts))
    assert [word for word in words if word not in told] == []


@pytest.mark.parametrize(("hosts", "words"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_each_is_told_as_a_sentence(hosts: Hosts, words: tuple[str, ...]) -> None:
    assert words
    for sentence in found(hosts):
        assert sentence[-1] in ".?"
        assert "\n" not in sentence


def test_standbys_that_nothing_waits_for_are_not_judged() -> None:
    assert found(everywhere("replication_synchronous", {"mode": "none", "standbys": ["db7"], "count": 9})) == []


def test_a_good_inventory_is_not_talked_about() -> None:
    assert found(good()) == []


def test_two_good_clusters_do_not_disturb_each_other() -> None:
    hosts = {**good(), "outside": other_cluster()}
    assert found(hosts, list(hosts)) == []


def test_what_is_said_in_one_place_may_be_what_is_meant_in_the_others() -> None:
    assert found(at("db2", postgres_port="5432")) == []


def test_part_of_a_cluster_is_enough() -> None:
    assert found(good(), ["db2"]) == []
    assert "provision_prot (db1)" in " ".join(found(at("db1", provision_prot=1), ["db2"]))


def test_a_lone_server_may_be_its_own_host() -> None:
    alone = {"postgres_cluster": "c", "postgres_hosts": ["localhost"], "postgres_first_primary": "localhost"}
    assert found({"localhost": alone}) == []


@pytest.mark.parametrize("said", [False, "false", "no"])
def test_who_is_not_looked_after_is_not_judged(said: object) -> None:
    assert found({**good(), "outside": {"postgres_managed": said, "postgres_port": 5433}}, [*good(), "outside"]) == []


@pytest.mark.parametrize("said", [None, True, "true"])
def test_who_is_looked_after_is_judged(said: object) -> None:
    told = found({**good(), "outside": {"postgres_managed": said}}, [*good(), "outside"])
    assert told[0].startswith("outside belongs to no cluster")


def test_what_roles_keep_for_themselves_is_theirs() -> None:
    assert found(at("db1", provision__packages=1)) == []


def test_values_that_do_not_matter_are_not_read() -> None:
    class Guarded(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            assert not name.endswith("password")
            return super().__getitem__(name)

    hosts = {"db1": Guarded(good()["db1"] | {"provision_password": "secret"})}
    assert plain(hosts, ["db1"], lambda _host, _name: None)["db1"]["provision_password"] is None
