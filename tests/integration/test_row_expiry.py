"""Old rows of plain tables leave as said, and what is in the files is what left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._copy import CopyConnection
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Unreachable
from lab.waiting import wait_until
from tests.integration.expiries import STAMP, Expiries
from tests.integration.partitions import DATABASE, Partitions
from tests.integration.servers import alter

EXPIRY = "ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry"
HOSTILE = '"He said ""hi"".t; --"'


@pytest.fixture
def expiries(partitions: Partitions, tmp_path: Path) -> Expiries:
    partitions.run(
        "CREATE TABLE t (k bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text, twice int GENERATED ALWAYS AS "
        "(length(v) * 2) STORED)",
        "INSERT INTO t (v) SELECT CASE WHEN n % 7 = 0 THEN NULL ELSE repeat(E'\\n\\\\N,\"', n % 5) || n END "
        "FROM generate_series(1, 150) n",
        "ANALYZE t",
    )
    return Expiries(partitions, tmp_path / "deep" / "archive")


def test_rows_leave_in_batches_and_come_back(expiries: Expiries) -> None:
    before = expiries.state()[0]
    [told] = expiries.done(expiries.wish(batch_rows=40))
    assert expiries.stored() == list(range(100, 151))
    assert (told["rows"], told["batches"], told["finished"], told["due_exact"]) == (99, 3, True, True)
    assert [each["rows"] for each in told["files"]] == [40, 40, 19]
    files = expiries.files()
    assert [str(each) for each in files] == [each["file"] for each in told["files"]]
    assert {oct(each.stat().st_mode & 0o777) for each in expiries.place.iterdir()} == {"0o600"}
    assert {each["state"] for each in expiries.manifests()} == {"deleted"}
    for each in files:
        expiries.put_back(each)
    assert expiries.state()[0] == before


@pytest.mark.parametrize(
    ("column", "value", "retention", "zone"),
    [
        ("timestamptz", "now() - interval '10 days' + (n - 99.5) * interval '1 hour'", "10 days", "UTC"),
        ("date", "current_date - 10 + (n - 100)", "10 days", "UTC"),
        (
            "timestamp",
            "(now() AT TIME ZONE 'Asia/Tokyo') - interval '10 days' + (n - 99.5) * interval '1 hour'",
            "10 days",
            "Asia/Tokyo",
        ),
    ],
)
def test_columns_of_time(expiries: Expiries, column: str, value: str, retention: str, zone: str) -> None:
    expiries.partitions.run(
        f'ALTER TABLE t ADD "at; ""%s" {column}',
        f'UPDATE t SET "at; ""%s" = {value} FROM generate_series(1, 148) n WHERE n = k',  # noqa: S608 - of this test
        'CREATE INDEX ON t ("at; ""%s" DESC)',
    )
    [told] = expiries.done(expiries.wish(column='at; "%s', retention=retention, timezone=zone))
    assert told["rows"] == 99
    # Rows without a time stay.
    assert expiries.stored() == list(range(100, 151))


def test_dropped_without_files(expiries: Expiries) -> None:
    [told] = expiries.done(expiries.wish(on_expiry="drop", batch_rows=40))
    assert (told["rows"], told["batches"], told["files"]) == (99, 3, [])
    assert expiries.stored() == list(range(100, 151))
    assert expiries.contents() == {}


def test_a_condition_of_the_owner(expiries: Expiries) -> None:
    expiries.partitions.run(
        "CREATE FUNCTION wanted(text) RETURNS boolean LANGUAGE sql AS $$SELECT $1 LIKE '%1{}' OR $1 IS NULL$$",
        "UPDATE t SET v = '%1{}' WHERE k IN (3, 5)",
    )
    [told] = expiries.done(expiries.wish(where="wanted(v) -- {}\n AND NOT EXISTS (SELECT 1 WHERE t.v = '')"))
    assert told["rows"] == 2 + 99 // 7
    assert 3 not in expiries.stored()


@pytest.mark.parametrize(
    "where",
    ["true) OR (true", "true THEN 1 END OR CASE WHEN true", "true -- \\", "count(*) > 1", "no_such = 1", "1", "/*"],
)
def test_a_condition_that_is_not_one_is_refused(expiries: Expiries, where: str) -> None:
    if where.startswith("true --"):
        assert expiries(expiries.wish(where=where), check=True)["tables"][0]["rows"] == 99
        return
    assert "where is no condition that the server takes" in expiries.refused(expiries.wish(where=where))


def test_hostile_names(expiries: Expiries) -> None:
    expiries.partitions.run(
        f'CREATE SCHEMA {HOSTILE}; CREATE TABLE {HOSTILE}."%s {{x}}/../ü" ("select" int PRIMARY KEY, "a""b; --" text)',
        f"INSERT INTO {HOSTILE}.\"%s {{x}}/../ü\" SELECT n, 'x' FROM generate_series(1, 120) n",  # noqa: S608 - names of this test
    )
    wish = expiries.wish(table=f'{HOSTILE}."%s {{x}}/../ü"', column="select")
    [told] = expiries.done(wish)
    assert told["rows"] == 99
    [file] = expiries.files()
    assert file.parent == expiries.place
    expiries.put_back(file)
    count = f'SELECT count(*) FROM {HOSTILE}."%s {{x}}/../ü"'  # noqa: S608 - names of this test
    assert expiries.partitions.value(count) == 120


def test_rows_in_use_are_left_for_the_next_run(expiries: Expiries) -> None:
    with expiries.partitions.connect() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE t SET v = 'changed' WHERE k IN (7, 50)")
        result = expiries(expiries.wish(batch_rows=40))
        assert not result.get("failed"), result
        [told] = result["tables"]
        assert (told["rows"], told["finished"]) == (97, False)
        assert "in use by other sessions" in told["warnings"][0]
        cursor.execute("COMMIT")
    assert expiries.stored()[:3] == [7, 50, 100]
    [told] = expiries.done(expiries.wish())
    assert told["rows"] == 2
    # As they were changed.
    expiries.put_back(expiries.files()[-1])
    assert expiries.partitions.rows("SELECT v FROM t WHERE k < 100") == [("changed",), ("changed",)]


REFUSALS: list[tuple[str, dict[str, Any], str]] = [
    ("", {"column": "v"}, "of type text"),
    ("", {"column": "none"}, "has no column none"),
    ("ALTER TABLE t DROP CONSTRAINT t_pkey", {}, "no index that begins with k"),
    ("ALTER TABLE t DROP CONSTRAINT t_pkey; CREATE INDEX ON t (k) WHERE k > 5", {}, "no index that begins with k"),
    ("", {"retention": "10 days"}, "the first one that stays"),
    ("", {"table": "nothing"}, "There is no table nothing"),
    # What is no name at all is an error to some versions and nothing to others.
    ("", {"table": "a b"}, "quote"),
    ("CREATE TABLE p (k int) PARTITION BY RANGE (k)", {"table": "p"}, "is partitioned"),
    ("CREATE VIEW w AS SELECT * FROM t", {"table": "w"}, "no plain table"),
    ("CREATE TABLE child (k bigint REFERENCES t ON DELETE CASCADE)", {}, "child by child_k_fkey (ON DELETE CASCADE)"),
    ("CREATE TABLE child (k bigint REFERENCES t)", {}, "(ON DELETE NO ACTION)"),
    ("CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING", {}, "has a rule for DELETE"),
    ("", {"archive": {"destination": "/etc/hostname/none"}}, "is a file"),
    ("", {"archive": {"destination": "relative"}}, "not an absolute path"),
    ("", {"where": "true; DROP TABLE t"}, "without a semicolon"),
    ("", {"batch_rows": 0}, "from 1 to"),
    ("", {"timezone": "Mars/Base"}, "is not known on this host"),
]


@pytest.mark.parametrize(("statement", "options", "words"), REFUSALS)
def test_refusals_come_before_any_change(
    expiries: Expiries, statement: str, options: dict[str, Any], words: str
) -> None:
    expiries.partitions.run("CREATE TABLE first (k int PRIMARY KEY)", "INSERT INTO first VALUES (1)")
    if statement:
        expiries.partitions.run(statement)
    said = expiries.refused(expiries.wish(table="first"), expiries.wish(**options))
    assert words in said
    assert "\n" not in said


def test_a_role_without_the_rights_is_refused(expiries: Expiries) -> None:
    expiries.partitions.run("GRANT SELECT, DELETE ON t TO plain")
    assert "GRANT SELECT, UPDATE, DELETE" in expiries.refused(expiries.wish(), user="plain")
    expiries.partitions.run("GRANT UPDATE ON t TO plain")
    assert "GRANT pg_monitor" in expiries.refused(expiries.wish(), user="plain", max_replica_lag="1 MB")
    expiries.partitions.run("ALTER TABLE t ENABLE ROW LEVEL SECURITY")
    assert "Row-level security" in expiries.refused(expiries.wish(), user="plain")
    expiries.partitions.run("ALTER TABLE t DISABLE ROW LEVEL SECURITY")
    assert expiries.done(expiries.wish(), user="plain")[0]["rows"] == 99


def test_references_when_told(expiries: Expiries) -> None:
    expiries.partitions.run("CREATE TABLE child (k bigint REFERENCES t)", "INSERT INTO child VALUES (45)")
    result = expiries(expiries.wish(allow_references=True, batch_rows=40))
    assert "violates foreign key" in result["msg"]
    assert "the next run goes on" in result["msg"]
    assert result["changed"]
    # The first batch has left; the second is nowhere but in the table.
    assert expiries.stored()[0] == 41
    assert len(expiries.files()) == 1
    assert len(expiries.contents()) == 2
    spared = expiries.wish(allow_references=True, where="NOT EXISTS (SELECT FROM child c WHERE c.k = t.k)")
    assert expiries.done(spared)[0]["rows"] == 58


def test_a_trigger_that_keeps_rows_is_noticed(expiries: Expiries) -> None:
    expiries.partitions.run(
        "CREATE FUNCTION spare() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF OLD.k = 5 THEN RETURN NULL; END IF; "
        "RETURN OLD; END$$",
        "CREATE TRIGGER spare BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION spare()",
    )
    before = expiries.state()
    result = expiries(expiries.wish())
    assert "deleted 98 of 99 rows" in result["msg"]
    assert result["changed"] is False
    assert expiries.state() == (before[0], {})


def test_triggers_find_what_they_name(expiries: Expiries) -> None:
    expiries.partitions.run(
        "CREATE TABLE log (k bigint)",
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO log VALUES (OLD.k); "
        "RETURN NULL; END$$",
        "CREATE TRIGGER note AFTER DELETE ON t FOR EACH ROW EXECUTE FUNCTION note()",
    )
    expiries.done(expiries.wish())
    assert expiries.partitions.value("SELECT count(*) FROM log") == 99


def test_a_lock_that_is_not_had_is_given_up(expiries: Expiries) -> None:
    with expiries.partitions.connect() as cursor:
        cursor.execute("BEGIN; LOCK TABLE t IN SHARE MODE")
        result = expiries(expiries.wish(), lock_timeout=0.2)
    assert "another session held a lock" in result["msg"]
    assert 0.1 < result["tables"][0]["longest_lock_wait_seconds"] < 2
    assert expiries.contents() == {}
    expiries.done(expiries.wish())


def test_time_that_is_over_leaves_the_rest_for_the_next_run(expiries: Expiries) -> None:
    result = expiries(expiries.wish(batch_rows=40), batch_pause=0.6, max_seconds=0.5)
    [told] = result["tables"]
    assert (told["rows"], told["finished"], told["failure"]) == (40, False, None)
    assert not result.get("failed")
    assert expiries.done(expiries.wish(batch_rows=40))[0]["rows"] == 59


def test_a_second_run_is_refused_while_the_first_goes_on(expiries: Expiries) -> None:
    oid = expiries.partitions.value("SELECT 't'::regclass::oid::bigint")
    with expiries.partitions.connect() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [(0x52425047 << 32) | oid])
        result = expiries(expiries.wish(), lock_timeout=0.2)
    assert "another run" in result["msg"]
    assert expiries.stored()[0] == 1


def test_one_table_that_fails_does_not_keep_the_next(expiries: Expiries) -> None:
    expiries.partitions.run(
        "CREATE TABLE other (k int PRIMARY KEY)",
        "INSERT INTO other VALUES (1)",
        "CREATE TABLE child (k bigint REFERENCES t)",
        "INSERT INTO child VALUES (45)",
    )
    result = expiries(expiries.wish(allow_references=True), expiries.wish(table="other", on_expiry="drop"))
    assert result["failed"]
    assert expiries.partitions.value("SELECT count(*) FROM other") == 0


# -- what an interrupted run leaves ----------------------------------------------


class CutHere(BaseException):
    """The client is gone, as after kill -9."""


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The connection is lost right before or right after the COMMIT of the first batch."""

    def arrange(*, after: bool, kind: type[BaseException] = CutHere) -> None:
        whole = CopyConnection.fetch

        def fetch(self: CopyConnection, query: Any, values: Any = None) -> Any:
            if query == "COMMIT":
                if after:
                    whole(self, query, values)
                self._connection.close()
                raise kind("cut")
            return whole(self, query, values)

        monkeypatch.setattr(CopyConnection, "fetch", fetch)

    yield arrange
    monkeypatch.undo()


