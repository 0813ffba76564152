"""pg_recover on real servers and a real repository: to the transaction where it was to be, or it says why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.clusters import Cluster
from lab.waiting import wait_until
from tests.integration import inside
from tests.integration.inside import Interrupt
from tests.integration.recoveries import PROOFS, REPOSITORY, SETTINGS, STANZA, Backed
from tests.integration.standbys import made, refused


def test_a_dropped_table_comes_back_with_every_row_before_it_and_none_after(ledger: Backed) -> None:
    cluster = ledger.cluster
    cluster.psql("CREATE TABLE customer (name text); INSERT INTO customer VALUES ('Ada')")
    label = ledger.backup()
    with ledger.load():
        target = ledger.now()
        cluster.psql("DROP TABLE customer")
        wait_until("rows are committed after it", lambda: ledger.committed(target) < ledger.rows())
    expected, all_rows = ledger.committed(target), ledger.rows()
    assert 100 < len(expected) < len(all_rows)
    asked: dict[str, Any] = {
        "target": "time",
        "target_value": target,
        "checks": [
            {"query": "SELECT count(*) = 1 FROM customer"},
            # A question has as long as the recovery.
            {"query": "SELECT current_setting('statement_timeout')::interval = '5 hours'"},
        ],
        "timeout": 18000,
    }
    assert "running_server" in refused(ledger.recover(**asked))
    asked["running_server"] = "stop"
    foreseen = made(ledger.recover(check=True, **asked))
    assert cluster.accepts_connections()
    assert ledger.files() == ["main"]
    done = made(ledger.recover(**asked))
    assert (foreseen["changed"], foreseen["steps"], foreseen["diff"]) == (True, done["steps"], done["diff"])
    assert ledger.rows() == expected
    assert cluster.psql("SELECT name FROM customer") == "Ada"
    assert cluster.psql("SELECT pg_is_in_recovery()") == "f"
    assert done["backup"] == label
    assert (done["followed_timeline"], done["timeline"]) == (1, 2)
    assert done["stopped_at_time"] < done["next_transaction_at"]
    # It has no word of how it was recovered, which its standbys would go by.
    left = cluster.node.exec(["cat", f"{cluster.data_directory}/postgresql.auto.conf"]).stdout
    assert "pgBackRest" not in left
    assert "recovery_target" not in left
    assert "restore_command" not in left
    assert [done["old_data"]] == [f"/var/lib/postgresql/{ledger.version}/{name}" for name in ledger.aside]
    for check in (True, False):
        again = made(ledger.recover(check=check, **asked))
        assert not again["changed"]
        assert again["timeline"] == 2
    # It archives on its new timeline, and can be backed up and recovered from there.
    cluster.psql("INSERT INTO ledger (who) VALUES (99)")
    ledger.backup("diff")
    assert "00000002" in ledger.archived()


# -- each kind of target -------------------------------------------------------


def test_positions_transactions_and_names_are_met_exactly(ledger: Backed) -> None:
    """One history, one recovery after the other, each back from the one before."""
    cluster = ledger.cluster
    ledger.backup()
    with ledger.load(2):
        xid = cluster.psql("BEGIN; INSERT INTO ledger (who) VALUES (77); SELECT txid_current(); COMMIT")
        # Behind its end, and before the restore point.
        lsn = cluster.psql("SELECT pg_current_wal_insert_lsn()")
        cluster.psql("SELECT pg_create_restore_point('before the ''migration''')")
        cluster.psql("INSERT INTO ledger (who) VALUES (78); SELECT pg_sleep(0.3)")
    ledger.archived()
    here: dict[str, Any] = {"running_server": "stop", "timeline": 1}
    # Which backup is early enough for these two is known when they are reached: production serves until then.
    undated = {**here, "running_server": "stop_last"}
    marked = "SELECT string_agg(who::text, ' ' ORDER BY who) FROM ledger WHERE who IN (77, 78)"
    done = made(ledger.recover(target="name", target_value="before the 'migration'", **undated))
    assert cluster.psql(marked) == "77"
    done = made(ledger.recover(target="xid", target_value=xid, **undated))
    assert cluster.psql(marked) == "77"
    assert cluster.psql("SELECT max(xmin::text::bigint) FROM ledger WHERE who = 77") == xid
    done = made(ledger.recover(target="xid", target_value=xid, inclusive=False, **undated))
    assert cluster.psql(marked) == ""
    done = made(ledger.recover(target="lsn", target_value=lsn, **here))
    assert cluster.psql(marked) == "77"
    done = made(ledger.recover(target="immediate", **here))
    assert int(cluster.psql("SELECT count(*) FROM ledger")) == 100
    # The archive's own end, on the first timeline.
    done = made(ledger.recover(target="latest", **here))
    assert cluster.psql(marked) == "77 78"
    assert done["followed_timeline"] == 1
    assert done["timeline"] == 7
    assert len(ledger.aside) == 6


def test_paused_to_be_looked_at_and_then_let_go(ledger: Backed) -> None:
    cluster = ledger.cluster
    ledger.backup()
    target = ledger.now()
    cluster.psql("INSERT INTO ledger (who) VALUES (5)")
    asked: dict[str, Any] = {"target": "time", "target_value": target, "running_server": "stop_last"}
    done = made(ledger.recover(end="paused", **asked))
    assert done["changed"]
    assert cluster.psql("SELECT pg_is_in_recovery(), pg_is_wal_replay_paused(), count(*) FROM ledger") == "t|t|100"
    assert not made(ledger.recover(end="paused", **asked))["changed"]
    # Whoever restarts it finds it where it was.
    cluster.restart()
    paused = "SELECT pg_is_wal_replay_paused(), count(*) FROM ledger"
    wait_until("it is paused again", lambda: cluster.psql(paused) == "t|100")
    # A server that writes its settings itself keeps no line of ours.
    cluster.psql("ALTER SYSTEM SET log_min_duration_statement = '1min'")
    foreseen = made(ledger.recover(check=True, **asked))
    assert cluster.psql("SELECT pg_is_in_recovery()") == "t"
    assert "promote instance" in foreseen["steps"][0]
    assert ledger.recover(die=Interrupt(("._recovery.exchange:forget_target",)), **asked).killed
    assert cluster.psql("SELECT pg_is_in_recovery()") == "f"
    foreseen = made(ledger.recover(check=True, **asked))
    done = made(ledger.recover(**asked))
    assert foreseen["steps"] == done["steps"]
    assert "end what was begun of the promotion" in done["steps"][0]
    assert done["timeline"] == 2
    cluster.psql("INSERT INTO ledger (who) VALUES (6)")
    assert "recovery_target" not in cluster.node.exec(["cat", f"{cluster.data_directory}/postgresql.auto.conf"]).stdout
    assert not made(ledger.recover(**asked))["changed"]


def test_what_is_recovered_beside_production_archives_nothing(ledger: Backed) -> None:
    """Also where the data brings settings of its own that archive, and through a pause."""
    cluster = ledger.cluster
    cluster.psql("ALTER SYSTEM SET archive_mode = always")
    ledger.backup()
    target = ledger.now()
    cluster.psql("INSERT INTO ledger (who) VALUES (5)")
    asked: dict[str, Any] = {"target": "time", "target_value": target, "running_server": "stop", "archives": False}
    foreseen = made(ledger.recover(check=True, end="paused", **asked))
    done = made(ledger.recover(end="paused", **asked))
    assert (foreseen["steps"], foreseen["diff"]) == (done["steps"], done["diff"])
    assert "with archiving off" in str(done["diff"])
    assert not done["archives"]
    made(ledger.recover(**asked))
    assert cluster.psql("SHOW archive_mode; SELECT pg_is_in_recovery()") == "off\nf"
    cluster.psql("INSERT INTO ledger (who) VALUES (6); SELECT pg_switch_wal()")
    cluster.stop()
    cluster.start()
    assert cluster.node.exec(["find", f"{REPOSITORY}/archive", "-name", "00000002*"]).stdout == ""
    for check in (True, False):
        assert not made(ledger.recover(check=check, **asked))["changed"]
    # It takes production's place when somebody says so, to it.
    asked["archives"] = True
    assert "ALTER SYSTEM RESET archive_mode and restart it" in refused(ledger.recover(**asked))
    cluster.psql("ALTER SYSTEM RESET archive_mode")
    cluster.restart()
    assert made(ledger.recover(**asked)) | {"archives": True, "changed": False} == made(ledger.recover(**asked))
    assert "00000002" in ledger.archived()


def test_what_never_reached_the_archive_is_taken_from_the_old_directory(ledger: Backed) -> None:
    cluster = ledger.cluster
    ledger.backup()
    cluster.configure({**SETTINGS, "archive_command": "/bin/false"})
    cluster.reload()
    cluster.psql("INSERT INTO ledger (who) VALUES (1); SELECT pg_switch_wal(); INSERT INTO ledger (who) VALUES (2)")
    cluster.stop("immediate")
    cluster.configure(SETTINGS)
    # Its data is damaged, its WAL is not.
    cluster.node.exec(["sh", "-c", f"rm -rf {cluster.data_directory}/base/*"])
    # A file that the server keeps to use again has a name to come, and what is in it is old.
    again = "cd PLACE/pg_wal && cp -p $(ls | grep -E '^[0-9A-F]{24}$' | head -n 1) 000000010000000A000000FF"
    cluster.node.exec(["sh", "-c", again.replace("PLACE", str(cluster.data_directory))])
    told = refused(ledger.recover(target="lsn", target_value="A/50"))
    assert "beyond the archive, and the WAL of instance" in told
    done = made(ledger.recover(target="latest"))
    assert done["timeline"] == 2
    assert cluster.psql("SELECT count(*) FROM ledger") == "102"


def test_wal_of_the_old_directory_counts_as_far_as_it_can_be_read(ledger: Backed) -> None:
    cluster = ledger.cluster
    ledger.backup()
    cluster.configure({**SETTINGS, "archive_command": "/bin/false"})
    cluster.reload()
    cluster.psql("INSERT INTO ledger (who) VALUES (1); SELECT pg_switch_wal()")
    cluster.psql("INSERT INTO ledger (who) VALUES (2)")
    last = cluster.psql("SELECT pg_walfile_name(pg_current_wal_lsn())")
    cluster.stop("immediate")
    cluster.configure(SETTINGS)
    wal = f"{cluster.data_directory}/pg_wal/{last}"
    # To read that is an error, as of a disk that is dying.
    cluster.node.exec(["ln", "-sf", "/proc/self/mem", wal])
    done = made(ledger.recover(target="latest"))
    assert f"WAL from {last} on could not be read" in str(done["warnings"])
    assert cluster.psql("SELECT count(*) FROM ledger") == "101"
    assert cluster.node.exec(["readlink", f"{done['old_data']}/pg_wal/{last}"]).stdout.strip() == "/proc/self/mem"


def test_tablespaces_of_the_old_data_stay_where_they_are(ledger: Backed) -> None:
    cluster = ledger.cluster
    cluster.node.exec(["install", "-d", "-o", "postgres", "/srv/fast"])
    cluster.psql("CREATE TABLESPACE fast LOCATION '/srv/fast'")
    cluster.psql("CREATE TABLE quick TABLESPACE fast AS SELECT 1 AS n")
    ledger.backup()
    cluster.psql("INSERT INTO quick VALUES (2)")
    ledger.archived()
    before = cluster.node.exec(["find", "/srv/fast", "-type", "f"]).stdout
    made(ledger.recover(target="latest", running_server="stop"))
    assert cluster.psql("SELECT count(*) FROM quick") == "2"
    where = cluster.psql("SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'fast'")
    assert ".tablespaces-" in where
    assert cluster.node.exec(["find", "/srv/fast", "-type", "f"]).stdout == before


def test_tablespaces_go_where_they_are_to_go(ledger: Backed) -> None:
    cluster, node = ledger.cluster, ledger.node
    name, new = "f'a st=1", "/srv/new/fast one"
    node.exec(["install", "-d", "-o", "postgres", "/srv/fast", "/srv/slow"])
    cluster.psql(f"CREATE TABLESPACE \"{name}\" LOCATION '/srv/fast'")
    cluster.psql("CREATE TABLESPACE slow LOCATION '/srv/slow'")
    cluster.psql(f'CREATE TABLE quick TABLESPACE "{name}" AS SELECT 1 AS n')
    ledger.backup()
    ledger.archived()
    asked: dict[str, Any] = {"target": "latest", "running_server": "stop"}
    for given, words in (
        ({"quick": "/srv/new"}, "tablespace 'quick', which the backup has not"),
        ({name: "/srv/slow"}, "/srv/slow is not empty"),
        ({name: f"{cluster.data_directory}/ts"}, "outside of the data"),
        ({name: "srv/new"}, "no whole path"),
    ):
        assert words in refused(ledger.recover(tablespace_map=given, **asked))
    asked["tablespace_map"] = {name: new}
    foreseen = made(ledger.recover(check=True, **asked))
    assert node.exec(["ls", "/srv"]).stdout.split().count("new") == 0
    assert new in str(foreseen["diff"])
    # Killed when it had filled the directory, which is its own then.
    assert ledger.recover(die=Interrupt(("._recovery.proof:Prover.prove",)), **asked).killed
    done = made(ledger.recover(**asked))
    assert done["tablespaces"] == {name: new}
    where = "SELECT string_agg(pg_tablespace_location(oid), '|' ORDER BY spcname) FROM pg_tablespace WHERE oid > 16000"
    first, _bar, second = cluster.psql(where).partition("|")
    assert (first, ".tablespaces-" in second) == (new, True)
    assert cluster.psql("SELECT n FROM quick") == "1"
    assert not made(ledger.recover(**asked))["changed"]


# -- refused before anything is touched ------------------------------------------


def test_a_timeline_that_was_thrown_away_is_not_followed_into_the_past(ledger: Backed) -> None:
    """A recovery was taken back: the old data serves again, and the archive's highest timeline is a dead branch."""
    cluster, node = ledger.cluster, ledger.node
    ledger.backup()
    ledger.archived()
    recovered = made(ledger.recover(target="immediate", running_server="stop"))
    cluster.psql("INSERT INTO ledger (who) VALUES (-1)")
    assert ledger.archived().startswith("00000002")
    cluster.stop()
    node.exec(["rm", "-rf", str(cluster.data_directory)])
    node.exec(["mv", recovered["old_data"], str(cluster.data_directory)])
    node.exec(["systemctl", "start", cluster.unit])
    cluster.psql("INSERT INTO ledger (who) VALUES (1)")
    assert ledger.archived().startswith("00000001")
    label = ledger.backup()
    cluster.psql("INSERT INTO ledger (who) VALUES (2)")
    for check in (True, False):
        told = refused(ledger.recover(target="latest", running_server="stop", check=check))
        assert "latest timeline, 2, left 1 at" in told
        assert "instance 15/main is at".replace("15", str(ledger.version)) in told
        assert "say in timeline which of them is meant, 1 or 2" in told
    assert cluster.accepts_connections()
    cluster.stop("immediate")
    # A host without any of it asks the repository alone.
    node.exec(["mv", str(cluster.data_directory), "/var/lib/postgresql/elsewhere"])
    told = refused(ledger.recover(target="latest"))
    assert "latest timeline, 2, left 1 at" in told
    assert f"backup {label}" in told or "the last archived WAL" in told
    node.exec(["mv", "/var/lib/postgresql/elsewhere", str(cluster.data_directory)])
    done = made(ledger.recover(target="latest", timeline=1))
    assert (done["backup"], done["followed_timeline"], done["timeline"]) == (label, 1, 3)
    # What never reached the archive as well, and nothing of the other.
    assert cluster.psql("SELECT string_agg(who::text, ',' ORDER BY n) FROM ledger WHERE who <> 0") == "1,2"


