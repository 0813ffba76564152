"""Role backup as an outsider sees it: WAL arrives, also after a failover, and nobody reads the keys."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from lab.clusters import Cluster
from lab.docker import docker
from lab.nodes import Node
from lab.waiting import wait_until
from tests.integration import s3, stanzas
from tests.integration.conftest import releases
from tests.integration.playing import Played
from tests.integration.stanzas import DISK, PASSPHRASE, RETENTION, STANZA, Backups

CONFIGURATION = "/etc/pgbackrest"
ALL_FILES = "find /etc /var/log /var/lib/postgresql /tmp /run -xdev -type f -perm /o=r -exec grep -l {} {{}} +"


# Debian 11, whose pgBackRest reaches other hosts by SSH only.
OLD_PGBACKREST = 11


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    every = releases(metafunc.config)
    wanted = {"alone": every, "rebooted": every, "apart": [each for each in every if each != OLD_PGBACKREST]}
    for name in set(wanted) & set(metafunc.fixturenames):
        ids = [f"debian{number}" for number in wanted[name]]
        metafunc.parametrize(name, wanted[name], ids=ids, indirect=True, scope="module")


@pytest.fixture(scope="module")
def alone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backups]:
    """A server that ran before, with an encrypted repository on its disk and one in a store."""
    place = tmp_path_factory.mktemp("alone")
    with s3.store(place) as store:
        away = store.repository(passphrase=PASSPHRASE, retention={"full": 90, "full_type": "time"})
        with stanzas.alone(request.param, place, [DISK, away]) as made:
            store.introduce(made.repository)
            yield made


@pytest.fixture(scope="module")
def apart(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backups]:
    """A primary and a standby that are configured already, and the host that keeps their repository."""
    with stanzas.apart(request.param, tmp_path_factory.mktemp("apart")) as made:
        made.played()
        yield made


@pytest.fixture(scope="module")
def rebooted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backups]:
    """A host whose database is written to at all times, which is started again."""
    place = tmp_path_factory.mktemp("rebooted")
    with stanzas.alone(request.param, place, settings=stanzas.ARCHIVING, name="rebooted") as made:
        made.played(backup_heartbeat_database="postgres")
        yield made


def silent(played: Played) -> None:
    assert PASSPHRASE not in played.text
    assert s3.KEY_SECRET not in played.text


def test_a_dry_run_tells_what_the_run_does(alone: Backups) -> None:
    foreseen = alone.played(check=True)
    done = alone.played()
    assert done.outcomes == foreseen.outcomes
    assert done.diffs == foreseen.diffs
    for each in (foreseen, done):
        silent(each)
    # The server runs and is not restarted by the way.
    assert "archive_mode waits for a restart" in done.text
    again = alone.played()
    assert again.changed == []


def test_wal_arrives_in_every_repository(alone: Backups) -> None:
    alone.primary.restart()
    assert "archive_mode waits for a restart" not in alone.played().text
    assert [each["database"]["repo-key"] for each in alone.info()["archive"] if each["max"]] == [1, 2]
    assert {each["cipher"] for each in alone.info()["repo"]} == {"aes-256-cbc"}


def test_a_stanza_that_a_killed_run_left_half_made_is_made_whole(alone: Backups) -> None:
    for number in ("1", "2"):
        for kind in ("archive", "backup"):
            alone.pgbackrest("repo-rm", f"--repo={number}", "--recurse", f"{kind}/{STANZA}")
    alone.pgbackrest("stanza-create")
    for name in ("backup.info", "backup.info.copy"):
        alone.pgbackrest("repo-rm", "--repo=1", f"backup/{STANZA}/{name}")
    [changed] = alone.played().changed
    assert "place in each repository" in changed
    assert {each["status"]["code"] for each in alone.info()["repo"]} == {2}


def test_nobody_else_reads_the_keys(alone: Backups) -> None:
    node = alone.repository
    listed = node.exec(["sh", "-c", f"cd {CONFIGURATION} && stat -c '%n %U:%G %a' *.conf conf.d/*"]).stdout.splitlines()
    assert listed == [
        "pgbackrest.conf root:postgres 640",
        f"conf.d/{STANZA}.conf root:postgres 640",
        f"conf.d/{STANZA}.secrets.conf root:postgres 640",
    ]
    for secret in (PASSPHRASE, s3.KEY_SECRET):
        assert not node.exec(["sh", "-c", ALL_FILES.format(secret)], check=False).stdout
        assert secret not in node.exec(["cat", f"{CONFIGURATION}/conf.d/{STANZA}.conf"]).stdout


def test_another_key_is_told_before_anything_is_written(alone: Backups) -> None:
    wrong = [{**each, "passphrase": "another"} for each in alone.variables["backup_repositories"]]
    done = alone.stage.play("backup", backup_repositories=wrong)
    try:
        assert "Repository 1 cannot be asked for stanza ledger" in done.failures[0]
        assert "passphrase" in done.failures[0]
    finally:
        alone.played()


@pytest.mark.parametrize(
    ("repositories", "said"),
    [
        ([{"path": "/srv/backup"}], "does not say how many full backups"),
        ([{"path": "backup", "retention": RETENTION}], "give an absolute one"),
        ([{"type": "s3", "retention": RETENTION}], "lacks bucket, endpoint, region"),
        ([{**DISK, "passphrase": "two\nlines"}], "The value of repo1-cipher-pass"),
    ],
)
def test_what_cannot_be_meant_is_refused(alone: Backups, repositories: list[dict[str, object]], said: str) -> None:
    done = alone.stage.play("backup", backup_repositories=repositories)
    assert said in done.failures[0]
    silent(done)
    assert not done.changed


def test_servers_do_not_keep_their_repositories_each_for_itself(alone: Backups) -> None:
    done = alone.stage.play("backup", backup_repositories=[DISK], postgres_hosts=["one", "other"])
    assert "each of the 2 would have one of its own" in done.failures[0]


def test_an_old_version_knows_no_repository_host(alone: Backups) -> None:
    if alone.repository.release != OLD_PGBACKREST:
        pytest.skip("TLS came with Debian 12")
    done = alone.stage.play("backup", backup_repositories=[DISK], backup_repository_host="keeper", hosts="all")
    assert "pgBackRest 2.33 of this host cannot reach other hosts over TLS" in done.failures[0]


def test_servers_know_nothing_of_a_repository_hosts_keys(apart: Backups) -> None:
    for node in apart.stage.nodes[:2]:
        assert node.exec(["grep", "-r", PASSPHRASE, CONFIGURATION], check=False).returncode == 1
    assert apart.repository.exec(["grep", "-rl", PASSPHRASE, CONFIGURATION]).stdout.split() == [
        f"{CONFIGURATION}/conf.d/{STANZA}.secrets.conf"
    ]


def test_only_the_cluster_is_answered(apart: Backups) -> None:
    """A certificate of the same authority under another name gets nothing, nor does a server for another stanza."""
    server: Node = apart.stage.nodes[0]
    done = server.exec(
        ["pgbackrest", "--stanza=another", f"--repo1-host={apart.repository.name}", "--repo1-host-type=tls",
         "--repo1-host-ca-file=/etc/ssl/postgres/ca.crt", "--repo1-host-cert-file=/etc/ssl/postgres/node.crt",
         "--repo1-host-key-file=/etc/ssl/postgres/node.key", "repo-ls"],
        user="postgres", check=False,
    )  # fmt: skip
    assert done.returncode
    assert "access denied" in done.stdout + done.stderr


def test_who_keeps_the_repositories_restores_them_and_reads_the_heartbeat(apart: Backups) -> None:
    servers, version = apart.stage.nodes[:2], apart.primary.version
    unit = f"pg-heartbeat-{version}-main"
    foreseen = apart.play(check=True, backup_heartbeat_database="postgres")
    done = apart.played(backup_heartbeat_database="postgres")
    assert done.outcomes == foreseen.outcomes
    assert apart.played(backup_heartbeat_database="postgres").changed == []
    for server in servers:
        assert server.exec(["systemctl", "is-enabled", f"{unit}.timer"]).stdout.strip() == "enabled"
        # On the standby it has nothing to do, which is no failure.
        server.exec(["systemctl", "start", f"{unit}.service"])
    assert apart.primary.psql("SELECT now() - at < '1 minute' FROM runbook_heartbeat") == "t"
    apart.pgbackrest("backup", "--type=full")
    beat = {"database": "postgres", "query": "SELECT at FROM runbook_heartbeat"}
    held = apart.run("pg_drill", version=version, heartbeat=beat)
    assert held.result.get("passed"), held.text
    assert held.result["newest_commit_from"] == "the heartbeat in database postgres"
    assert apart.played(backup_heartbeat_database="").changed
    for server in servers:
        assert not server.exec(["find", "/etc/systemd/system", "-name", f"{unit}*"]).stdout
    assert apart.played(backup_heartbeat_database="").changed == []


def test_a_heartbeat_of_an_instance_that_is_gone_fails_nothing_and_goes(apart: Backups) -> None:
    apart.played(backup_heartbeat_database="postgres")
    node, version = apart.primary.node, apart.primary.version
    place, unit = "/etc/systemd/system", f"pg-heartbeat-{version}-old.days"
    node.exec(["pg_createcluster", str(version), "old.days"])
    for ending in ("service", "timer"):
        made = f"{place}/pg-heartbeat-{version}-main.{ending}"
        renamed = "s,instance main,instance old.days,; s,/main$,/old.days,"
        node.exec(["sh", "-c", f"sed '{renamed}' {made} > {place}/{unit}.{ending}"])
    node.exec(["sed", "-i", "s/ -p [0-9]* / -p 1 /", f"{place}/{unit}.service"])
    node.exec(["systemctl", "enable", "--now", f"{unit}.timer"])
    # While it is there it is told that nobody answers, and no run takes it for one that is gone.
    assert node.exec(["systemctl", "start", f"{unit}.service"], check=False).returncode != 0
    assert apart.played(backup_heartbeat_database="postgres").changed == []
    node.exec(["pg_dropcluster", str(version), "old.days"])
    node.exec(["systemctl", "start", f"{unit}.service"])
    foreseen = apart.play(check=True, backup_heartbeat_database="postgres")
    done = apart.played(backup_heartbeat_database="postgres")
    assert foreseen.changed == done.changed
    told = [f"runbook.postgres.backup : {task} on {node.name}" for task in ("Stop the timer", "Remove the units")]
    assert done.changed == told
    assert not node.exec(["systemctl", "list-units", "--all", "--plain", "--no-legend", f"{unit}*"]).stdout
    assert not node.exec(["find", place, "-name", f"{unit}*"]).stdout
    assert node.exec(["systemctl", "is-active", f"pg-heartbeat-{version}-main.timer"]).stdout.strip() == "active"
    assert apart.played(backup_heartbeat_database="").changed


def test_after_a_restart_of_the_host_the_heartbeat_goes_on(rebooted: Backups) -> None:
    node, timer = rebooted.repository, f"pg-heartbeat-{rebooted.primary.version}-main.timer"
    beat = "SELECT extract(epoch FROM at) FROM runbook_heartbeat"
    docker("restart", node.container)
    node.wait_until_booted()
    back = time.time()
    wait_until("the server is back", rebooted.primary.accepts_connections)
    assert node.exec(["systemctl", "is-enabled", timer]).stdout.strip() == "enabled"
    wait_until("it beats again", lambda: float(rebooted.primary.psql(beat)) > back, bound=120)


def test_after_a_failover_nothing_is_to_be_changed(apart: Backups) -> None:
    """Whoever is promoted archives, and the repository host finds it by itself."""
    apart.pgbackrest("backup", "--type=full")
    apart.primary.stop()
    promoted = Cluster(apart.stage.nodes[1], apart.primary.version)
    promoted.promote()
    promoted.psql("CREATE TABLE later ()")
    # Only then does pg_control, which pgBackRest asks, know of the timeline.
    promoted.psql("CHECKPOINT")
    apart.pgbackrest("check")
    apart.pgbackrest("backup", "--type=incr")
    told = apart.info()
    assert [each["type"] for each in told["backup"]][-2:] == ["full", "incr"]
    assert told["archive"][0]["max"].startswith("00000002")
    limited = apart.stage.nodes[1].name, apart.repository.name
    again = apart.stage.played("backup", hosts=",".join(limited), **apart.variables)
    assert again.changed == []
