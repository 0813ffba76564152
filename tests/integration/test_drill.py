"""pg_drill on a host of its own: what it measures is what happened, and nothing of it stays."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from lab.clusters import Cluster
from lab.nodes import Node
from tests.integration import inside, s3
from tests.integration.inside import Interrupt
from tests.integration.recoveries import REPOSITORY, STANZA, Backed, share
from tests.integration.standbys import made, refused

STATE = f"/var/lib/runbook-postgres/drill-{STANZA}.json"
DUMPS = "/var/lib/postgresql/dumps"
SHOP = "sh op %s; --'ü"
BEAT: dict[str, Any] = {"heartbeat": {"database": "postgres", "query": "SELECT max(at) FROM beat"}}


def drill(node: Node, *, check: bool = False, die: Interrupt | None = None, **more: Any) -> inside.Ended:
    arguments = {"version": node.postgresql, "stanza": STANZA, **more}
    return inside.run(node, "pg_drill", arguments, check=check, die=die, user="root")


def dumped(backed: Backed, scratch: Node, **more: Any) -> str:
    """A logical backup of a database with roles and a name of its own, on the scratch host as well; its id."""
    options = {"login_unix_socket": "/var/run/postgresql", "database": SHOP, "destination": DUMPS, "max_age": "0"}
    done = made(inside.run(backed.node, "pg_backup", {**options, "count_rows": True, **more}))
    share(backed, scratch, DUMPS)
    return str(done["id"])


def clean(node: Node) -> bool:
    """Neither a file nor a server of it is there."""
    places = ["/var/lib/postgresql/drill", "/run/postgresql"]
    there = node.exec(["find", *places, "-mindepth", "1"], check=False).stdout
    return not there and node.exec(["pgrep", "postgres"], check=False).returncode == 1


@pytest.fixture
def shop(ledger: Backed, scratch: Node) -> Iterator[Backed]:
    """A cluster with a database that can be dumped; the scratch host has nothing of it."""
    for node in (ledger.node, scratch):
        node.exec(["rm", "-rf", DUMPS, "/var/lib/runbook-postgres", "/var/lib/postgresql/drill"])
    ledger.cluster.psql(f'CREATE ROLE "o\'ne ""r"; CREATE DATABASE "{SHOP}" OWNER "o\'ne ""r"')
    ledger.cluster.psql("CREATE TABLE sale AS SELECT generate_series(1, 500) AS n", SHOP)
    ledger.cluster.psql('ALTER TABLE sale OWNER TO "o\'ne ""r"', SHOP)
    yield ledger
    scratch.exec(["rm", "-rf", DUMPS])


@pytest.fixture
def shared(ledger: Backed, scratch: Node) -> Backed:
    """A cluster whose repository the scratch host reaches, last written to a while ago."""
    scratch.exec(["rm", "-rf", "/var/lib/runbook-postgres", "/var/lib/postgresql/drill"])
    ledger.cluster.psql("CREATE TABLE beat (at timestamptz)")
    ledger.backup()
    ledger.cluster.psql("INSERT INTO beat VALUES (clock_timestamp())")
    ledger.archived()
    share(ledger, scratch)
    return ledger


def test_a_drill_measures_proves_and_leaves_nothing(shared: Backed, scratch: Node) -> None:
    beat = float(shared.cluster.psql("SELECT extract(epoch FROM max(at)) FROM beat"))
    checks = [
        {"name": "rows <are> there", "query": "SELECT count(*) = 100 FROM ledger"},
        {"name": "it may take long", "query": "SELECT current_setting('statement_timeout')::interval = '1 day'"},
    ]
    foreseen = made(drill(scratch, check=True, checks=checks, **BEAT))
    assert clean(scratch)
    began = time.time()
    done = made(drill(scratch, checks=checks, **BEAT))
    assert foreseen["steps"] == done["steps"]
    assert done["passed"]
    assert 0 < done["rto_seconds"] <= time.time() - began
    assert began - beat - 1 <= done["rpo_seconds"] <= time.time() - beat
    assert [each["passed"] for each in done["checks"]] == [True] * 5
    # What is promised unless somebody says otherwise.
    assert done["objectives"] == {"rto_seconds": 1800.0, "rpo_seconds": 900.0}
    # The repository is on a disk here, and nobody knows of one elsewhere whether it can be restored.
    [untried] = done["untried"]
    assert f"came from {REPOSITORY} of this host" in untried
    assert {"restore", "replay", "checksums"} <= set(done["took"])
    assert clean(scratch)
    # The timeline that it began is in nobody's archive.
    assert scratch.exec(["find", f"{REPOSITORY}/archive", "-name", "00000002*"]).stdout == ""
    page = scratch.exec(["cat", done["page_file"]]).stdout
    assert "rows &lt;are&gt; there" in page
    assert untried in page
    state = json.loads(scratch.exec(["cat", STATE]).stdout)
    assert state["passed"]
    assert datetime.fromisoformat(state["passed_at"]).timestamp() >= began - 1
    info = made(inside.run(scratch, "pg_backup_info", {"stanza": STANZA}, user="root"))
    assert info["backups"][0]["verified"]["level"] == "restore"
    # An objective that is missed fails it, is written down, and the last one that passed is remembered.
    late: dict[str, Any] = {
        "heartbeat": {"database": "postgres", "query": "SELECT max(at) - interval '15 minutes' FROM beat"}
    }
    sentence = drill(scratch, **late).failure
    assert "RPO was" in sentence
    assert "objective is 15.0 min" in sentence
    failed = json.loads(scratch.exec(["cat", STATE]).stdout)
    assert (failed["passed"], failed["passed_at"]) == (False, state["passed_at"])
    # So does a check, and so does WAL that is missing.
    false = [{"name": "no rows", "query": "SELECT count(*) = 0 FROM ledger"}]
    sentence = drill(scratch, checks=false, rpo_minutes=60, **late).failure
    assert "'no rows' did not pass: the answer is 'f'" in sentence
    assert "RPO was" not in sentence
    assert clean(scratch)


def test_health_reports_what_a_backup_and_a_drill_have_written(shared: Backed, scratch: Node) -> None:
    node = shared.node
    wish = {"method": "physical", "stanza": STANZA, "max_age": "0"}
    # The pgBackRest of the oldest release proves nothing by itself.
    wish["verify"] = level = "checksum" if node.release > 11 else "none"
    taken = made(inside.run(node, "pg_backup", wish, user="root"))
    shared.cluster.psql("INSERT INTO beat VALUES (clock_timestamp())")
    shared.archived()
    share(shared, scratch)
    held = made(drill(scratch, **BEAT))
    # As the playbook brings it back to the servers.
    node.write(STATE, scratch.exec(["cat", STATE]).stdout)
    asked = {"login_unix_socket": "/var/run/postgresql", "gather_subset": ["backups", "wal"]}
    metrics = made(inside.run(node, "pg_health_facts", asked))["ansible_facts"]["pg_health"]["metrics"]
    [backup] = metrics["backups"]["backups"]
    [told] = json.loads(shared.pgbackrest("--output=json", "info"))
    newest = told["backup"][-1]
    assert newest["label"] == taken["id"]
    assert datetime.fromisoformat(utc(backup["last_backup_at"])).timestamp() == newest["timestamp"]["stop"]
    assert (backup["cluster"], backup["problems"]) == (STANZA, 0)
    assert 0 <= backup["backup_seconds"] <= time.time() - newest["timestamp"]["stop"]
    if level == "checksum":
        assert 0 <= backup["verified_seconds"] <= backup["backup_seconds"]
    # From the end of the oldest one that is good.
    began = told["backup"][0]["timestamp"]["stop"]
    assert datetime.fromisoformat(utc(backup["recoverable_from"])).timestamp() == began
    assert backup["recoverable_to"] >= backup["last_backup_at"]
    [drilled] = metrics["backups"]["drills"]
    assert drilled["passed"]
    assert (drilled["rto_seconds"], drilled["rpo_seconds"]) == (
        pytest.approx(held["rto_seconds"], abs=0.01),
        pytest.approx(held["rpo_seconds"], abs=0.01),
    )
    assert 0 <= drilled["passed_seconds"] <= backup["backup_seconds"]
    archiver = metrics["wal"]["archiver"]
    assert archiver["last_archived_wal"] >= newest["archive"]["stop"]
    assert 0 <= archiver["seconds_since_success"] <= backup["backup_seconds"]


def utc(text: str) -> str:
    return text.replace("Z", "+00:00")


def test_what_arrives_while_it_is_restored_is_as_old_as_it_is(shared: Backed, scratch: Node) -> None:
    """A commit after the drill's beginning would be lost just as well as one before it."""
    options = {"version": scratch.postgresql, "stanza": STANZA, **BEAT}
    began = time.time()
    place = Interrupt(("._recovery.repository:Repository.restore",))
    with inside.held(scratch, "pg_drill", options, place, user="root") as run:
        # A second one does not wait for its end, and does not take it for what a killed one left.
        for check in (True, False):
            assert f"drill of stanza {STANZA}, at restore" in refused(drill(scratch, check=check, **BEAT))
        shared.cluster.psql("INSERT INTO beat VALUES (clock_timestamp())")
        beat = float(shared.cluster.psql("SELECT extract(epoch FROM max(at)) FROM beat"))
        shared.archived()
        share(shared, scratch)
        shared.cluster.psql("SELECT pg_sleep(3)")
        released = time.time()
        done = made(run.finish())
    assert beat > began
    assert released - beat <= done["rpo_seconds"] <= time.time() - beat
    assert datetime.fromisoformat(done["read_at"]).timestamp() >= released - 1
    # A clock that is ahead shows, and not as a recovery that loses nothing.
    shared.cluster.psql("INSERT INTO beat VALUES (clock_timestamp() + interval '1 hour')")
    shared.archived()
    share(shared, scratch)
    assert "after the archive was read, by their clocks" in drill(scratch, **BEAT).failure