def test_what_cannot_work_is_refused_beforehand(ledger: Backed) -> None:
    cluster = ledger.cluster
    early = ledger.now()
    first_lsn = cluster.psql("SELECT pg_current_wal_lsn()")
    assert "no backup" in refused(ledger.recover(target="latest", running_server="stop"))
    ledger.backup()
    cluster.psql("INSERT INTO ledger (who) VALUES (7)")
    ledger.archived()
    stop: dict[str, Any] = {"running_server": "stop"}
    told: dict[str, Any] = {
        "before the end of every backup": [
            {"target": "time", "target_value": early},
            {"target": "lsn", "target_value": first_lsn},
        ],
        "in the future": [{"target": "time", "target_value": "2999-01-01T00:00:00Z"}],
        "beyond the archive": [{"target": "time", "target_value": ledger.now()}],
        "knows no timeline 9": [{"target": "latest", "timeline": 9}],
        "12345 is wanted": [{"target": "latest", "system_identifier": "12345"}],
        "has no backup 20200101-000000F": [{"target": "latest", "backup": "20200101-000000F"}],
        "does not say one moment": [{"target": "time", "target_value": "2026-01-31 14:05:00"}],
        "Stanza 'other'": [{"target": "latest", "stanza": "other"}],
        "there is no end": [{"target": "latest", "running_server": "stop_last"}],
        "name a backup that is older": [
            {"target": "name", "target_value": "never made"},
            {"target": "xid", "target_value": "1000000"},
        ],
        "no point to pause at": [{"target": "latest", "end": "paused"}],
    }
    for words, cases in told.items():
        for case in cases:
            assert words in refused(ledger.recover(**{**stop, **case})), case
    assert cluster.accepts_connections()
    # What is not in the archive yet this server has written, or nobody has.
    for check in (True, False):
        sentence = refused(ledger.recover(target="lsn", target_value="F/0", check=check, **stop))
        assert "beyond the archive, and the WAL of instance" in sentence
    assert cluster.accepts_connections()
    assert ledger.files() == ["main"]