@pytest.mark.parametrize("after", [False, True])
def test_a_commit_whose_end_nobody_saw_is_settled_by_the_server(
    expiries: Expiries, cut: Any, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    before = expiries.state()[0]
    cut(after=after, kind=Unreachable)
    result = expiries(expiries.wish(batch_rows=40), expiries.wish(table="t2", on_expiry="drop"))
    assert "There is no table t2" in result["msg"]
    result = expiries(expiries.wish(batch_rows=40))
    assert "for the next run to find out" in result["msg"]
    # It may have.
    assert result["changed"] is True
    monkeypatch.undo()
    [left] = expiries.manifests()
    assert left["state"] == "pending"
    told = expiries.done(expiries.wish(batch_rows=40))[0]
    assert [each.split()[0] for each in told["settled"]] == ["confirm" if after else "remove"]
    assert told["rows"] == (59 if after else 99)
    assert [each["rows"] for each in expiries.manifests()] == [40, 40, 19]
    assert {each["state"] for each in expiries.manifests()} == {"deleted"}
    for each in expiries.files():
        expiries.put_back(each)
    assert expiries.state()[0] == before


def test_a_transaction_number_that_was_given_again_is_not_believed(
    expiries: Expiries, cut: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that crashes may give it to somebody else, who commits."""
    cut(after=False, kind=Unreachable)
    expiries(expiries.wish())
    monkeypatch.undo()
    [file] = expiries.files()
    manifest = Path(f"{file}.manifest.json")
    told = json.loads(manifest.read_text())
    # One that is committed.
    told["transaction"] = str(expiries.partitions.value("SELECT xmin::text FROM pg_class WHERE relname = 't'"))
    manifest.write_text(json.dumps(told))
    result = expiries.done(expiries.wish())[0]
    assert result["settled"][0].startswith("remove")
    assert result["rows"] == 99


def test_a_part_of_a_future_and_one_without_a_file(expiries: Expiries) -> None:
    expiries.done(expiries.wish())
    [file] = expiries.files()
    manifest = Path(f"{file}.manifest.json")
    told = {**json.loads(manifest.read_text()), "state": "pending"}
    manifest.write_text(json.dumps(told))
    # Committed: the file must not be missing.
    content = file.read_bytes()
    file.unlink()
    assert "is missing" in expiries(expiries.wish())["msg"]
    file.write_bytes(content)
    assert expiries.done(expiries.wish())[0]["settled"][0].startswith("confirm")
    # Of a cluster that nobody can tell from another, of a time that has not come.
    manifest.write_text(json.dumps({**told, "transaction": "99999999999", "system_identifier": None}))
    kept = expiries.done(expiries.wish())[0]
    assert kept["settled"][0].startswith("keep")
    assert expiries.files() == [file]
    manifest.write_text("{}")
    assert "no whole manifest" in expiries.refused(expiries.wish())


def test_a_transaction_that_goes_on_is_waited_for_and_then_refused(
    expiries: Expiries, cut: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(after=False, kind=Unreachable)
    expiries(expiries.wish())
    monkeypatch.undo()
    [file] = expiries.files()
    manifest = Path(f"{file}.manifest.json")
    told = json.loads(manifest.read_text())
    with expiries.partitions.connect() as cursor:
        cursor.execute("BEGIN; SELECT pg_current_xact_id()::text")
        manifest.write_text(json.dumps({**told, "transaction": cursor.fetchone()[0]}))
        monkeypatch.setattr(f"{EXPIRY}.catalog.NOTICE_SECONDS", 0.5)
        assert "is still going on" in expiries.refused(expiries.wish())
    assert expiries.done(expiries.wish())[0]["settled"][0].startswith("remove")


def test_a_manifest_that_cannot_be_brought_up_to_date_is_made_up_for(
    expiries: Expiries, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_words: object) -> None:
        raise OSError(28, "No space left on device", "m")

    monkeypatch.setattr(f"{EXPIRY}.run.confirm", fail)
    result = expiries(expiries.wish(batch_rows=40))
    assert "are deleted, and its manifest could not be brought up to date: No space left" in result["msg"]
    assert (result["changed"], result["tables"][0]["rows"]) == (True, 40)
    monkeypatch.undo()
    told = expiries.done(expiries.wish(batch_rows=40))[0]
    assert (told["settled"][0].split()[0], told["rows"]) == ("confirm", 59)


def test_what_is_published_is_told_and_a_table_twice_is_refused(expiries: Expiries) -> None:
    expiries.partitions.run("CREATE PUBLICATION inserts FOR TABLE t WITH (publish = 'insert')")
    assert expiries(expiries.wish(), check=True)["tables"][0]["warnings"] == []
    expiries.partitions.run("CREATE PUBLICATION everything FOR TABLE t")
    assert "published by everything: subscribers" in expiries(expiries.wish(), check=True)["tables"][0]["warnings"][0]
    assert "names public.t twice" in expiries.refused(expiries.wish(), expiries.wish(table="public.t"))


def test_a_file_is_never_written_over(expiries: Expiries, monkeypatch: pytest.MonkeyPatch) -> None:
    expiries.done(expiries.wish(retention="50"))
    [file] = expiries.files()
    content = file.read_bytes()
    monkeypatch.setattr(f"{EXPIRY}.files.file_of", lambda *_words: file)
    assert "no file is written over" in expiries(expiries.wish())["msg"]
    assert file.read_bytes() == content
    assert expiries.stored()[0] == 50


def test_what_was_half_written_goes(expiries: Expiries) -> None:
    expiries.done(expiries.wish(batch_rows=40))
    assert STAMP.search(expiries.files()[0].name)
    stem = expiries.files()[0].name.rpartition("-")[0]
    for name in (f".{stem}-000004.csv.zst.age.partial", f".{stem}-000004.csv.manifest.json.partial", ".other.partial"):
        (expiries.place / name).write_text("half")
    expiries(expiries.wish())
    assert [each.name for each in expiries.place.iterdir() if each.name.startswith(".")] == [".other.partial"]


# -- standbys ----------------------------------------------------------------------


def test_a_standby_that_stands_still_is_waited_for(expiries: Expiries) -> None:
    server = expiries.partitions.server
    server.run("SELECT pg_wal_replay_pause()", database="postgres", standby=True)
    try:
        server.run("CREATE TABLE wal AS SELECT repeat('x', 500) FROM generate_series(1, 3000)", database=DATABASE)
        result = expiries(expiries.wish(batch_rows=40), max_replica_lag="100 kB", lag_patience=1)
        assert "more than 100 kB, and did not catch up within 1 s" in result["msg"]
        assert result["waited_for"]
        assert result["tables"][0]["waited_for_replicas_seconds"] >= 1
        assert result["changed"] is False
        assert expiries.stored()[0] == 1
    finally:
        server.run("SELECT pg_wal_replay_resume()", database="postgres", standby=True)
    result = expiries(expiries.wish(retention="50"), max_replica_lag="100 kB", lag_patience=60)
    assert result["tables"][0]["finished"] is True, result


def test_a_standby_that_stands_still_is_late_by_time_as_well(expiries: Expiries) -> None:
    """Which the server itself does not tell of one that stops between batches."""
    server = expiries.partitions.server
    caught_up = "SELECT bool_and(replay_lsn = pg_current_wal_lsn()) FROM pg_stat_replication"
    wait_until("the standby has replayed it all", lambda: server.value(caught_up) is True)
    server.run("SELECT pg_wal_replay_pause()", database="postgres", standby=True)
    try:
        result = expiries(expiries.wish(batch_rows=1), max_replica_lag="1 s", lag_patience=0.5, batch_pause=0.3)
        assert "more than 1 s, and did not catch up within 0.5 s" in result["msg"]
        assert 0 < result["tables"][0]["rows"] < 20
    finally:
        server.run("SELECT pg_wal_replay_resume()", database="postgres", standby=True)


def test_a_standby_that_is_late_slows_it_down(expiries: Expiries) -> None:
    server = expiries.partitions.server
    alter(server, {"recovery_min_apply_delay": "700ms"}, standby=True)
    try:
        wait_until(
            "the delay counts",
            lambda: server.value("SHOW recovery_min_apply_delay", database="postgres", standby=True) == "700ms",
        )
        # The deletions alone.
        result = expiries(expiries.wish(batch_rows=20), max_replica_lag="1 kB", lag_patience=30)
        [told] = result["tables"]
        assert told["rows"] == 99, result
        assert told["waited_for_replicas_seconds"] > 1
    finally:
        alter(server, {"recovery_min_apply_delay": None}, standby=True)


def test_a_standby_itself_is_refused(expiries: Expiries) -> None:
    parameters = expiries.partitions.server.parameters(DATABASE, standby=True)
    result = expiries(expiries.wish(), login_host=parameters["host"], login_port=int(parameters["port"]))
    assert "is a standby" in result["msg"] or "does not exist" in result["msg"]