def test_the_timeline_that_is_named_is_followed_and_told(shared: Backed, scratch: Node) -> None:
    made(shared.recover(target="latest", running_server="stop"))
    shared.cluster.psql("INSERT INTO ledger (who) VALUES (1)")
    shared.backup()
    shared.archived()
    share(shared, scratch)
    for timeline, query in ((1, "SELECT max(n) = 100 FROM ledger"), (None, "SELECT max(n) > 100 FROM ledger")):
        checks = [{"name": "rows", "query": query}]
        done = made(drill(scratch, timeline=timeline, checks=checks, **BEAT))
        assert (done["followed_timeline"], done["named_timeline"]) == (timeline or 2, timeline)
        # The newest backup is of the second timeline and leads to no end of the first.
        assert done["backup"]["label"] == shared.labels[-1 if timeline is None else 0]
        told = "1, as was asked" if timeline else "2, the latest in the archive"
        assert told in scratch.exec(["cat", done["page_file"]]).stdout
    assert "knows no timeline 9" in refused(drill(scratch, check=True, timeline=9))


def test_nothing_is_removed_that_a_drill_may_be_reading(shared: Backed, scratch: Node) -> None:
    """Where the repositories are and drills are held; a drill that was killed holds up nothing."""
    older = shared.backup()
    shared.archived()
    share(shared, scratch)
    config, kept = "/etc/pgbackrest.conf", scratch.exec(["cat", "/etc/pgbackrest.conf"]).stdout
    scratch.write(config, kept.replace("retention-full=9", "retention-full=1"), owner="root:postgres", mode="0640")
    wish = {"method": "physical", "stanza": STANZA, "max_age": "1 day", "verify": "none"}
    options = {"version": scratch.postgresql, "stanza": STANZA, **BEAT}
    place = Interrupt(("._recovery.repository:Repository.restore",))

    def run(check: bool = False) -> dict[str, Any]:
        return made(inside.run(scratch, "pg_backup", wish, check=check, user="root"))

    try:
        expected = run(check=True)["removed"]
        assert expected
        with inside.held(scratch, "pg_drill", options, place, user="root") as held:
            for check in (True, False):
                done = run(check)
                assert (done["changed"], done["removed"]) == (False, [])
                assert "A recovery or a drill on this host reads from stanza" in str(done["warnings"])
            assert made(held.finish())["passed"]
        assert drill(scratch, die=place).killed
        done = run()
        assert done["removed"] == expected
        assert older == done["id"]
        assert made(drill(scratch, **BEAT))["passed"]
    finally:
        scratch.write(config, kept, owner="root:postgres", mode="0640")