def test_who_starts_servers_by_himself_is_refused_by_name(ledger: Backed) -> None:
    node = ledger.node
    ledger.backup()
    ledger.archived()
    for program, name in (("patroni", "Patroni"), ("repmgrd", "repmgrd"), ("pacemakerd", "Pacemaker")):
        node.exec(["install", "-m", "0755", "/bin/sleep", f"/usr/local/bin/{program}"])
        node.exec(["systemd-run", "--quiet", "--collect", "--unit=other", f"/usr/local/bin/{program}", "600"])
        try:
            for check in (True, False):
                sentence = refused(ledger.recover(target="latest", running_server="stop", check=check))
                assert f"{name} runs on this host" in sentence
        finally:
            node.exec(["systemctl", "stop", "other"])
    assert ledger.cluster.accepts_connections()
    assert ledger.files() == ["main"]


def test_another_cluster_is_not_written_over_and_room_is_counted(ledger: Backed) -> None:
    cluster = ledger.cluster
    ledger.backup()
    there: dict[str, Any] = {"target": "latest", "instance": "other", "data_directory": "/small/pg/other"}
    sentence = refused(ledger.recover(**there))
    assert "beside the present data the recovery needs" in sentence
    assert "150.0 MiB free" in sentence
    cluster.drop()
    other = Cluster.create(ledger.node, start=False)
    own = ledger.node.exec(["head", "-c8", f"{other.data_directory}/global/pg_control"]).stdout
    sentence = refused(ledger.recover(target="latest"))
    assert "holds another cluster" in sentence
    assert own == ledger.node.exec(["head", "-c8", f"{other.data_directory}/global/pg_control"]).stdout
    replaces = sentence.rsplit("replaces: '", 1)[1].partition("'")[0]
    assert made(ledger.recover(target="latest", replaces=replaces))["changed"]
    assert other.psql("SELECT count(*) FROM ledger") == "100"


