"""Nobody waits longer than a lock's time-out, no transaction fails, no row is lost; who is in the way is named."""

from __future__ import annotations

import csv
import gzip
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lab.waiting import wait_until
from tests.integration.partitions import DATABASE, Partitions
from tests.integration.traffic import traffic

TABLE = "CREATE TABLE {name} (k bigint NOT NULL, at timestamptz DEFAULT now()) PARTITION BY RANGE (k)"
# Every row with all its columns, and how many there are.
CONTENT = "SELECT count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)), 0) FROM t"
LOCK_TIMEOUT = 0.5
LEAST = 0.2
QUICK: dict[str, Any] = {"lock_timeout": LEAST, "retries": 1}
WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'runbook.postgres'"
)


def table(partitions: Partitions, name: str, count: int = 6, *more: str) -> None:
    """So many partitions with ten rows each; the last holds now."""
    partitions.run(
        TABLE.format(name=name),
        *(
            f"CREATE TABLE {name}{n} PARTITION OF {name} FOR VALUES FROM ({n}) TO ({n + 10})"
            for n in range(0, count * 10, 10)
        ),
        f"INSERT INTO {name} SELECT generate_series(0, {count * 10 - 1})",
        *more,
    )


@pytest.mark.parametrize("default", [False, True], ids=["plain", "with a default"])
def test_traffic_flows_while_partitions_come_and_go(partitions: Partitions, default: bool) -> None:
    table(partitions, "t", 30, *(["CREATE TABLE rest PARTITION OF t DEFAULT"] if default else []))
    wish = {"table": "t", "interval": "10", "ahead": 20, "retention": "100", "on_expiry": "drop"}
    before = partitions.value("SELECT count(*) FROM t")
    insert = "INSERT INTO t SELECT 290 + (random() * 8)::int"
    with traffic(partitions, insert, "SELECT count(*), max(k) FROM t") as toll:
        result = partitions(wish, lock_timeout=LOCK_TIMEOUT, retries=20)
    assert not result.get("failed"), result
    assert len(result["tables"][0]["created"]) == 20
    assert len(result["tables"][0]["dropped"]) == 19
    assert toll.failures == []
    assert toll.longest_seconds <= LOCK_TIMEOUT + 1
    assert partitions.value("SELECT count(*) FROM t") == before + toll.inserted - 190
    assert toll.transactions > 50


def test_no_row_is_lost_while_partitions_are_archived(partitions: Partitions, tmp_path: Path) -> None:
    """What was there, and what came meanwhile, is afterwards in the table or in an archive; the standby agrees."""
    table(partitions, "t", 30)
    wish = {"table": "t", "interval": "10", "ahead": 2, "retention": "100", "on_expiry": "archive"}
    archive = {"destination": str(tmp_path / "archive"), "compression": "gzip"}
    before = Counter(key for (key,) in partitions.rows("SELECT k FROM t"))
    insert = "INSERT INTO t SELECT 290 + (random() * 8)::int"
    with traffic(partitions, insert, "SELECT count(*), max(k) FROM t") as toll:
        result = partitions({**wish, "archive": archive}, lock_timeout=LOCK_TIMEOUT, retries=20)
    assert not result.get("failed"), result
    archives = result["tables"][0]["archives"]
    assert len(archives) == len(result["tables"][0]["dropped"]) == 19
    assert toll.failures == []
    assert toll.longest_seconds <= LOCK_TIMEOUT + 1
    kept: Counter[int] = Counter()
    for told in archives:
        with gzip.open(told["file"], "rt") as file:
            kept.update(int(row["k"]) for row in csv.DictReader(file))
    there = Counter(key for (key,) in partitions.rows("SELECT k FROM t"))
    assert sum(there.values()) + sum(kept.values()) == sum(before.values()) + toll.inserted
    # All that left is what was there before, each row once; all that stays holds the rest of it.
    assert kept == Counter({key: number for key, number in before.items() if key < 190})
    assert not before - kept - there
    wait_until(
        "the standby has the same rows",
        lambda: partitions.server.value(CONTENT, database=DATABASE, standby=True) == partitions.value(CONTENT),
    )