S3_CONFIG = """\
[global]
repo1-type=s3
repo1-path=/ledger
repo1-s3-bucket={bucket}
repo1-s3-endpoint={host}
repo1-s3-region=nowhere
repo1-s3-uri-style=path
repo1-s3-key=an-access-key
repo1-s3-key-secret={secret}
repo1-storage-ca-file={ca}
repo1-storage-port={port}
repo1-retention-full={retention}
repo1-cipher-type=aes-256-cbc
repo1-cipher-pass=a-passphrase
start-fast=y
log-level-file=off
[{stanza}]
pg1-path={data}
pg1-port={cluster_port}
"""


def test_nothing_is_removed_that_another_host_may_be_reading(ledger: Backed, scratch: Node, tmp_path: Path) -> None:
    """They have nothing in common but the store."""
    config, node = "/etc/pgbackrest.conf", ledger.node
    before = {each: each.exec(["cat", config]).stdout for each in (node, scratch)}
    wish = {"method": "physical", "stanza": STANZA, "max_age": "1 day", "verify": "none"}
    place = Interrupt(("._recovery.repository:Repository.restore",))

    def run(check: bool = False) -> dict[str, Any]:
        return made(inside.run(node, "pg_backup", wish, check=check, user="root"))

    def removed(check: bool = False) -> list[str]:
        return [each["id"] for each in run(check)["removed"]]

    def untouched() -> str:
        done = run(check=True), run()
        assert [(each["changed"], each["removed"]) for each in done] == [(False, [])] * 2
        assert done[0]["warnings"] == done[1]["warnings"]
        [warning] = done[1]["warnings"]
        return str(warning)

    with s3.store(tmp_path) as store:
        try:
            store.introduce(node, scratch)
            for each, cluster in ((node, ledger.cluster), (scratch, Cluster(scratch, scratch.postgresql, "drill"))):
                text = S3_CONFIG.format(
                    bucket=s3.BUCKET,
                    host=s3.HOST,
                    secret=s3.KEY_SECRET,
                    ca=s3.AUTHORITIES,
                    port=store.port,
                    retention=1,
                    stanza=STANZA,
                    data=cluster.data_directory,
                    cluster_port=cluster.port,
                )
                each.write(config, text, owner="root:postgres", mode="0640")
            ledger.pgbackrest("stanza-create")
            ledger.pgbackrest("--type=full", "backup")
            ledger.pgbackrest("--type=full", "--no-expire-auto", "backup")
            older, newer = ledger.labels
            ledger.archived()
            foreseen = made(drill(scratch, check=True))
            assert removed(check=True) == [older]
            with inside.held(
                scratch, "pg_drill", {"version": scratch.postgresql, "stanza": STANZA}, place, user="root"
            ) as held:
                warning = untouched()
                assert f"there: {older}. A recovery or a drill on {scratch.name} (until " in warning
                done = made(held.finish())
            assert (done["passed"], done["steps"]) == (True, foreseen["steps"])
            assert removed(check=True) == [older]
            # One that was killed is taken for a reader, until another one on its host knows better.
            assert drill(scratch, die=place).killed
            assert scratch.name in untouched()
            assert made(drill(scratch))["passed"]
            assert removed(check=True) == [older]
            # Nor for longer than it may have taken.
            for until, gone in ((9_999_999_999, []), (1_700_000_000, [older])):
                mark = f"runbook.postgres/reading/{STANZA}/far.example.net.0123456789ab.77.{until}"
                node.exec(["pgbackrest", "--repo=1", "repo-put", mark], user="postgres", input="")
                assert removed(check=True) == gone
                node.exec(["pgbackrest", "--repo=1", "repo-rm", mark], user="postgres")
            assert removed() == [older]
            assert ledger.labels == [newer]
        finally:
            for each, text in before.items():
                each.write(config, text, owner="root:postgres", mode="0640")