def test_a_target_that_is_missed_leaves_everything_as_it_was(ledger: Backed) -> None:
    cluster = ledger.cluster
    ledger.backup()
    ledger.archived()
    sentence = ledger.recover(target="name", target_value="never made", running_server="stop_last").failure
    assert "recovery ended before configured recovery target was reached" in sentence
    assert "was not touched" in sentence
    assert cluster.psql("SELECT count(*) FROM ledger") == "100"
    # So does a question whose answer is not true.
    asked: dict[str, Any] = {"target": "immediate", "running_server": "stop_last"}
    false = [{"name": "no rows", "query": "SELECT count(*) = 0 FROM ledger"}]
    assert "does not pass 'no rows'" in ledger.recover(checks=false, **asked).failure
    assert cluster.psql("SELECT pg_is_in_recovery()") == "f"
    assert made(ledger.recover(**asked))["timeline"] == 2
    assert ledger.files() == ["main", *ledger.aside]


def test_a_point_before_the_newest_backup_is_reached_from_an_older_one(ledger: Backed) -> None:
    """Until that is known production serves; where it was stopped at all events, that is said."""
    cluster = ledger.cluster
    first = ledger.backup()
    cluster.psql("SELECT pg_create_restore_point('before')")
    cluster.psql("INSERT INTO ledger (who) VALUES (7)")
    second = ledger.backup()
    asked: dict[str, Any] = {"target": "name", "target_value": "before"}
    assert "name a backup that is older" in refused(ledger.recover(running_server="stop", **asked))
    assert "not touched" in ledger.recover(running_server="stop_last", **asked).failure
    assert cluster.psql("SELECT count(*) FROM ledger") == "101"
    sentence = ledger.recover(running_server="stop", backup=second, **asked).failure
    assert f"was stopped by this run and still is, with its data as it was: systemctl start {cluster.unit}" in sentence
    ledger.node.exec(["systemctl", "start", cluster.unit])
    assert cluster.psql("SELECT count(*) FROM ledger") == "101"
    done = made(ledger.recover(running_server="stop_last", backup=first, **asked))
    assert f"have instance {cluster.version}/main archive the WAL that it has written" in done["steps"]
    assert cluster.psql("SELECT count(*) FROM ledger") == "100"


