"""Who is decided to be what, as a table; and what holds whatever is found."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._cluster.topology import decide
from tests.unit.plugins.module_utils._cluster.nodes import (
    OTHER,
    bare,
    diskless,
    foreign,
    fork,
    node,
    primary,
    rewinding,
    silent,
    standby,
    stopped,
    streaming,
)

Nodes = dict[str, Any]

PROMOTED: dict[str, Any] = {"timeline": 2, "lsn": "0/6000000", "history": fork(1, "0/4000000")}
KEEPS_LITTLE = primary(oldest_wal="0/4000000")
LEFTOVER = node("empty", has_data=False, unfinished_basebackup=True)

TASKS: list[tuple[str, Nodes, dict[str, Any], str]] = [
    ("a first run", {"a": bare(), "b": bare(), "c": bare()}, {}, "bootstrap clone clone"),
    ("a first run that got as far as the data", {"a": stopped(), "b": bare(), "c": bare()}, {}, "primary clone clone"),
    (
        "a first run that got as far as the primary",
        {"a": primary(), "b": bare(), "c": LEFTOVER},
        {},
        "primary clone clone",
    ),
    ("a cluster in service", {"a": primary(), "b": standby(), "c": standby()}, {}, "primary standby standby"),
    ("a stopped standby", {"a": primary(), "b": stopped("standby"), "c": standby()}, {}, "primary standby standby"),
    ("one out of reach", {"a": primary(), "b": None, "c": standby()}, {}, "primary unknown standby"),
    ("a standby promoted, the old primary stopped", {"a": stopped(), "b": primary(**PROMOTED)}, {}, "refused primary"),
    (
        "the same, and it is named",
        {"a": stopped(), "b": primary(**PROMOTED)},
        {"rebuild": ["a"]},
        "rebuild primary",
    ),
    (
        "siblings before and beyond the fork",
        {"a": primary(**PROMOTED), "b": standby(1, "0/4000000"), "c": standby(1, "0/4000001")},
        {},
        "primary standby refused",
    ),
    (
        "a dead branch with a higher number",
        {"a": primary(**PROMOTED), "b": standby(3, "0/4500000", history=fork(1, "0/3000000"))},
        {},
        "primary refused",
    ),
    (
        "two promotions that took the same number",
        {"a": primary(**PROMOTED), "b": standby(2, "0/4500000", history=fork(1, "0/3000000"))},
        {},
        "primary refused",
    ),
    (
        "a standby past the primary, which streams",
        {"a": primary(lsn="0/1000000"), "b": streaming()},
        {},
        "primary standby",
    ),
    ("the same, and it does not", {"a": primary(lsn="0/1000000"), "b": standby()}, {}, "primary refused"),
    ("a good standby that is still named", {"a": primary(), "b": standby()}, {"rebuild": ["b"]}, "primary standby"),
    ("a foreign one that is named", {"a": primary(), "b": foreign()}, {"rebuild": ["b"]}, "primary rebuild"),
    ("data of another cluster", {"a": primary(), "b": standby(system_identifier=OTHER)}, {}, "primary refused"),
    ("another major version", {"a": primary(), "b": foreign()}, {}, "primary refused"),
    ("one that hangs", {"a": primary(), "b": silent()}, {}, "primary refused"),
    (
        "its WAL is gone",
        {"a": KEEPS_LITTLE, "b": standby(lsn="0/3000000", restores=False, awaits_wal=True)},
        {},
        "primary refused",
    ),
    (
        "the same, and it is named",
        {"a": KEEPS_LITTLE, "b": standby(lsn="0/3000000", restores=False, awaits_wal=True)},
        {"rebuild": ["b"]},
        "primary rebuild",
    ),
    (
        "it has not replayed all that it has",
        {"a": KEEPS_LITTLE, "b": standby(lsn="0/3000000", restores=False, awaits_wal=False)},
        {"rebuild": ["b"]},
        "primary standby",
    ),
    (
        "it gets it elsewhere",
        {"a": KEEPS_LITTLE, "b": standby(lsn="0/3000000", restores=True, awaits_wal=True)},
        {},
        "primary standby",
    ),
    (
        "it may have more than its files say",
        {"a": KEEPS_LITTLE, "b": stopped("standby", lsn="0/3000000")},
        {},
        "primary standby",
    ),
    (
        "the same, and it is named for rebuild",
        {"a": KEEPS_LITTLE, "b": stopped("standby", lsn="0/3000000")},
        {"rebuild": ["b"]},
        "primary standby",
    ),
    (
        "it streams already",
        {"a": KEEPS_LITTLE, "b": streaming(lsn="0/3000000", restores=False, awaits_wal=True)},
        {"rebuild": ["b"]},
        "primary standby",
    ),
    (
        "it is there still",
        {"a": KEEPS_LITTLE, "b": standby(lsn="0/4000000", restores=False, awaits_wal=True)},
        {"rebuild": ["b"]},
        "primary standby",
    ),
    (
        "the one it follows has it",
        {
            "a": KEEPS_LITTLE,
            "b": standby(lsn="0/3000000", restores=False, awaits_wal=True),
            "c": streaming(oldest_wal="0/2000000"),
        },
        {"upstreams": {"b": "c"}},
        "primary standby standby",
    ),
    (
        "one that somebody keeps stopped",
        {"a": primary(), "b": stopped("standby", start="manual")},
        {},
        "primary refused",
    ),
    ("the same, disabled", {"a": primary(), "b": stopped("standby", start="disabled")}, {}, "primary refused"),
    ("one that is only stopped", {"a": primary(), "b": stopped("standby", start="auto")}, {}, "primary standby"),
    ("one that is started by hand and runs", {"a": primary(), "b": standby(start="manual")}, {}, "primary standby"),
    (
        "one that was kept stopped and comes back",
        {"a": primary(), "b": stopped("standby", start="manual")},
        {"returning": ["b"]},
        "primary standby",
    ),
    (
        "one that was kept stopped and is named for rebuild",
        {"a": primary(), "b": stopped("standby", start="manual")},
        {"rebuild": ["b"]},
        "primary refused",
    ),
    (
        "one that was emptied after it was kept stopped",
        {"a": primary(), "b": node("empty", start="manual")},
        {},
        "primary clone",
    ),
    (
        "an old primary that is brought back",
        {"a": stopped(start="manual"), "b": primary(**PROMOTED)},
        {"rejoining": ["a"]},
        "standby primary",
    ),
    (
        "a standby that went another way and is brought back",
        {"a": primary(**PROMOTED), "b": stopped("standby", lsn="0/4000001")},
        {"rejoining": "b"},
        "primary standby",
    ),
    ("one that was killed in the middle of it", {"a": rewinding(), "b": primary(**PROMOTED)}, {}, "refused primary"),
    (
        "the same, and it is brought back",
        {"a": rewinding(), "b": primary(**PROMOTED)},
        {"rejoining": ["a"]},
        "standby primary",
    ),
    ("one that hangs is not brought back", {"a": primary(), "b": silent()}, {"rejoining": ["b"]}, "primary refused"),
    (
        "nor one of another cluster",
        {"a": primary(), "b": stopped(system_identifier=OTHER)},
        {"rejoining": ["b"]},
        "primary refused",
    ),
    ("nor one without data", {"a": primary(), "b": bare()}, {"rejoining": ["b"]}, "primary clone"),
    ("one without its disk", {"a": primary(), "b": diskless()}, {}, "primary refused"),
    ("the same, and it is named", {"a": primary(), "b": diskless()}, {"rebuild": ["b"]}, "primary refused"),
    ("a bare one that is named for rebuild", {"a": primary(), "b": bare()}, {"rebuild": ["b"]}, "primary clone"),
]


def cluster(nodes: Nodes, **more: Any) -> dict[str, Any]:
    return {"name": "orders", "first_primary": "a", "nodes": nodes, **more}


@pytest.mark.parametrize(("nodes", "more", "tasks"), [row[1:] for row in TASKS], ids=[row[0] for row in TASKS])
def test_each_node_has_its_task(nodes: Nodes, more: dict[str, Any], tasks: str) -> None:
    decided = decide(cluster(nodes, **more))
    assert decided["refusals"] == []
    assert " ".join(each["task"] for each in decided["nodes"].values()) == tasks
    refused = [each for each in decided["nodes"].values() if each["task"] in ("refused", "unknown")]
    assert all(each["refusal"] for each in refused)


REFUSALS: list[tuple[str, Nodes, dict[str, Any], tuple[str, ...]]] = [
    (
        "two primaries",
        {"a": primary(), "b": primary(**PROMOTED)},
        {},
        ("a (timeline 1, 0/5000000", "b (timeline 2, 0/6000000", "More than one primary", "runbook.postgres.rejoin"),
    ),
    (
        "two primaries, one of them named",
        {"a": primary(), "b": primary(**PROMOTED)},
        {"rebuild": ["a"]},
        ("More than one primary",),
    ),
    (
        "two primaries, one of which is to be brought back",
        {"a": primary(), "b": primary(**PROMOTED)},
        {"rejoining": ["a"]},
        ("More than one primary", "stop the other by hand"),
    ),
    (
        "the one to be brought back came out of a later promotion",
        {"a": primary(), "b": stopped(**PROMOTED)},
        {"rejoining": ["b"]},
        ("another server was promoted", "Stop a if the clients use the other one"),
    ),
    (
        "two clusters",
        {"a": primary(), "b": primary(system_identifier=OTHER)},
        {},
        ("Two clusters are listed as one", OTHER),
    ),
    (
        "two clusters that are stopped",
        {"a": stopped(), "b": stopped(system_identifier=OTHER)},
        {},
        ("different clusters", OTHER, "postgres_hosts"),
    ),
    (
        "the primary is gone",
        {"a": None, "b": standby(), "c": standby()},
        {},
        ("a could not be looked at", "b (timeline 1, 0/5000000"),
    ),
    (
        "nobody was promoted yet",
        {"a": stopped(lsn="0/5000000"), "b": standby(lsn="0/4000000")},
        {},
        ("a has the most advanced", "start it"),
    ),
    ("a standby is the furthest", {"a": stopped(), "b": standby(**PROMOTED)}, {}, ("b has the most", "promote it")),
    ("data is somewhere else than on the first", {"a": bare(), "b": stopped()}, {}, ("b has the most", "start it")),
    ("only a standby has data", {"a": stopped("standby"), "b": bare()}, {}, ("a has the most", "promote it")),
    (
        "a primary that somebody keeps stopped",
        {"a": stopped(start="manual"), "b": bare()},
        {},
        ("No primary is seen", "start.conf says manual", "if it may start"),
    ),
    ("another version, and no primary", {"a": bare(), "b": foreign()}, {}, ("b does not tell", "PostgreSQL 13")),
    ("one hangs, and no primary", {"a": silent(), "b": bare()}, {}, ("a does not tell",)),
    ("a disk is missing, and no primary", {"a": diskless(), "b": bare()}, {}, ("a lacks a disk", "mount it")),
    ("nothing to copy from", {"a": stopped()}, {"rebuild": ["a"]}, ("no primary to copy from",)),
    ("a first run without a choice", {"a": bare()}, {"first_primary": None}, ("postgres_first_primary",)),
    ("a first run with one out of reach", {"a": bare(), "b": None}, {}, ("b could not be looked at",)),
    ("the primary is named for rebuild", {"a": primary()}, {"rebuild": ["a"]}, ("its data would be lost",)),
    ("an old primary came back", {"a": primary(), "b": standby(**PROMOTED)}, {}, ("left it at 0/4000000", "Stop a")),
    ("an unknown first primary", {"a": bare()}, {"first_primary": "x"}, ("postgres_first_primary is x",)),
    ("an unknown name for rebuild", {"a": primary()}, {"rebuild": ["x"]}, ("replication_rebuild names x",)),
    ("an unknown upstream", {"a": primary(), "b": bare()}, {"upstreams": {"b": "x"}}, ("b is to follow x",)),
    (
        "a circle of upstreams",
        {"a": primary(), "b": bare(), "c": bare()},
        {"upstreams": {"b": "c", "c": "b"}},
        ("circle (b -> c -> b)",),
    ),
    ("names that clash", {"a": primary(), "Db.1": bare(), "db-1": bare()}, {}, ("Db.1 and db-1", "called db_1")),
    ("no members", {}, {"first_primary": None}, ("no hosts",)),
    (
        "no room for the first primary",
        {"a": node("absent", port=5432, port_taken_by="nginx"), "b": bare()},
        {},
        ("a has port 5432 in use by nginx",),
    ),
]


@pytest.mark.parametrize(("nodes", "more", "words"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
def test_the_cluster_is_refused(nodes: Nodes, more: dict[str, Any], words: tuple[str, ...]) -> None:
    decided = decide(cluster(nodes, **more))
    told = " ".join(decided["refusals"])
    assert [word for word in words if word not in told] == []
    assert {each["task"] for each in decided["nodes"].values()} <= {"refused", "unknown"}
    assert decided["bootstrap"] is False
    assert decided["read_hosts"] == []


def test_the_primary_and_its_data_are_named() -> None:
    decided = decide(cluster({"a": bare(), "b": primary(**PROMOTED)}))
    assert (decided["primary"], decided["bootstrap"], decided["timeline"]) == ("b", False, 2)
    assert decided["nodes"]["a"]["upstream"] == "b"
    assert decided["nodes"]["b"]["upstream"] is None


def test_a_cascade_follows_whom_it_is_told() -> None:
    nodes = {"a": primary(), "b": standby(), "c": bare()}
    decided = decide(cluster(nodes, upstreams={"c": "b", "a": "b"}))
    assert [each["upstream"] for each in decided["nodes"].values()] == [None, "a", "b"]


def test_who_will_serve_reads_is_known_before_it_does() -> None:
    """Else the pooler of a second run would differ from that of the first."""
    first = decide(cluster({"a": bare(), "b": bare(), "c": bare()}))
    second = decide(cluster({"a": primary(), "b": standby(), "c": standby()}))
    assert first["read_hosts"] == second["read_hosts"] == ["b", "c"]


def test_who_streams_is_told() -> None:
    nodes = {"a": primary(), "b": streaming(), "c": standby(), "d": bare(), "e": None, "f": stopped("standby")}
    told = {name: node["streams"] for name, node in decide(cluster(nodes))["nodes"].items()}
    assert told == {"a": False, "b": True, "c": False, "d": False, "e": False, "f": False}


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"machine": {"distribution": "alpine", "release": "3", "supported": False}}, "alpine 3"),
        ({"version": 17}, "no PostgreSQL 17"),
        ({"version": None}, "no version of PostgreSQL"),
        ({"instance": {**bare()["instance"], "port": 5433, "port_taken_by": "nginx"}}, "port 5433 in use by nginx"),
    ],
)
def test_an_unfit_host_stops_its_cluster(facts: dict[str, Any], words: str) -> None:
    decided = decide(cluster({"a": primary(), "b": {**bare(), **facts}, "c": bare()}))
    assert [words in sentence for sentence in decided["refusals"]] == [True]
    assert {each["task"] for each in decided["nodes"].values()} == {"refused"}
    assert decided["primary"] == "a"


def test_a_version_may_come_from_other_sources() -> None:
    decided = decide(cluster({"a": {**bare(), "version": 17}}, other_sources=True))
    assert decided["nodes"]["a"]["task"] == "bootstrap"


def test_poolers_are_looked_at_too() -> None:
    strange = {**bare(), "machine": {"distribution": "alpine", "release": "3", "supported": False}}
    decided = decide(cluster({"a": primary()}, poolers={"p": bare(), "q": strange, "r": None}))
    told = {name: each["refusal"] for name, each in decided["poolers"].items()}
    assert not told["p"]
    assert "alpine" in told["q"]
    assert "alpine" in decided["refusals"][0]
    assert "could not be looked at" in told["r"]


LSNS = st.integers(0, 9).map(lambda number: f"0/{number}000000")
HISTORIES = st.lists(
    st.builds(lambda timeline, lsn: {"timeline": timeline, "lsn": lsn}, st.integers(1, 3), LSNS), max_size=2
)
DATA: dict[str, st.SearchStrategy[Any]] = {
    "timeline": st.integers(1, 4),
    "lsn": LSNS,
    "history": HISTORIES,
    "system_identifier": st.sampled_from(["1", "1", "1", "2"]),
}
ANY_NODE = st.one_of(
    st.none(),
    st.builds(bare),
    st.just(LEFTOVER),
    st.builds(primary, **DATA),
    st.builds(standby, **DATA),
    st.builds(stopped, role=st.sampled_from(["primary", "standby"]), **DATA),
    st.builds(silent),
    st.builds(foreign),
    st.just(node("absent", port_taken_by="nginx")),
)
NAMES = ("a", "b", "c", "d")


@st.composite
def clusters(draw: st.DrawFn) -> dict[str, Any]:
    names = NAMES[: draw(st.integers(1, 4))]
    return cluster(
        {name: draw(ANY_NODE) for name in names},
        rebuild=draw(st.lists(st.sampled_from(names), unique=True, max_size=2)),
        upstreams=draw(st.dictionaries(st.sampled_from(names), st.sampled_from(names), max_size=2)),
    )


@given(clusters())
def test_whatever_is_found_nothing_is_lost(given_cluster: dict[str, Any]) -> None:
    decided = decide(given_cluster)
    nodes, found = decided["nodes"], given_cluster["nodes"]
    tasks = {name: each["task"] for name, each in nodes.items()}
    leading = [name for name, task in tasks.items() if task in ("primary", "bootstrap")]
    assert len(leading) == (0 if decided["refusals"] else 1)
    assert leading in ([], [decided["primary"]])
    for name, task in tasks.items():
        seen = found[name]
        has_data = seen is not None and seen["instance"]["has_data"]
        assert not (has_data and task in ("clone", "bootstrap")), "data would be overwritten"
        assert task != "rebuild" or name in given_cluster["rebuild"]
        assert (task in ("refused", "unknown")) or seen is not None
        assert task not in ("refused", "unknown") or nodes[name]["refusal"] or decided["refusals"]
    if decided["refusals"]:
        assert set(tasks.values()) <= {"refused", "unknown"}
    else:
        running = [name for name, seen in found.items() if seen and seen["instance"].get("role") == "primary"]
        others = [name for name in running if found[name]["instance"]["state"] == "running" and name != leading[0]]
        assert others == []


@given(clusters())
def test_a_bootstrap_needs_everybody_bare(given_cluster: dict[str, Any]) -> None:
    if decide(given_cluster)["bootstrap"]:
        assert all(seen is not None and not seen["instance"]["has_data"] for seen in given_cluster["nodes"].values())


@given(clusters())
def test_it_decides_the_same_whatever_the_order(given_cluster: dict[str, Any]) -> None:
    turned = {**given_cluster, "nodes": dict(reversed(given_cluster["nodes"].items()))}
    one, other = decide(given_cluster), decide(turned)
    assert one["nodes"] == other["nodes"]
    assert bool(one["refusals"]) == bool(other["refusals"])


def test_who_copies_from_one_that_joins_has_to_wait_for_it() -> None:
    found = {"a": primary(), "b": bare(), "c": bare(), "d": bare(), "e": standby()}
    decided = decide({"name": "shop", "nodes": found, "upstreams": {"b": "c", "d": "e", "e": "b"}})
    assert decided["joining"] == [["c", "d"], ["b"]]
    assert decide({"name": "shop", "nodes": {"a": primary(), "b": standby()}})["joining"] == []


def kept(facts: dict[str, Any]) -> dict[str, Any]:
    return {**facts, "machine": {**facts.get("machine", {}), "promoters": ["Patroni"]}}


def test_who_keeps_the_cluster_is_told() -> None:
    told = decide({"name": "c", "nodes": {"a": kept(primary()), "b": standby()}})
    assert told["keeper"] == "Patroni"
    assert told["refusals"] == []
    assert [each["task"] for each in told["nodes"].values()] == ["primary", "standby"]
    assert decide({"name": "c", "nodes": {"a": primary()}})["keeper"] is None


def test_nobody_joins_a_cluster_that_patroni_keeps() -> None:
    told = decide({"name": "c", "nodes": {"a": kept(primary()), "b": bare()}})
    assert told["nodes"]["b"]["task"] == "refused"
    assert "patroni_state=absent" in told["nodes"]["b"]["refusal"]


def test_a_primary_is_not_made_where_patroni_makes_one() -> None:
    told = decide({"name": "c", "nodes": {"a": kept(standby()), "b": standby()}})
    assert "makes one by itself" in told["refusals"][0]