def test_a_tablespace_gets_its_directory_which_is_empty_afterwards(shared: Backed, scratch: Node) -> None:
    shared.node.exec(["install", "-d", "-o", "postgres", "/srv/fast"])
    scratch.exec(["rm", "-rf", "/srv/fast"])
    shared.cluster.psql("CREATE TABLESPACE fast LOCATION '/srv/fast'")
    shared.cluster.psql("CREATE TABLE quick TABLESPACE fast AS SELECT 1 AS n")
    oid = shared.cluster.psql("SELECT oid FROM pg_tablespace WHERE spcname = 'fast'")
    shared.backup()
    shared.archived()
    share(shared, scratch)
    where = "SELECT pg_tablespace_location(oid) = '/srv/fast' FROM pg_tablespace WHERE spcname = 'fast'"
    asked: dict[str, Any] = {"tablespace_map": {oid: "/srv/fast"}, "checks": [{"query": where}], **BEAT}
    assert drill(scratch, die=Interrupt(("._recovery.trial:Trial.stop",)), **asked).killed
    assert scratch.exec(["ls", "/srv/fast"]).stdout != ""
    made(drill(scratch, check=True, **asked))
    assert made(drill(scratch, **asked))["passed"]
    assert scratch.exec(["ls", "/srv/fast"]).stdout == ""
    assert clean(scratch)
    scratch.exec(["touch", "/srv/fast/mine"])
    assert "/srv/fast is not empty" in refused(drill(scratch, **asked))
    assert scratch.exec(["ls", "/srv/fast"]).stdout == "mine\n"