def test_a_missing_file_of_wal_is_not_taken_for_the_end(ledger: Backed) -> None:
    cluster = ledger.cluster
    ledger.backup()
    cluster.psql("INSERT INTO ledger (who) VALUES (1)")
    hole = ledger.archived()
    cluster.psql("INSERT INTO ledger (who) VALUES (2)")
    ledger.archived()
    cluster.psql("INSERT INTO ledger (who) VALUES (3)")
    ledger.archived()
    ledger.node.exec(["sh", "-c", f"find {REPOSITORY}/archive -name '{hole}-*' -delete"])
    cluster.drop()
    sentence = ledger.recover(target="latest").failure
    assert "WAL in between is missing or damaged" in sentence


def test_a_target_that_needs_wal_known_to_be_damaged_is_refused_by_its_name(ledger: Backed) -> None:
    """It was found when the repository was proven, and is not found by hours of replay."""
    cluster, node = ledger.cluster, ledger.node
    ledger.backup()
    before = cluster.psql("SELECT pg_current_wal_lsn()")
    cluster.psql("INSERT INTO ledger (who) VALUES (1)")
    ledger.archived()
    cluster.psql("INSERT INTO ledger (who) VALUES (2); SELECT pg_sleep(1.1)")
    torn = ledger.archived()
    target = ledger.now()
    cluster.psql("INSERT INTO ledger (who) VALUES (3)")
    ledger.archived()
    path = node.exec(["find", f"{REPOSITORY}/archive", "-name", f"{torn}-*"]).stdout.strip()
    node.exec(["sh", "-c", f"printf XX | dd of={path} bs=1 seek=100 conv=notrunc status=none"])
    if node.release > 11:
        proof = {"stanza": STANZA, "method": "physical", "max_age": "1 day", "verify": "checksum"}
        assert torn in inside.run(node, "pg_backup", proof, user="root").failure
    else:
        # The pgBackRest of the oldest release proves nothing; what is known comes from a host with a later one.
        node.exec(["install", "-d", str(Path(PROOFS).parent)])
        node.write(PROOFS, ledger.found_damaged(torn))
    asked: dict[str, Any] = {"target": "latest", "running_server": "stop"}
    for check in (True, False):
        assert f"needs WAL segment {torn}" in refused(ledger.recover(check=check, **asked))
    assert torn in refused(ledger.recover(**{**asked, "target": "time", "target_value": target}))
    # What lies before it is reached, and where it is told from elsewhere it counts as well.
    assert made(ledger.recover(check=True, **{**asked, "target": "lsn", "target_value": before}))["changed"]
    told = json.loads(node.exec(["cat", PROOFS]).stdout)
    node.exec(["rm", PROOFS])
    assert torn in refused(ledger.recover(proofs=told, **asked))
    assert made(ledger.recover(check=True, **asked))["changed"]


