"""pg_standby on hosts beside a primary: made once, refused where something would be lost, finished after a kill."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lab.clusters import Cluster
from tests.integration import inside
from tests.integration.inside import Interrupt
from tests.integration.standbys import Trio, going, made, refused, standby, streams

# -- made once -------------------------------------------------------------


def test_it_is_cloned_once_and_check_mode_said_so(fresh: Trio) -> None:
    foreseen = made(fresh.clone("second", check=True))
    assert foreseen["changed"]
    assert foreseen["cloned"]
    assert fresh.files("second") == []
    done = made(fresh.clone("second"))
    assert (done["changed"], done["cloned"], done["steps"], done["diff"]) == (
        foreseen["changed"],
        foreseen["cloned"],
        foreseen["steps"],
        foreseen["diff"],
    )
    assert done["bytes"] > 10_000_000
    assert fresh.files("second") == ["main"]
    for check in (True, False):
        again = made(fresh.clone("second", check=check))
        assert not again["changed"]
        assert "diff" not in again


def test_it_streams_and_holds_the_data(fresh: Trio) -> None:
    made(fresh.clone("second"))
    cluster = fresh.follow("second")
    foreseen, done = made(fresh.stream("second", check=True)), made(fresh.stream("second"))
    assert foreseen["changed"]
    assert foreseen["diff"] == done["diff"]
    streams(fresh, "second")
    assert cluster.psql("SELECT n FROM kept") == "1"
    for check in (True, False):
        assert not made(fresh.stream("second", check=check))["changed"]
        assert not made(fresh.clone("second", check=check))["changed"]
    assert fresh.primary.psql("SELECT active FROM pg_replication_slots WHERE slot_name = 'second'") == "t"


def test_debians_tools_know_it_as_they_know_their_own(fresh: Trio) -> None:
    made(fresh.clone("second"))
    listed = fresh.node("second").exec(["pg_lsclusters", "--no-header"]).stdout.split()
    assert listed[:2] == [str(fresh.version), "main"]
    assert listed[5] == f"/var/lib/postgresql/{fresh.version}/main"
    own = fresh.node("first").exec(["find", fresh.primary.config_directory, "-printf", "%P %M %u %g\n"]).stdout
    other = fresh.node("second").exec(["find", fresh.primary.config_directory, "-printf", "%P %M %u %g\n"]).stdout
    assert set(other.splitlines()) == {line for line in own.splitlines() if "lab.conf" not in line}
    for name in ("lc_messages", "lc_time", "DateStyle", "TimeZone", "default_text_search_config", "max_connections"):
        argv = [f"/usr/lib/postgresql/{fresh.version}/bin/postgres", "-C", name, "-c"]
        argv.append(f"config_file={fresh.primary.config_directory}/postgresql.conf")
        assert fresh.node("second").exec(argv, user="postgres").stdout.strip() == fresh.primary.psql(f"SHOW {name}")
    unit = f"postgresql@{fresh.version}-main.service"
    wanted = fresh.node("second").exec(["systemctl", "list-dependencies", "postgresql.service"]).stdout
    assert unit in wanted


def test_a_directory_of_its_own_for_wal(fresh: Trio) -> None:
    done = made(fresh.clone("second", wal_directory="/srv/wal/main"))
    assert done["cloned"]
    data = f"/var/lib/postgresql/{fresh.version}/main"
    assert fresh.node("second").exec(["readlink", f"{data}/pg_wal"]).stdout.strip() == "/srv/wal/main"
    assert fresh.files("second", "/srv/wal") == ["main"]
    fresh.follow("second")
    made(fresh.stream("second"))
    assert not made(fresh.clone("second", wal_directory="/srv/wal/main"))["changed"]


def test_a_host_without_postgresql_is_foreseen_and_refused_for_real(fresh: Trio) -> None:
    foreseen = made(fresh.clone("second", check=True, version=99))
    assert foreseen["cloned"]
    assert "install postgresql-99" in refused(fresh.clone("second", version=99))


def test_an_upstream_that_lets_nobody_in_is_told(fresh: Trio) -> None:
    arguments: dict[str, Any] = {"user": "stranger"}
    assert "stranger" in refused(fresh.clone("second", **arguments))
    assert "does not let this host replicate" in refused(fresh.clone("second", upstream_port=1))
    foreseen = made(fresh.clone("second", check=True, **arguments))
    assert foreseen["cloned"]
    assert "does not let this host replicate" in str(foreseen["warnings"])
    assert fresh.files("second") == []


def test_the_upstream_has_to_be_of_the_cluster(fresh: Trio) -> None:
    sentence = refused(fresh.clone("second", system_identifier="12345"))
    assert fresh.system_identifier in sentence
    assert "12345" in sentence
    assert made(fresh.clone("second", system_identifier=fresh.system_identifier))["cloned"]


def test_its_slot_keeps_wal_for_a_clone_and_none_for_a_failed_one(fresh: Trio) -> None:
    kept = "SELECT restart_lsn IS NOT NULL FROM pg_replication_slots WHERE slot_name = 'second'"
    assert fresh.primary.psql(kept) == "f"
    assert 'transfer rate "nonsense"' in refused(fresh.clone("second", max_rate="nonsense"))
    assert fresh.files("second") == []
    assert fresh.primary.psql(kept) == "f"
    fresh.primary.psql("SELECT pg_drop_replication_slot('second')")
    made(fresh.clone("second"))
    assert fresh.primary.psql(kept) == "t"


# -- nothing is lost ---------------------------------------------------------


def test_foreign_data_is_refused_and_moved_aside_for_a_rebuild(fresh: Trio) -> None:
    foreign = Cluster.create(fresh.node("second"), start=False)
    before = fresh.node("second").exec(["find", foreign.data_directory, "-printf", "%P %s %T@\n"]).stdout
    sentence = refused(fresh.clone("second"))
    assert "another cluster" in sentence
    assert fresh.system_identifier in sentence
    assert "rebuild" in sentence
    assert refused(fresh.clone("second", check=True)) == sentence
    assert fresh.node("second").exec(["find", foreign.data_directory, "-printf", "%P %s %T@\n"]).stdout == before
    foreseen = made(fresh.clone("second", check=True, rebuild=True))
    assert foreseen["cloned"]
    done = made(fresh.clone("second", rebuild=True))
    assert done["old_data"].startswith(f"{foreign.data_directory}.before-rebuild-20")
    moved = fresh.node("second").exec(["find", done["old_data"], "-printf", "%P %s %T@\n"]).stdout
    assert moved.splitlines()[1:] == before.splitlines()[1:]
    assert not made(fresh.clone("second", rebuild=True))["changed"]
    fresh.follow("second")
    made(fresh.stream("second"))


def test_a_server_that_takes_writes_is_never_stopped(fresh: Trio) -> None:
    foreign = Cluster.create(fresh.node("second"))
    assert "no standby" in refused(fresh.clone("second", rebuild=True))
    assert foreign.accepts_connections()


def test_files_that_are_no_data_are_refused(fresh: Trio) -> None:
    data = f"/var/lib/postgresql/{fresh.version}/main"
    fresh.node("second").exec(["install", "-d", "-o", "postgres", f"{data}/letters"])
    assert "letters" in refused(fresh.clone("second"))
    assert fresh.files("second", data) == ["letters"]


def test_somebody_elses_directory_in_the_way_is_left_alone(fresh: Trio) -> None:
    place = f"/var/lib/postgresql/{fresh.version}/main.clone"
    fresh.node("second").exec(["install", "-d", f"{place}/data/precious"])
    assert "is not ours" in refused(fresh.clone("second"))
    assert fresh.files("second", f"{place}/data") == ["precious"]


def test_a_disk_that_is_not_mounted_is_not_cloned_past(fresh: Trio) -> None:
    """A standby whose disk did not come back after a boot looks like an empty one."""
    node = fresh.node("second")
    node.exec(["sh", "-c", "echo 'UUID=none /var/lib/postgresql ext4 defaults 0 2' > /etc/fstab"])
    for check in (True, False):
        assert "mount /var/lib/postgresql" in refused(fresh.clone("second", check=check))
    assert fresh.files("second") == []
    node.exec(["truncate", "--size=0", "/etc/fstab"])
    assert made(fresh.clone("second"))["cloned"]


def test_no_room_is_said_with_numbers(fresh: Trio) -> None:
    place: dict[str, Any] = {"data_directory": "/small/pg/main"}
    large = refused(fresh.clone("second", check=True, upstream_bytes=80 << 20, **place))
    assert "needs 144.0 MiB (80.0 MiB of data and 64.0 MiB for WAL)" in large
    assert "30.0 MiB free" in large
    assert "80.0 MiB" in refused(fresh.clone("second", upstream_bytes=80 << 20, **place))
    # Without a hint it is the upstream that tells, before much was copied.
    assert "MiB free" in refused(fresh.clone("second", **place))
    assert fresh.files("second", "/small/pg") == []


def test_a_former_primary_and_a_diverged_standby_are_refused(fresh: Trio) -> None:
    second = standby(fresh)
    made(fresh.clone("third"))
    fresh.follow("third")
    made(fresh.stream("third"))
    fresh.node("third").exec(["systemctl", "stop", second.unit])
    # It goes its own way, and so does the primary.
    second.promote()
    second.psql("CREATE TABLE stray (n int); CHECKPOINT")
    fresh.primary.psql("CREATE TABLE straight (n int); DROP TABLE straight; CHECKPOINT")
    second.stop()
    sentence = refused(fresh.clone("second"))
    assert "last run as a primary" in sentence
    assert "shut down" in sentence
    # As if it had been made a standby of somebody by hand.
    fresh.node("second").exec(["touch", f"{second.data_directory}/standby.signal"])
    sentence = refused(fresh.clone("second"))
    assert "diverged" in sentence
    assert "timeline 2" in sentence
    assert not made(fresh.clone("third"))["changed"]
    done = made(fresh.clone("second", rebuild=True))
    assert done["old_data"]
    made(fresh.stream("second"))


# -- killed, of which test_standby_killed has more -----------------------------


def test_a_clone_whose_module_is_killed_is_made_anew(fresh: Trio) -> None:
    node = fresh.node("second")
    with going(fresh, "second") as run:
        node.exec(["pkill", "-KILL", "-f", f"{inside.PLACE}/run.py"])
        run.communicate(timeout=60)
    assert fresh.files("second") == ["main.clone"]
    assert "left in" in made(fresh.clone("second", check=True))["steps"][0]
    assert made(fresh.clone("second"))["cloned"]
    assert fresh.files("second") == ["main"]
    assert node.exec(["pgrep", "pg_basebackup"], check=False).returncode == 1


@pytest.mark.parametrize("place", ["._standby.clone:_unmark", "._registration:_point"])
def test_a_run_that_ends_late_is_finished_by_the_next(fresh: Trio, place: str) -> None:
    assert fresh.clone("second", die=Interrupt((place,))).killed
    made(fresh.clone("second"))
    assert not made(fresh.clone("second"))["changed"]
    assert fresh.files("second") == ["main"]


# -- what keeps it from streaming ----------------------------------------------


def test_why_it_does_not_stream_is_told_from_its_log(fresh: Trio) -> None:
    made(fresh.clone("second"))
    fresh.follow("second", primary_slot_name="nowhere")
    sentence = refused(fresh.stream("second", timeout=5))
    assert "does not stream" in sentence
    assert 'replication slot "nowhere" does not exist' in sentence


def test_one_that_is_only_connected_does_not_stream(fresh: Trio) -> None:
    """For as long as the upstream thinks about it, the receiver of a standby calls itself streaming."""
    made(fresh.clone("second"))
    with fresh.far_away("second", seconds=0.2) as way:
        fresh.follow("second", primary_slot_name="nowhere", primary_conninfo=fresh.conninfo(way))
        sentence = refused(fresh.stream("second", timeout=10))
    assert 'replication slot "nowhere" does not exist' in sentence


def test_less_than_the_primary_has_is_refused_before_it_starts(fresh: Trio) -> None:
    made(fresh.clone("second"))
    fresh.follow("second", max_connections=20)
    assert "max_connections = 20 where the primary has 40" in refused(fresh.stream("second"))
    listed = fresh.node("second").exec(["pg_lsclusters", "--no-header"], check=False).stdout.split()
    assert listed[3].startswith("down")


def test_nothing_to_start_is_said(fresh: Trio) -> None:
    assert "holds no standby" in refused(fresh.stream("second"))


# -- secrets --------------------------------------------------------------------


def test_a_password_comes_from_a_file_and_nowhere_else(fresh: Trio) -> None:
    secret = "Zw3rG:n0 t"
    fresh.primary.psql(f"ALTER ROLE replicator PASSWORD '{secret}'")
    fresh.primary.write_hba(("local all all peer", "hostssl replication replicator all scram-sha-256"))
    fresh.primary.reload()
    try:
        node, file = fresh.node("second"), "/var/lib/postgresql/replication.pgpass"
        line = "*:*:*:replicator:" + secret.replace(":", "\\:")
        node.write(file, f"{line}\n", owner="postgres:postgres", mode="0600")
        with going(fresh, "second", passfile=file, sslcert=None, sslkey=None) as run:
            shown = node.exec(["sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' ' '"])
            assert "pg_basebackup" in shown.stdout
            assert secret not in shown.stdout
            out, err = run.communicate(timeout=60)
        assert json.loads(out)["cloned"], err
        assert secret not in out + err
    finally:
        fresh.let_in(fresh.primary)
        fresh.primary.reload()