def test_a_production_node_is_no_scratch(shared: Backed, scratch: Node) -> None:
    assert "same cluster" in refused(drill(shared.node))
    shared.cluster.stop()
    assert "same cluster" in refused(drill(shared.node, check=True))
    machine = scratch.exec(["cat", "/etc/machine-id"]).stdout.strip()
    assert "machine-id says so" in refused(drill(scratch, production_machine_ids=["x", machine]))
    assert "12345 is meant" in refused(drill(scratch, system_identifier="12345"))
    assert clean(scratch)


def test_a_broken_page_in_the_backup_fails_it(shared: Backed, scratch: Node) -> None:
    cluster = shared.cluster
    path = cluster.psql("CHECKPOINT; SELECT pg_relation_filepath('ledger')")
    cluster.stop()
    damage = "printf 'broken' | dd of=FILE bs=1 seek=5000 conv=notrunc status=none"
    shared.node.exec(["sh", "-c", damage.replace("FILE", f"{cluster.data_directory}/{path}")])
    cluster.start()
    shared.backup()
    shared.archived()
    share(shared, scratch)
    sentence = drill(scratch).failure
    assert "checksums of all pages" in sentence
    assert clean(scratch)
    # Whoever restores on this host is told, and so is who restores where the state is brought to.
    assert "A drill of" in found_wrong(scratch)
    assert "checksum verification failed" in found_wrong(scratch)
    shared.node.exec(["install", "-d", "/var/lib/runbook-postgres"])
    shared.node.write(STATE, scratch.exec(["cat", STATE]).stdout)
    older = made(shared.recover(check=True, target="latest", running_server="stop"))
    assert "A drill of" in str(older["warnings"])
    # Another one, of which a file in the repository is damaged, does not restore.
    label = shared.backup()
    share(shared, scratch)
    damage = f"find {REPOSITORY}/backup/{STANZA}/{label} -name '*.lz4' -size +2 | head -1"
    broken = scratch.exec(["sh", "-c", damage]).stdout.strip()
    scratch.exec(["sh", "-c", f"printf 'broken' | dd of={broken} bs=1 seek=300 conv=notrunc status=none"])
    assert "restore of backup" in drill(scratch).failure
    assert f"The restore of backup {label} failed" in found_wrong(scratch)