def test_a_table_that_is_held_does_not_keep_the_others(partitions: Partitions) -> None:
    """SHARE UPDATE EXCLUSIVE stands against attaching; the task fails at the end, and the next run finishes."""
    for name in ("a", "b", "c"):
        partitions.run(TABLE.format(name=name))
    wishes: list[dict[str, Any]] = [{"table": name, "interval": "10", "ahead": 2} for name in ("a", "b", "c")]
    with partitions.connect() as holder:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE b IN SHARE UPDATE EXCLUSIVE MODE")
        result = partitions(*wishes, **QUICK)
    assert result["failed"]
    assert result["msg"] == (
        "public.b: Could not create b_p0 of public.b from 0 to 10: another session held a lock on it through "
        "2 attempts of 0.2 s; see who with pg_health_facts and run this again."
    )
    assert [len(table["created"]) for table in result["tables"]] == [3, 0, 3]
    assert [bool(table["failure"]) for table in result["tables"]] == [False, True, False]
    assert result["changed"] is True
    assert partitions.done(*wishes)["tables"][1]["created"] == ["b_p0", "b_p10", "b_p20"]


@pytest.mark.parametrize("on_expiry", ["detach", "drop"])
def test_an_idle_reader_stands_against_detaching(partitions: Partitions, on_expiry: str) -> None:
    """Others go on meanwhile; where the server left the detach pending, the next run finishes it."""
    table(partitions, "a")
    table(partitions, "b")
    wishes = [
        {"table": name, "interval": "10", "ahead": 1, "retention": "30", "on_expiry": on_expiry} for name in ("a", "b")
    ]
    with partitions.connect() as holder:
        holder.execute("BEGIN")
        holder.execute("SELECT count(*) FROM a")
        with traffic(partitions, "INSERT INTO a VALUES (55)", "SELECT count(*) FROM a") as toll:
            result = partitions(*wishes, **QUICK)
    assert result["failed"]
    assert "detach a0 from public.a" in result["msg"]
    assert result["tables"][0]["created"] == ["a_p60"]
    assert result["tables"][1]["detached"] == ["b0", "b10"]
    assert toll.failures == []
    assert toll.longest_seconds <= LEAST + 1
    after = partitions.done(*wishes)["tables"][0]
    assert after["detached"] == ["a0", "a10"]
    assert after["dropped"] == (["a0", "a10"] if on_expiry == "drop" else [])


def test_a_lock_that_comes_free_is_waited_for(partitions: Partitions) -> None:
    partitions.run(TABLE.format(name="t"))
    results: list[dict[str, Any]] = []
    wish = {"table": "t", "interval": "10", "ahead": 0}
    with partitions.connect() as holder:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE")
        thread = threading.Thread(target=lambda: results.append(partitions(wish, lock_timeout=20)))
        thread.start()
        wait_until("the module waits for its lock", lambda: partitions.value(WAITING) == 1)
        holder.execute("ROLLBACK")
        thread.join(60)
    assert results[0]["tables"][0]["created"] == ["t_p0"]
    assert results[0]["tables"][0]["longest_attempt_seconds"] > 0


def test_a_table_that_cannot_be_looked_at_is_refused(partitions: Partitions) -> None:
    table(partitions, "t")
    with partitions.connect() as holder:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE t50 IN ACCESS EXCLUSIVE MODE")
        result = partitions({"table": "t", "interval": "10"}, **QUICK)
    assert "t could not be looked at: another session holds a lock" in result["msg"]


def test_only_few_locks_are_taken_however_many_partitions_there_are(partitions: Partitions) -> None:
    """Reading the highest number must not lock every partition: their number is bounded."""
    table(partitions, "t", 40)
    with partitions.connect() as holder:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE t0, t10, t20 IN ACCESS EXCLUSIVE MODE")
        result = partitions({"table": "t", "interval": "10", "ahead": 1}, check=True, **QUICK)
    assert result["tables"][0]["created"] == ["t_p400"]
