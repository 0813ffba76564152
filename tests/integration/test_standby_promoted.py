"""Standbys of one primary after one of them was promoted by hand, and commits that wait for them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lab.clusters import Cluster
from lab.waiting import wait_until
from tests.integration import inside
from tests.integration.standbys import Trio, standby

BOTH: dict[str, Any] = {"present": ["second", "third"]}


@pytest.fixture
def following(fresh: Trio) -> Iterator[Trio]:
    """Two standbys that stream, and afterwards a primary as it was, whatever happened to it."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: standby(fresh, name), ("second", "third")))
    yield fresh
    fresh.primary.node.exec(["rm", "-f", f"{fresh.primary.data_directory}/standby.signal"])
    fresh.primary.psql("ALTER SYSTEM RESET ALL", check=False)
    fresh.primary.restart()


def slots(cluster: Cluster, *, check: bool = False, **wanted: Any) -> inside.Ended:
    arguments = {"data_directory": cluster.data_directory, **wanted}
    return inside.run(cluster.node, "pg_slots", arguments, check=check, user="root")


def found(cluster: Cluster) -> dict[str, str]:
    sql = "SELECT slot_name, active, restart_lsn IS NOT NULL FROM pg_replication_slots"
    return {
        name: f"{active}{kept}" for name, active, kept in (row.split("|") for row in cluster.psql(sql).splitlines())
    }


FREE, KEEPS, USED = "ff", "ft", "tt"


def test_siblings_follow_whoever_was_promoted_and_slots_are_put_right(following: Trio) -> None:
    second, third = following.clusters["second"], following.clusters["third"]
    for cluster, others in ((second, ["first", "third"]), (third, ["first", "second"])):
        foreseen = slots(cluster, present=others, check=True).result
        done = slots(cluster, present=others).result
        assert done["steps"] == foreseen["steps"] == [f"make slot {name}" for name in others]
        assert not slots(cluster, present=others).result["changed"]
    assert found(following.primary) == {"second": USED, "third": USED}
    assert found(second) == {"first": FREE, "third": FREE}

    following.primary.stop()
    second.promote()
    second.psql("INSERT INTO kept VALUES (2)")
    wait_until("third follows second by itself", lambda: second.streaming_standbys() == ["third"], bound=60)
    wait_until("it has what was written", lambda: third.psql("SELECT max(n) FROM kept") == "2")
    assert found(second) == {"first": FREE, "third": USED}
    assert not slots(second, present=["first", "third"]).result["changed"]
    again = inside.run(third.node, "pg_standby", following.options("third"), user="root").result
    assert not again.get("changed"), again
    assert not again.get("failed"), again

    # The old primary comes back as a standby, made one by hand: it stopped before the other was promoted.
    first = following.primary
    first.node.exec(["install", "-o", "postgres", "/dev/null", f"{first.data_directory}/standby.signal"])
    wanted = {"primary_slot_name": "first", "cluster_name": "first"}
    for name, value in {**wanted, "primary_conninfo": second_conninfo(third)}.items():
        line = f"{name} = '{value}'"
        first.node.exec(["sh", "-c", f'echo "{line}" >> {first.data_directory}/postgresql.auto.conf'])
    first.start()
    wait_until("first follows as well", lambda: second.streaming_standbys() == ["first", "third"], bound=60)
    assert found(first) == {"second": KEEPS, "third": KEEPS}
    foreseen = slots(first, **BOTH, check=True).result
    done = slots(first, **BOTH, downstream=["third"]).result
    assert done["changed"]
    assert found(first) == {"second": FREE, "third": KEEPS}
    assert len(foreseen["steps"]) == 4
    assert "keeps WAL for nobody" in slots(first, **BOTH).result["steps"][0]
    assert found(first) == {"second": FREE, "third": FREE}


def second_conninfo(third: Cluster) -> str:
    """The same text as every other member's."""
    return third.psql("SHOW primary_conninfo")


def test_a_slot_of_a_living_member_is_left(following: Trio) -> None:
    sentence = slots(following.primary, absent=["third"]).failure
    assert "still streams from here" in sentence
    following.clusters["third"].stop()
    # Down for a while: what it needs is kept.
    assert not slots(following.primary, **BOTH).result["changed"]
    assert found(following.primary)["third"] == KEEPS
    assert slots(following.primary, present=["second"], absent=["third"]).result["changed"]
    assert found(following.primary) == {"second": USED}


def test_any_one_of_two_is_waited_for(following: Trio) -> None:
    primary = following.primary
    primary.psql('ALTER SYSTEM SET synchronous_standby_names = \'ANY 1 ("first", "second", "third")\'')
    primary.reload()
    sql = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'"
    wait_until("both count", lambda: primary.psql(sql) == "2")
    following.clusters["second"].stop()
    primary.psql("INSERT INTO kept VALUES (3)")
    following.clusters["third"].stop()
    argv = [
        "docker",
        "exec",
        "--user=postgres",
        primary.node.container,
        "psql",
        "-XAtqc",
        "INSERT INTO kept VALUES (4)",
    ]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as insert:
        with pytest.raises(subprocess.TimeoutExpired):
            insert.wait(3)
        following.clusters["second"].start()
        assert insert.wait(60) == 0
    assert following.clusters["second"].psql("SELECT max(n) FROM kept") == "4"