def found_wrong(scratch: Node) -> str:
    """What the catalogue tells of the newest backup."""
    info = made(inside.run(scratch, "pg_backup_info", {"stanza": STANZA}, user="root"))
    return " ".join(info["backups"][0]["problems"])


def test_a_server_that_runs_and_reads_nothing_is_no_recovery(shop: Backed, scratch: Node) -> None:
    """Its only table cannot be read, whatever the server says of itself."""
    cluster = shop.cluster
    cluster.psql(f'DROP TABLE ledger; DROP DATABASE "{SHOP}"; CREATE TABLE torn AS SELECT generate_series(1, 9) n')
    path = cluster.psql("CHECKPOINT; SELECT pg_relation_filepath('torn')")
    cluster.stop()
    damage = f"printf broken | dd of={cluster.data_directory}/{path} bs=1 seek=5000 conv=notrunc status=none"
    shop.node.exec(["sh", "-c", damage])
    cluster.start()
    shop.backup()
    shop.archived()
    share(shop, scratch)
    ended = drill(scratch)
    assert "RTO was not measured" in ended.failure
    assert "'the smallest table of database postgres can be read' did not pass" in ended.failure
    assert ended.result["rto_seconds"] is None
    assert clean(scratch)


@pytest.mark.parametrize("place", ["._recovery.repository:Repository.restore", "._recovery.trial:Trial.stop"])
def test_a_drill_that_was_killed_is_cleaned_up_by_the_next(shared: Backed, scratch: Node, place: str) -> None:
    assert shared.node != scratch
    assert drill(scratch, die=Interrupt((place,))).killed
    assert not clean(scratch)
    assert made(drill(scratch, **BEAT))["passed"]
    assert clean(scratch)


@pytest.mark.usefixtures("shared")
def test_a_drill_that_is_asked_to_end_leaves_nothing(scratch: Node) -> None:
    """As by a shutdown of its host, while its server runs: a month is long until the next one cleans up."""
    options = {"version": scratch.postgresql, "stanza": STANZA, **BEAT}
    with inside.held(scratch, "pg_drill", options, Interrupt(("._recovery.trial:Trial.stop",)), user="root") as run:
        assert not clean(scratch)
        scratch.exec(["pkill", "-TERM", "-f", "[r]un.py"])
        assert "ended by SIGTERM before it was through" in run.finish().failure
    assert clean(scratch)


