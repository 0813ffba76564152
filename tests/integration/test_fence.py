"""Fencing on a primary and two standbys: who can no longer be reached or started, by what, and how it is undone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import networks
from lab.checkout import ROOT
from lab.clusters import Cluster
from lab.docker import docker
from lab.errors import LabError
from lab.nodes import Node
from lab.waiting import wait_until
from tests.integration import inside
from tests.integration.converge import Converged, converge, host_variables
from tests.integration.inside import Interrupt

NAMES = ("fence1", "fence2", "fence3")
OLD, NEAR, FAR = NAMES
SETTINGS = {"max_connections": 40, "shared_buffers": "32MB", "wal_retrieve_retry_interval": "200ms"}
FIRST_ADDRESS = 51
SIX = "2001:db8::77"
# A table of somebody else's.
THEIRS = "table inet theirs {\n  chain input {\n    type filter hook input priority 0; policy accept;\n  }\n}\n"
NOWHERE = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9}


@dataclass(frozen=True)
class Trio:
    clusters: Mapping[str, Cluster]

    @property
    def old(self) -> Cluster:
        return self.clusters[OLD]

    def fence(self, name: str, *, die: Interrupt | None = None, check: bool = False, **options: Any) -> inside.Ended:
        options = {"host": OLD, **options}
        return inside.run(self.clusters[name].node, "pg_fence", options, check=check, die=die, user="root")

    def stop(self, **options: Any) -> inside.Ended:
        return self.fence(OLD, method="stop", version=self.old.version, **options)

    def block(self, **options: Any) -> inside.Ended:
        return self.fence(NEAR, method="block", addresses=[self.old.node.ip, SIX], **options)

    def reaches(self, name: str, target: str = OLD) -> bool:
        """Whether a client on that node gets an answer of a server, the old primary unless said."""
        argv = ["pg_isready", "-q", "-t", "2", "-h", self.clusters[target].node.ip]
        return self.clusters[name].node.exec(argv, check=False).returncode == 0

    def follows(self, name: str) -> bool:
        """Whether what is written on the old primary from now on comes to that standby."""
        mark = self.old.psql("SELECT pg_logical_emit_message(false, 'fence', 'x'); SELECT pg_current_wal_lsn()")
        came = f"SELECT pg_last_wal_receive_lsn() >= '{mark.splitlines()[-1]}'"
        try:
            wait_until("it came", lambda: self.clusters[name].psql(came) == "t", bound=5)
        except LabError:
            return False
        return True


def made(ended: inside.Ended) -> dict[str, Any]:
    assert not ended.result.get("failed"), ended.result.get("msg", ended.text)
    return dict(ended.result)


def reboot(node: Node) -> None:
    docker("restart", "--time=5", node.container)
    node.wait_until_booted()


def start(name: str, debian: int) -> Node:
    """With an address of its own, which nobody else gets while it boots again."""
    number = FIRST_ADDRESS + NAMES.index(name)
    return Node.start(name, debian, network=networks.ensure(), ip=networks.address(number))


@pytest.fixture(scope="module")
def trio(request: pytest.FixtureRequest) -> Iterator[Trio]:
    try:
        with ThreadPoolExecutor(3) as pool:
            nodes = list(pool.map(lambda name: start(name, request.param), NAMES))
            list(pool.map(inside.install, nodes))
        primary = Cluster.create(nodes[0], settings=SETTINGS)
        standbys = [primary.clone_standby(node, settings=SETTINGS) for node in nodes[1:]]
        yield Trio(dict(zip(NAMES, [primary, *standbys])))
    finally:
        for name in NAMES:
            Node.remove(name)


@pytest.fixture(scope="module")
def filtered(trio: Trio) -> Trio:
    """With the packet filter's program on one node, and a table of somebody else's."""
    node = trio.clusters[NEAR].node
    node.exec(["apt-get", "update", "-q"])
    node.exec(["apt-get", "install", "-q", "-y", "--no-install-recommends", "nftables"])
    node.exec(["nft", "-f", "-"], input=THEIRS)
    return trio


def tables(node: Node) -> list[str]:
    return node.exec(["nft", "list", "tables"]).stdout.splitlines()


def test_a_block_cuts_both_ways_lasts_and_goes_without_a_trace(filtered: Trio) -> None:
    trio, node = filtered, filtered.clusters[NEAR].node
    theirs = node.exec(["nft", "list", "table", "inet", "theirs"]).stdout
    foreseen = made(trio.block(check=True))
    assert (foreseen["changed"], foreseen["evidence"]["proven"]) == (True, False)
    assert "table inet runbook_fence" not in tables(node)
    assert trio.reaches(NEAR)

    done = made(trio.block())
    assert (done["steps"], done["diff"]) == (foreseen["steps"], foreseen["diff"])
    assert done["evidence"]["tried"] == {trio.old.node.ip: None, SIX: None}
    assert trio.reaches(FAR)
    assert trio.follows(FAR)
    assert not trio.reaches(NEAR)
    assert not trio.follows(NEAR)
    # The other way as well.
    assert not trio.reaches(OLD, NEAR)
    assert trio.reaches(OLD, FAR)
    again = made(trio.block())
    assert (again["changed"], again["evidence"]["proven"]) == (False, True)

    # What belongs to somebody else may be emptied and loaded again.
    for verb in ("restart", "reload"):
        node.exec(["systemctl", verb, "nftables"])
        # systemctl waits for the one unit it was given.
        wait_until("it is there again", lambda: "table inet runbook_fence" in tables(node))
    assert not made(trio.block())["changed"]
    reboot(node)
    assert not made(trio.block())["changed"]
    assert not trio.reaches(NEAR)

    node.exec(["nft", "-f", "-"], input=THEIRS)
    assert made(trio.block(state="released"))["changed"]
    assert not made(trio.block(state="released"))["changed"]
    assert node.exec(["nft", "list", "table", "inet", "theirs"]).stdout == theirs
    assert "table inet runbook_fence" not in tables(node)
    assert node.exec(["sh", "-c", "ls /etc/*fence* /etc/systemd/system/*fence* || true"]).stdout == ""
    assert trio.reaches(NEAR)
    wait_until("it streams again", lambda: trio.follows(NEAR))


def test_what_a_host_is_itself_is_not_cut_off(filtered: Trio) -> None:
    own = filtered.fence(NEAR, method="block", addresses=[filtered.clusters[NEAR].node.ip])
    assert "this host's own address" in own.failure
    assert "table inet runbook_fence" not in tables(filtered.clusters[NEAR].node)


def starts(cluster: Cluster) -> list[str]:
    """Each way to start it, by whoever may; what came of them is looked at afterwards."""
    node, words = cluster.node, [str(cluster.version), cluster.name, "start"]
    node.exec(["systemctl", "start", "postgresql"])
    tried = [
        node.exec(["systemctl", "start", cluster.unit], check=False),
        node.exec(["pg_ctlcluster", *words], check=False),
        node.exec(["pg_ctlcluster", *words], user="postgres", check=False),
        node.exec(["pg_ctlcluster", "--skip-systemctl-redirect", *words], check=False),
    ]
    assert all(each.returncode for each in tried), tried
    return processes(cluster)


def processes(cluster: Cluster) -> list[str]:
    return cluster.node.exec(["pgrep", "-x", "postgres"], check=False).stdout.split()


def kept(cluster: Cluster) -> tuple[str, ...]:
    """How it is kept from starting, as its tools see it."""
    node = cluster.node
    start = node.exec(["cat", f"{cluster.config_directory}/start.conf"]).stdout
    loaded = node.exec(["systemctl", "show", "--property=LoadState,UnitFileState", cluster.unit]).stdout
    return start, loaded, node.exec(["ls", "/etc/postgresql-common"]).stdout


def test_a_stopped_server_is_not_brought_back_by_anything(trio: Trio) -> None:
    before = kept(trio.old)
    foreseen = made(trio.stop(check=True))
    assert (foreseen["changed"], foreseen["evidence"]["proven"]) == (True, False)
    assert trio.reaches(FAR)

    done = made(trio.stop())
    assert (done["steps"], done["diff"]) == (foreseen["steps"], foreseen["diff"])
    assert done["evidence"]["proven"] is True
    assert starts(trio.old) == []
    reboot(trio.old.node)
    assert starts(trio.old) == []
    assert not trio.reaches(FAR)
    again = made(trio.stop())
    assert (again["changed"], again["evidence"]["proven"]) == (False, True)
    # It was stopped in order.
    argv = [f"/usr/lib/postgresql/{trio.old.version}/bin/pg_controldata", trio.old.data_directory]
    assert "shut down\n" in trio.old.node.exec(argv).stdout

    assert made(trio.stop(state="released"))["changed"]
    assert not made(trio.stop(state="released"))["changed"]
    assert kept(trio.old) == before
    assert processes(trio.old) == []
    trio.old.start()
    wait_until("they stream again", lambda: len(trio.old.streaming_standbys()) == 2)


def test_a_server_beside_systemd_is_found_by_its_own_port_and_stopped(trio: Trio) -> None:
    """Started by hand, on another port than its files say by now."""
    cluster = trio.old
    cluster.stop()
    cluster.node.exec(["pg_ctlcluster", str(cluster.version), "main", "start"], user="postgres")
    cluster.configure({"listen_addresses": "*", **SETTINGS, "port": 5999})
    try:
        assert made(trio.stop())["evidence"]["proven"] is True
        assert processes(cluster) == []
    finally:
        cluster.configure({"listen_addresses": "*", **SETTINGS})
        made(trio.stop(state="released"))
        cluster.start()


@pytest.mark.parametrize("call", [1, 2, 3, 4])
def test_a_stop_that_was_killed_is_finished_by_the_next(trio: Trio, call: int) -> None:
    before = kept(trio.old)
    for state in ("fenced", "released"):
        assert trio.stop(state=state, die=Interrupt(("._fencing.stop:Stop.take",), call)).killed or call == 4
        assert made(trio.stop(state=state))["evidence"]["proven"] is True
        assert not made(trio.stop(state=state))["changed"]
        assert processes(trio.old) == []
    assert kept(trio.old) == before
    trio.old.start()


@pytest.mark.parametrize("call", [1, 2, 3, 4])
def test_a_block_that_was_killed_is_finished_by_the_next(filtered: Trio, call: int) -> None:
    node = filtered.clusters[NEAR].node
    for state in ("fenced", "released"):
        assert filtered.block(state=state, die=Interrupt(("._fencing.block:Block.take",), call)).killed
        assert made(filtered.block(state=state))["evidence"]["proven"] is True
        assert not made(filtered.block(state=state))["changed"]
        assert filtered.reaches(NEAR) is (state == "released")
    assert "table inet runbook_fence" not in tables(node)


def test_a_server_that_hangs_is_ended_all_the_same(trio: Trio) -> None:
    for pid in processes(trio.old):
        trio.old.node.exec(["kill", "-STOP", pid])
    assert made(trio.stop(timeout=2))["evidence"]["proven"] is True
    assert processes(trio.old) == []
    made(trio.stop(state="released"))
    trio.old.start()


Fence = Callable[..., Converged]


@pytest.fixture
def fence(trio: Trio, tmp_path: Path) -> Fence:
    shared = {
        "postgres_cluster": "orders",
        "postgres_hosts": list(NAMES),
        "postgres_first_primary": OLD,
        "postgres_poolers": [],
        "fence_host": OLD,
    }

    def run(*, check: bool = False, ok: bool = True, lost: str | None = None, **variables: Any) -> Converged:
        nodes = {
            name: host_variables(cluster.node, postgres_address=cluster.node.ip)
            for name, cluster in trio.clusters.items()
        }
        if lost is not None:
            nodes[lost] = {**NOWHERE, "postgres_address": trio.clusters[lost].node.ip}
        book = ROOT / "playbooks/fence.yml"
        return converge(nodes, tmp_path, book, {**shared, **variables}, check=check, ok=ok)

    return run


ANSWER = "Refuse to take it for fenced without proof"
ALL = {"failover_fence_all_of": ["stop", "block"], "failover_fence_any_of": []}


def answer(run: Converged) -> str:
    return str(run.task(ANSWER).result["msg"])


def test_a_playbook_fences_proves_and_lets_back(trio: Trio, fence: Fence) -> None:
    """One story: no proof, proof, another primary, and back."""
    # Nobody can look at the server, and one survivor is not there either.
    blind = fence(lost=OLD, ok=False)
    assert "fence1 is not proven to be stopped" in answer(blind)
    assert trio.reaches(FAR)
    short = fence(lost=NEAR, ok=False, check=True, failover_fence_any_of=["block"])
    assert "fence2 is not proven to be kept apart from fence1" in answer(short)
    assert "fence3" not in answer(short)

    check, run = fence(check=True, **ALL), fence(**ALL)
    assert check.outcomes == run.outcomes
    assert answer(run) == "fence1 is fenced."
    assert not trio.reaches(NEAR)
    assert not trio.reaches(FAR)
    assert processes(trio.old) == []
    assert fence(**ALL).changes == []

    # A second primary is not let back, a standby is.
    trio.clusters[NEAR].promote()
    refused = fence(fence_release=True, ok=False)
    assert "fence2 is primary now, and fence1 would start as primary as well" in " ".join(refused.failures)
    trio.old.node.exec(["touch", f"{trio.old.data_directory}/standby.signal"], user="postgres")
    assert fence(fence_release=True, check=True).outcomes == fence(fence_release=True).outcomes
    assert fence(fence_release=True).changes == []
    assert processes(trio.old) == []