# -- killed ----------------------------------------------------------------------


PLACES = (
    "._recovery.repository:endings",
    "._recovery.repository:Repository.restore",
    "._recovery.proof:Prover.prove",
    "._recovery.trial:Trial.until_stopped",
    "._recovery.trial:Trial.promote",
    "._recovery.trial:Trial.stop",
    "._recovery.exchange:aside",
    "._recovery.exchange:put",
    "._recovery.exchange:start",
    "._recovery.exchange:clear",
)


def test_what_was_written_after_the_proof_is_part_of_the_end_of_the_archive(ledger: Backed) -> None:
    """The run dies when all was proven, the host starts the old data again, and people work with it."""
    cluster = ledger.cluster
    ledger.backup()
    asked: dict[str, Any] = {"target": "latest", "running_server": "stop"}
    ended = ledger.recover(die=Interrupt(("._recovery.exchange:aside",)), **asked)
    assert ended.killed, ended.text
    ledger.node.exec(["systemctl", "start", cluster.unit])
    cluster.psql("INSERT INTO ledger (who) VALUES (7)")
    cluster.stop()
    foreseen = made(ledger.recover(check=True, **asked))
    done = made(ledger.recover(**asked))
    assert foreseen["steps"] == done["steps"]
    assert "once more" in str(done["warnings"])
    assert cluster.psql("SELECT count(*) FROM ledger") == "101"
    assert ledger.files() == ["main", *ledger.aside]