def test_logical_backups_are_restored_on_servers_of_their_own(shop: Backed, scratch: Node) -> None:
    shop.backup()
    shop.archived()
    share(shop, scratch)
    name = dumped(shop, scratch)
    began = time.time()
    checks = [
        {"name": "it may take long", "query": "SELECT current_setting('statement_timeout')::interval = '1 day'"},
        {"name": "all <sales>", "query": "SELECT count(*) = 500 FROM sale"},
    ]
    asked: dict[str, Any] = {"logical": [{"repository": DUMPS, "checks": checks}], "rpo_minutes": 60}
    foreseen = made(drill(scratch, check=True, **asked))
    assert clean(scratch)
    done = made(drill(scratch, **asked))
    assert foreseen["steps"] == done["steps"]
    [told] = done["logical"]
    assert (told["database"], told["backup"]["id"], told["failure"]) == (SHOP, name, None)
    assert 0 < told["rto_seconds"] <= time.time() - began
    assert 0 <= told["rpo_seconds"] <= time.time() - began + 60
    told_checks = [each["name"] for each in told["checks"]]
    assert f"backup {name}: its tables have the 500 rows that its manifest counts" in told_checks
    assert told_checks[-1] == "all <sales>"
    # The physical half was measured as ever, up to an answer about data, and both are on the page.
    assert done["rto_seconds"] > 0
    evidence = json.loads(scratch.exec(["cat", done["evidence_file"]]).stdout)
    assert evidence["first_answer"] == "table public.ledger in database postgres, rows: 100"
    page = scratch.exec(["cat", done["page_file"]]).stdout
    assert name in page
    assert "all &lt;sales&gt;" in page
    assert clean(scratch)
    info = made(inside.run(scratch, "pg_backup_info", {"destination": DUMPS}))
    assert info["backups"][0]["verified"]["level"] == "restore"


def test_logical_backups_alone_are_drilled_and_damage_is_named(shop: Backed, scratch: Node) -> None:
    recipient, identity = keys(scratch)
    older = dumped(shop, scratch, recipients=[recipient])
    name = dumped(shop, scratch, recipients=[recipient])
    alone: dict[str, Any] = {"stanza": None, "cluster": "shop"}
    one = {"repository": DUMPS, "identity": identity}
    assert "is encrypted" in refused(drill(scratch, **alone, logical=[{"repository": DUMPS}]))
    # As it is fetched from elsewhere; of the copy nothing stays.
    elsewhere = {"offsite": DUMPS, "identity": identity, "database": SHOP}
    assert made(drill(scratch, **alone, logical=[elsewhere]))["logical"][0]["backup"]["id"] == name
    assert clean(scratch)
    # Killed in the middle, and cleaned up by the next.
    assert drill(scratch, **alone, logical=[one], die=Interrupt(("._backup.restore.loading:Archive.load",))).killed
    assert not clean(scratch)
    # Old, by an objective; and a question that is not answered right.
    false = [{"name": "none", "query": "SELECT count(*) = 0 FROM sale"}]
    sentence = drill(scratch, **alone, logical=[{**one, "rpo_minutes": 0, "checks": false}]).failure
    assert f"RPO of the logical backup of database {SHOP} was" in sentence
    assert f"Check 'none' of the logical backup of database {SHOP} did not pass" in sentence
    assert clean(scratch)
    # The newest is damaged: the older one does not stand in for it.
    damage = "printf 'broken' | dd of=$(ls DUMPS/NAME/dump*) bs=1 seek=300 conv=notrunc status=none"
    scratch.exec(["sh", "-c", damage.replace("DUMPS", DUMPS).replace("NAME", name)])
    sentence = drill(scratch, **alone, logical=[one]).failure
    assert f"of backup {name} does not hold what was written" in sentence
    assert older not in sentence
    assert "what was restored was removed" in sentence
    assert clean(scratch)
    state = json.loads(scratch.exec(["cat", "/var/lib/runbook-postgres/drill-shop.json"]).stdout)
    assert (state["passed"], state["passed_at"] is not None, state["logical"][0]["backup"]) == (False, True, name)
    # Nobody takes it for a good one from here on, although its size is right.
    info = made(inside.run(scratch, "pg_backup_info", {"destination": DUMPS}))
    told = {each["id"]: " ".join(each["problems"]) for each in info["backups"]}
    assert "its sha256 differs" in told[name]
    assert not told[older]


def keys(node: Node) -> tuple[str, str]:
    """A public key, and the file with the secret one on that host."""
    place = "/root/backup-identity"
    node.exec(["sh", "-c", f"rm -f {place}; age-keygen -o {place}"])
    lines = node.exec(["cat", place]).stdout.splitlines()
    return next(line.split(": ")[1] for line in lines if "public key" in line), place
