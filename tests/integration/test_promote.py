"""One server becomes primary, or is refused with nothing changed: a standby beside its primary on one node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from lab.clusters import Cluster
from lab.nodes import Node
from lab.waiting import wait_until
from tests.integration import inside
from tests.integration.conftest import releases

SETTINGS = {"shared_buffers": "16MB", "max_connections": 30, "wal_retrieve_retry_interval": "200ms"}
# With what is put beside it, less room for WAL than is wanted and enough for what is written here.
SMALL = {"/small": "size=120m,mode=0777"}
BALLAST = "head -c 45M /dev/zero > /small/ballast"
APPLY = "._promote.apply"
STEPS = ("_resume", "_promote", "_prove", "_write")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "primary" in metafunc.fixturenames:
        numbers = releases(metafunc.config)
        metafunc.parametrize(
            "primary", numbers, ids=[f"debian{number}" for number in numbers], scope="module", indirect=True
        )


@pytest.fixture(scope="module")
def primary(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    node = Node.start(f"promote{request.param}", request.param, tmpfs=SMALL)
    try:
        inside.install(node)
        made = Cluster.create(node, settings=SETTINGS)
        made.psql("CREATE TABLE kept (n int); INSERT INTO kept VALUES (0)")
        yield made
    finally:
        node.stop()


@dataclass(frozen=True)
class Pair:
    """A primary, and the standby that is to take over."""

    primary: Cluster
    standby: Cluster

    @property
    def node(self) -> Node:
        return self.primary.node

    def run(self, *, check: bool = False, die: inside.Interrupt | None = None, **options: Any) -> inside.Ended:
        given = {"version": self.standby.version, "instance": "copy", **options}
        return inside.run(self.node, "pg_promote", given, check=check, die=die, user="root")

    def refused(self, **options: Any) -> list[str]:
        """The codes; a dry run says the same, and it stays a standby that lost nothing."""
        ended, foreseen = self.run(**options), self.run(check=True, **options)
        assert "condition it does not know" not in ended.failure
        assert not ended.result["changed"]
        assert self.standby.psql("SELECT pg_is_in_recovery()") == "t"
        codes = [each["code"] for each in ended.result["refusals"]]
        # Sentences may tell how long ago something was.
        assert codes == [each["code"] for each in foreseen.result["refusals"]]
        return codes

    def done(self, *, check: bool = False, **options: Any) -> Mapping[str, Any]:
        result = self.run(check=check, **options).result
        assert not result.get("failed"), result
        return result

    def write(self) -> str:
        """A row that is committed on the primary."""
        return self.primary.psql("INSERT INTO kept SELECT max(n) + 1 FROM kept RETURNING n")

    def kept(self) -> str:
        return self.standby.psql("SELECT max(n) FROM kept")

    def end(self) -> str:
        """The primary is stopped in order, and the standby has noticed; where it ended."""
        self.primary.stop()
        self.alone()
        argv = [f"/usr/lib/postgresql/{self.primary.version}/bin/pg_controldata", self.primary.data_directory]
        lines = self.node.exec(argv, user="postgres").stdout.splitlines()
        return next(line.split()[-1] for line in lines if line.startswith("Latest checkpoint location"))

    def cut(self) -> None:
        """The standby gets nothing more, as if the network between them were down."""
        self.standby.psql("ALTER SYSTEM SET primary_conninfo = ''")
        self.standby.reload()
        self.alone()

    def alone(self) -> None:
        streams = "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'"
        wait_until("it receives nothing", lambda: self.standby.psql(streams) == "0")


@pytest.fixture
def pair(primary: Cluster) -> Iterator[Pair]:
    standby = primary.clone_standby(primary.node, "copy", 5433, settings=SETTINGS, slot="copy")
    try:
        yield Pair(primary, standby)
    finally:
        standby.drop()
        if not primary.accepts_connections():
            primary.start()
        primary.psql("SELECT pg_drop_replication_slot('copy')")


def test_it_takes_over_when_its_primary_has_stopped_and_not_before(pair: Pair) -> None:
    identifier = pair.primary.psql("SELECT system_identifier FROM pg_control_system()")
    meant: dict[str, Any] = {"system_identifier": identifier, "timeline": 1}
    assert pair.refused(**meant) == ["upstream_alive", "loss_unknown"]
    assert pair.refused(system_identifier="1", timeline=7, fenced=True, allow_data_loss=True) == [
        "system_identifier_differs",
        "timeline_differs",
    ]
    # Commits wait for a standby that is not there yet, as they do until an old primary is back.
    pair.standby.psql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    pair.standby.reload()
    written = pair.write()
    meant["primary_lsn"] = pair.end()

    foreseen = pair.done(check=True, **meant)
    assert pair.standby.psql("SELECT pg_is_in_recovery()") == "t"
    result = pair.done(**meant)
    assert result["changed"] is foreseen["changed"] is True
    for name in ("steps", "diff", "timeline", "timeline_before", "loss_bytes"):
        assert result[name] == foreseen[name]
    assert (result["timeline_before"], result["timeline"], result["loss_bytes"]) == (1, 2, 0)
    assert result["promoted_lsn"] == result["received_lsn"] == result["replayed_lsn"]
    assert set(result["durations"]) == {"promoted_ms", "first_write_ms", "total_ms"}
    assert pair.kept() == written
    assert pair.standby.psql("SET synchronous_commit = local; INSERT INTO kept VALUES (0) RETURNING n") == "0"

    again = pair.done(**meant)
    assert (again["changed"], again["steps"], again["timeline"]) == (False, [], 2)
    assert again["promoted_lsn"] == result["promoted_lsn"]
    assert not pair.done(check=True, **meant)["changed"]
    assert pair.run(**{**meant, "system_identifier": "1"}).result["refusals"][0]["code"] == "system_identifier_differs"


def test_one_that_followed_a_promotion_is_on_its_timeline_at_once(pair: Pair) -> None:
    """Its primary is gone before the control file tells, which is minutes later."""
    third = pair.standby.clone_standby(pair.node, "third", 5434, settings=SETTINGS, slot="third")
    try:
        pair.end()
        pair.standby.promote()
        written = pair.standby.psql("INSERT INTO kept SELECT max(n) + 1 FROM kept RETURNING n")
        wait_until("it has that", lambda: third.psql("SELECT max(n) FROM kept") == written, bound=60)
        pair.standby.stop("immediate")
        alone = Pair(pair.standby, third)
        alone.alone()
        assert third.psql("SELECT timeline_id FROM pg_control_checkpoint()") == "1"
        facts = inside.run(pair.node, "pg_node_facts", {"instance": "third"}, user="root").result["ansible_facts"]
        assert facts["pg_node"]["instance"]["timeline"] == 2
        wanted: dict[str, Any] = {"instance": "third", "timeline": 2, "fenced": True, "allow_data_loss": True}
        result = alone.done(**wanted)
        assert (result["timeline_before"], result["timeline"]) == (2, 3)
        assert alone.kept() == written
    finally:
        third.drop()


def test_a_paused_replay_goes_on_only_when_asked(pair: Pair) -> None:
    pair.standby.psql("SELECT pg_wal_replay_pause()")
    written = pair.write()
    wanted: dict[str, Any] = {"primary_lsn": pair.end()}
    assert pair.refused(**wanted, force=True, allow_data_loss=True) == ["replay_paused"]
    assert pair.refused(**wanted, resume_replay=True, max_lag_bytes=1) == ["replay_behind"]
    assert pair.standby.psql("SELECT pg_is_wal_replay_paused()") == "t"
    result = pair.done(**wanted, resume_replay=True)
    assert result["to_replay_bytes"] > 0
    assert result["durations"]["resumed_ms"] >= 0
    assert pair.kept() == written


def test_one_that_replays_late_has_all_of_it_afterwards(pair: Pair) -> None:
    pair.standby.psql("ALTER SYSTEM SET recovery_min_apply_delay = '1h'")
    pair.standby.reload()
    written = pair.write()
    wanted: dict[str, Any] = {"primary_lsn": pair.end()}
    assert pair.kept() != written
    assert pair.refused(**wanted, resume_replay=True, force=True) == ["apply_delay"]
    assert pair.done(**wanted, allow_apply_delay=True)["changed"]
    assert pair.kept() == written


def test_what_would_be_lost_is_told_and_has_a_switch_of_its_own(pair: Pair) -> None:
    pair.cut()
    written = pair.write()
    lost = pair.primary.psql("SELECT pg_current_wal_flush_lsn()")
    reach = pair.standby.psql("SELECT pg_last_wal_receive_lsn()")
    bytes_lost = int(pair.primary.psql(f"SELECT pg_wal_lsn_diff('{lost}', '{reach}')"))
    pair.primary.stop("immediate")
    assert pair.refused() == ["loss_unknown"]
    assert pair.refused(primary_lsn=lost, force=True, fenced=True) == ["data_loss"]
    assert pair.refused(primary_lsn=lost, allow_data_loss=True, max_lag_bytes=bytes_lost - 1) == ["lag_over_limit"]
    result = pair.done(primary_lsn=lost, allow_data_loss=True)
    assert result["loss_bytes"] == bytes_lost > 0
    assert pair.kept() != written


def test_who_else_promotes_is_refused_by_name(pair: Pair) -> None:
    wanted: dict[str, Any] = {"primary_lsn": pair.end()}
    for program, name in (("patroni", "Patroni"), ("repmgrd", "repmgrd"), ("pacemakerd", "Pacemaker")):
        pair.node.exec(["install", "-m", "0755", "/bin/sleep", f"/usr/local/bin/{program}"])
        pair.node.exec(["systemd-run", "--quiet", "--collect", "--unit=other", f"/usr/local/bin/{program}", "600"])
        try:
            assert pair.refused(**wanted, force=True, allow_data_loss=True, fenced=True) == ["promoter_runs"]
            assert name in pair.run(**wanted).failure
        finally:
            pair.node.exec(["systemctl", "stop", "other"])
    assert pair.done(**wanted)["changed"]


def test_room_and_slots_are_counted_beforehand(pair: Pair) -> None:
    pair.standby.configure({**SETTINGS, "listen_addresses": "*", "max_replication_slots": 1, "max_wal_senders": 10})
    pair.standby.stop()
    wal = f"{pair.standby.data_directory}/pg_wal"
    pair.node.exec(["sh", "-c", f"{BALLAST} && cp -a {wal} /small/wal && rm -rf {wal} && ln -s /small/wal {wal}"])
    pair.standby.start()
    wait_until("it streams", lambda: pair.primary.streaming_standbys() == ["copy"])
    wanted: dict[str, Any] = {"primary_lsn": pair.end(), "slots": ["one", "two"]}
    assert pair.refused(**wanted, allow_data_loss=True, fenced=True) == ["no_room", "no_free_slots"]
    assert pair.done(**wanted, force=True)["changed"]


def test_a_run_that_is_killed_is_finished_by_the_next(pair: Pair) -> None:
    """At each step in turn: what was begun goes on, what was proven is not asked for twice."""
    pair.standby.psql("SELECT pg_wal_replay_pause()")
    written = pair.write()
    wanted: dict[str, Any] = {"primary_lsn": pair.end(), "resume_replay": True}
    for step in STEPS:
        assert pair.run(die=inside.Interrupt((f"{APPLY}:Promoting.{step}",)), **wanted).killed
    result = pair.done(**wanted)
    assert (result["changed"], result["timeline"]) == (False, 2)
    assert "first_write_ms" in result["durations"]
    assert pair.kept() == written


def test_a_server_that_is_not_there_or_does_not_run_is_told(pair: Pair) -> None:
    pair.standby.stop()
    assert "does not run" in pair.run().failure
    assert "There is no instance" in pair.run(instance="other").failure
    assert "no position in WAL" in pair.run(primary_lsn="here").failure
    pair.standby.start()