def test_a_second_one_is_told_at_once_what_the_first_is_at(ledger: Backed) -> None:
    ledger.backup()
    ledger.archived()
    asked = ledger.options(target="latest", running_server="stop")
    at = Interrupt(("._recovery.repository:Repository.restore",))
    with inside.held(ledger.node, "pg_recover", asked, at, user="root") as run:
        for check in (True, False):
            sentence = refused(ledger.recover(check=check, target="immediate", running_server="stop"))
            assert f"recovery of stanza {STANZA}, to the end of the archive, at restore" in sentence
        made(run.finish())
    assert ledger.cluster.psql("SELECT count(*) FROM ledger") == "100"


def test_one_that_is_asked_to_end_says_how_things_are(ledger: Backed) -> None:
    """Its session is gone while the restored server runs; nobody else is there to stop that."""
    cluster, node = ledger.cluster, ledger.node
    ledger.backup()
    ledger.archived()
    asked: dict[str, Any] = {"target": "latest", "running_server": "stop"}
    at = Interrupt(("._recovery.trial:Trial.stop",))
    with inside.held(node, "pg_recover", ledger.options(**asked), at, user="root") as run:
        assert node.exec(["pgrep", "-f", "trial.conf"]).stdout
        node.exec(["pkill", "-HUP", "-f", "[r]un.py"])
        sentence = run.finish().failure
    assert "ended by SIGHUP before it was through" in sentence
    assert f"was stopped by this run and still is, with its data as it was: systemctl start {cluster.unit}" in sentence
    assert node.exec(["pgrep", "-f", "trial.conf"], check=False).returncode == 1
    assert made(ledger.recover(**asked))["changed"]
    assert cluster.psql("SELECT count(*) FROM ledger") == "100"
    assert ledger.files() == ["main", *ledger.aside]


