"""pg_vacuum: what is due is done and nothing else, nobody waits for it, and a run that was ended is gone on with."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg2 import sql

from lab.waiting import wait_until
from tests.integration import played
from tests.integration.objects import DATABASE, Calls, database
from tests.integration.partitions import Partitions
from tests.integration.servers import Server
from tests.integration.test_partition_names import HOSTILE

# Ours, so that what the server's own catalogs need is not counted.
ONLY: dict[str, Any] = {"databases": [DATABASE]}


@pytest.fixture
def vacuum(server: Server) -> Iterator[Calls]:
    with database(server, "pg_vacuum") as calls:
        # All that the database begins with is done, so that tests see their own tables alone.
        assert not calls(**ONLY, max_age="0").get("failed")
        yield calls


def done(calls: Calls, **options: Any) -> list[str]:
    """What a run did, which the dry run foretold, and after which nothing is due."""
    foretold = calls(check=True, **options)
    result = calls(**options)
    assert not result.get("failed"), result
    assert (result["changed"], result["diff"]) == (foretold["changed"], foretold["diff"])
    assert [told(each) for each in result["tables"]] == [told(each) for each in foretold["tables"]]
    for check in (True, False):
        again = calls(check=check, **options)
        assert (again["changed"], again["tables"], again["diff"], again["finished"]) == (False, [], [], True), again
    return [told(each) for each in result["tables"]]


def told(entry: dict[str, Any]) -> str:
    doings = [word for word in ("vacuumed", "analyzed") if entry[word]]
    return f"{entry['table']} {' '.join(doings)}"


def since(calls: Calls, name: str, what: str) -> Any:
    return calls.value(f"SELECT pg_stat_get_last_{what}_time(%s::regclass)", [name])


def test_what_is_due_is_done_and_only_that(vacuum: Calls) -> None:
    vacuum.run(
        "CREATE TABLE much AS SELECT generate_series(1, 5000) AS k",
        "CREATE TABLE little AS SELECT 1 AS k",
        "CREATE MATERIALIZED VIEW seen AS SELECT * FROM little",
        "DELETE FROM much WHERE k > 100",
        "CREATE VIEW none AS SELECT 1",
    )
    foretold = vacuum(check=True, **ONLY)
    assert foretold["changed"] is True
    assert "-" not in foretold["diff"][0]["after"]
    assert "objects: public.much, vacuumed never, analyzed never\n" in foretold["diff"][0]["before"]
    assert since(vacuum, "much", "vacuum") is None
    both = "vacuumed analyzed"
    assert done(vacuum, **ONLY) == [f"public.much {both}", f"public.little {both}", f"public.seen {both}"]
    assert vacuum.value("SELECT n_dead_tup FROM pg_stat_all_tables WHERE relname = 'much'") == 0
    assert vacuum.value("SELECT reltuples FROM pg_class WHERE relname = 'much'") == 100
    # Ready for whoever reads only the index.
    assert vacuum.value("SELECT relallvisible > 0 FROM pg_class WHERE relname = 'much'")


def test_a_partitioned_table_is_analyzed_as_a_whole(vacuum: Calls) -> None:
    vacuum.run(
        "CREATE TABLE events (k int) PARTITION BY RANGE (k)",
        "CREATE TABLE events_low PARTITION OF events FOR VALUES FROM (0) TO (100)",
        "CREATE TABLE events_high PARTITION OF events FOR VALUES FROM (100) TO (200)",
        "INSERT INTO events SELECT generate_series(0, 199)",
        "CREATE TABLE other AS SELECT 1",
    )
    assert done(vacuum, tables=["events"], login_db=DATABASE) == [
        "public.events_high vacuumed",
        "public.events_low vacuumed",
        "public.events analyzed",
    ]
    inherited = "SELECT count(*) FROM pg_statistic WHERE starelid = 'events'::regclass AND stainherit"
    assert vacuum.value(inherited) == 1
    assert since(vacuum, "events_low", "analyze") is not None
    assert since(vacuum, "other", "vacuum") is None


def test_a_table_that_somebody_holds_is_left_and_nobody_queues_behind_it(vacuum: Calls, server: Server) -> None:
    vacuum.run("CREATE TABLE held AS SELECT 1 AS k", "CREATE TABLE free AS SELECT 1 AS k")
    with server.connect(DATABASE) as holder, holder.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE held IN SHARE UPDATE EXCLUSIVE MODE")
        result = vacuum(**ONLY)
    assert [told(each) for each in result["tables"]] == ["public.free vacuumed analyzed"]
    assert result["left"] == [
        {"database": DATABASE, "table": "public.held", "reason": "another session holds a lock on it"}
    ]
    assert result["finished"] is False
    assert done(vacuum, **ONLY) == ["public.held vacuumed analyzed"]


def test_when_the_time_is_over_the_rest_is_for_the_next_run(vacuum: Calls) -> None:
    vacuum.run("CREATE TABLE one AS SELECT 1 AS k", "CREATE TABLE two AS SELECT 1 AS k")
    result = vacuum(**ONLY, max_seconds=0.000001)
    assert (result["changed"], result["finished"]) == (False, False)
    assert {each["reason"] for each in result["left"]} == {"max_seconds (1e-06) were over"}
    assert len(done(vacuum, **ONLY)) == 2


def test_a_run_whose_session_is_ended_tells_what_it_did_and_is_gone_on_with(vacuum: Calls) -> None:
    vacuum.run(
        "CREATE TABLE first AS SELECT generate_series(1, 5000) AS k",
        "CREATE TABLE slow AS SELECT k, repeat('x', 1900) AS pad FROM generate_series(1, 4000) k",
    )
    ended: dict[str, Any] = {}
    # It rests for a tenth of a second after each few pages.
    run = threading.Thread(target=lambda: ended.update(vacuum(tables=["first", "slow"], cost_delay=100)))
    run.start()
    working = "SELECT pid FROM pg_stat_progress_vacuum WHERE relid = 'slow'::regclass"
    wait_until("it works on the large one", lambda: vacuum.rows(working))
    vacuum.value("SELECT pg_terminate_backend(%s)", [vacuum.value(working)])
    run.join(60)
    assert not run.is_alive()
    assert ended["failed"]
    assert "It was at public.slow; run this again." in ended["msg"]
    assert (ended["changed"], [told(each) for each in ended["tables"]]) == (True, ["public.first vacuumed analyzed"])
    assert done(vacuum, **ONLY) == ["public.slow vacuumed analyzed"]


def test_rows_that_are_old_are_frozen_before_the_server_chooses_when(vacuum: Calls) -> None:
    vacuum.run("CREATE TABLE old AS SELECT generate_series(1, 10) AS k")
    assert done(vacuum, tables=["old"]) == ["public.old vacuumed analyzed"]
    vacuum.run(
        "ALTER DATABASE objects SET vacuum_freeze_table_age = 3", "ALTER DATABASE objects SET vacuum_freeze_min_age = 0"
    )
    for _ in range(5):
        vacuum.run("SELECT txid_current()")
    assert [told(each) for each in vacuum(tables=["old"])["tables"]] == ["public.old vacuumed"]
    assert vacuum.value("SELECT age(relfrozenxid) FROM pg_class WHERE relname = 'old'") < 3


def test_names_are_taken_as_they_are(vacuum: Calls) -> None:
    for name in HOSTILE:
        vacuum.server.run(sql.SQL("CREATE TABLE {} AS SELECT 1 AS k").format(sql.Identifier(name)), database=DATABASE)
    assert sorted(done(vacuum, **ONLY)) == sorted(f"public.{name} vacuumed analyzed" for name in HOSTILE)


def test_tables_of_others_are_named_and_left(vacuum: Calls) -> None:
    vacuum.run("CREATE TABLE theirs AS SELECT 1 AS k", "CREATE TABLE own (k int)", "ALTER TABLE own OWNER TO plain")
    result = vacuum(**ONLY, user="plain")
    assert [told(each) for each in result["tables"]] == ["public.own vacuumed analyzed"]
    (warning,) = result["warnings"]
    assert "public.theirs of objects belong to other roles and are left alone" in str(warning)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"max_age": "a while"}, "max_age 'a while' is no time"),
        ({"max_age": "-1 day"}, "is before now"),
        ({"databases": ["nowhere"]}, "There is no database nowhere"),
        ({"databases": ["template0"]}, "Database template0 takes no connections"),
        ({"tables": ["nowhere"]}, "There is no table nowhere"),
        ({"tables": ["pg_views"]}, "pg_views is no table"),
    ],
)
def test_what_cannot_be_done_is_refused(vacuum: Calls, options: dict[str, Any], reason: str) -> None:
    assert reason in vacuum.refused(**options)


def test_a_standby_is_refused(server: Server) -> None:
    calls = Calls(server, "pg_vacuum")
    parameters = server.parameters("postgres", standby=True)
    result = calls(login_host=parameters["host"], login_port=int(parameters["port"]), login_db="postgres")
    assert result["msg"] == "This server is a standby, which takes no changes: run this on its primary."


def test_the_playbook_on_a_cluster(partitions: Partitions, tmp_path: Path) -> None:
    partitions.run("CREATE TABLE due AS SELECT 1 AS k")
    wanted = {"vacuum_databases": ["parts"]}
    code, said = played.played(partitions, tmp_path, "vacuum", wanted, "--check", "--diff")
    assert code == 0, said
    assert "+parts: public.due, vacuumed and analyzed" in said
    assert "second is a standby: it is vacuumed and analyzed with its primary." in said
    server = partitions.server
    with server.connect("parts") as holder, holder.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE due IN SHARE MODE")
        code, said = played.played(partitions, tmp_path, "vacuum", wanted)
    assert code == 0, said
    assert "1 tables were left for the next run, the first of them public.due of parts: another session holds" in said
    code, said = played.played(partitions, tmp_path, "vacuum", wanted)
    assert (code, "changed=1" in said) == (0, True), said
    code, said = played.played(partitions, tmp_path, "vacuum", wanted)
    assert (code, "changed=1" in said) == (0, False), said