def test_one_that_does_not_start_says_where_the_old_data_is_and_how_to_go_back(ledger: Backed) -> None:
    cluster, node = ledger.cluster, ledger.node
    ledger.backup()
    target = ledger.now()
    cluster.psql("INSERT INTO ledger (who) VALUES (5)")
    asked: dict[str, Any] = {"target": "time", "target_value": target, "running_server": "stop"}
    assert ledger.recover(die=Interrupt(("._recovery.exchange:start",)), **asked).killed
    broken = f"{cluster.config_directory}/conf.d/broken.conf"
    node.exec(["install", "-d", f"{cluster.config_directory}/conf.d"])
    node.write(broken, "no_such_setting = 1\n", mode="0644")
    for _each in range(2):
        ended = ledger.recover(**asked)
        assert "does not start on it" in ended.failure
        [old] = ledger.aside
        assert ended.result["old_data"] == f"/var/lib/postgresql/{ledger.version}/{old}"
        assert f"What was there before is in {ended.result['old_data']}." in ended.failure
    # As it says, to the letter.
    node.exec(["rm", broken])
    node.exec(["sh", "-c", ended.failure.rpartition("for another run: ")[2]])
    assert cluster.psql("SELECT count(*) FROM ledger") == "101"
    assert ledger.aside == []
    # And from there the recovery goes on.
    done = made(ledger.recover(**asked))
    assert cluster.psql("SELECT count(*) FROM ledger") == "100"
    assert ledger.files() == ["main", old]
    assert done["old_data"].endswith(old)


@pytest.mark.parametrize("running", ["stop", "stop_last"])
def test_a_run_that_ends_anywhere_is_finished_by_the_next(ledger: Backed, running: str) -> None:
    """All places one after the other in one recovery: each run dies a little later than the one before."""
    cluster = ledger.cluster
    ledger.backup()
    target = ledger.now()
    cluster.psql("INSERT INTO ledger (who) VALUES (5)")
    asked: dict[str, Any] = {"target": "time", "target_value": target, "running_server": running}
    stop = "._recovery.exchange:stop"
    last = PLACES.index("._recovery.exchange:aside")
    for place in (stop, *PLACES) if running == "stop" else (*PLACES[:last], stop, *PLACES[last:]):
        ended = ledger.recover(die=Interrupt((place,)), **asked)
        assert ended.killed, (place, ended.text)
    done = made(ledger.recover(**asked))
    assert cluster.psql("SELECT count(*) FROM ledger") == "100"
    assert done["timeline"] == 2
    assert ledger.files() == ["main", *ledger.aside]
    assert len(ledger.aside) == 1
    assert not made(ledger.recover(**asked))["changed"]
    assert ledger.node.exec(["pgrep", "-f", "trial.conf"], check=False).returncode == 1
    assert ledger.node.exec(["find", "/tmp", "-name", "runbook-wal-*"]).stdout == ""
