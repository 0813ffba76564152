"""Killed between any two statements, or in the middle of one, the next run finishes what was begun."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._session import Session
from lab.waiting import wait_until
from tests.integration.partitions import MODULE, Partitions

# Runs the module as a program of its own, whose arguments come through standard input.
PROGRAM = f"""
import importlib, json, sys
from ansible.module_utils.testing import patch_module_args
with patch_module_args(json.load(sys.stdin)):
    importlib.import_module("{MODULE}").main()
"""

KEEP = {"retention": "30", "on_expiry": "drop"}
MOST_STATEMENTS = 200


class KilledHere(BaseException):
    """The client is gone, as after kill -9: no rollback, no word to the server."""


def killed_before(number: int) -> tuple[Callable[..., Any], list[int]]:
    """Session.fetch() that loses its connection instead of running that statement; and how many ran."""
    whole, ran = Session.fetch, [0]

    def fetch(self: Session, query: Any, values: Any = None) -> list[dict[str, Any]]:
        if ran[0] == number:
            self._connection.close()
            raise KilledHere
        ran[0] += 1
        return whole(self, query, values)

    return fetch, ran


def run_until_killed(
    partitions: Partitions, monkeypatch: pytest.MonkeyPatch, number: int, wish: dict[str, Any], **options: Any
) -> bool:
    """Whether it was killed, rather than done before."""
    fetch, _ran = killed_before(number)
    with monkeypatch.context() as patch:
        patch.setattr(Session, "fetch", fetch)
        try:
            partitions(wish, **options)
        except (KilledHere, json.JSONDecodeError):
            return True
    return False


def gone(partitions: Partitions) -> None:
    """The server has noticed; until then its locks are still held."""
    clients = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'runbook.postgres'"
    wait_until("the killed session is gone", lambda: partitions.value(clients) == 0)


@pytest.mark.parametrize("default", [False, True], ids=["plain", "with a default"])
def test_killed_between_any_two_statements(
    partitions: Partitions, monkeypatch: pytest.MonkeyPatch, default: bool
) -> None:
    """With everything a run can do: partitions made and identified by index, detached and dropped."""
    statements = [
        "CREATE TABLE t (k bigint NOT NULL, PRIMARY KEY (k)) PARTITION BY RANGE (k)",
        "CREATE UNIQUE INDEX chosen ON t (k)",
        "ALTER TABLE t REPLICA IDENTITY USING INDEX chosen",
        *(f"CREATE TABLE t{n} PARTITION OF t FOR VALUES FROM ({n}) TO ({n + 10})" for n in range(0, 60, 10)),
        "INSERT INTO t SELECT generate_series(0, 59)",
        *(["CREATE TABLE rest PARTITION OF t DEFAULT"] if default else []),
    ]
    wish = {"table": "t", "interval": "10", "ahead": 2, **KEEP}
    for number in range(MOST_STATEMENTS):
        partitions.run("DROP TABLE IF EXISTS t, t0, t10", *statements)
        killed = run_until_killed(partitions, monkeypatch, number, wish)
        gone(partitions)
        # What is not detached yet is all there, and nothing is there twice.
        assert partitions.value("SELECT count(*) FROM t WHERE k >= 20") == 40
        partitions.done(wish)
        left = ["rest"] if default else []
        assert partitions.names("t") == [*left, "t20", "t30", "t40", "t50", "t_p60", "t_p70"]
        tables = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        assert partitions.value(tables) == 6 + len(left)
        identified = "SELECT bool_and(relreplident = 'i') FROM pg_class WHERE relkind = 'r' AND relname LIKE 't_p%'"
        assert partitions.value(identified) is True, number
        if not killed:
            assert number > 10
            return
    pytest.fail("it never came to an end")


def test_killed_between_any_two_batches(partitions: Partitions, monkeypatch: pytest.MonkeyPatch) -> None:
    wish = {"table": "t", "interval": "100", "ahead": 0, "drain_default": True}
    for number in range(MOST_STATEMENTS):
        partitions.run(
            "DROP TABLE IF EXISTS t",
            "CREATE TABLE t (k bigint) PARTITION BY RANGE (k)",
            "CREATE TABLE rest PARTITION OF t DEFAULT",
            "INSERT INTO t SELECT generate_series(-5, 99)",
        )
        killed = run_until_killed(partitions, monkeypatch, number, wish, drain_batch=40)
        gone(partitions)
        assert partitions.value("SELECT count(DISTINCT k) FROM t") == 105
        partitions.done(wish, drain_batch=40)
        assert partitions.bounds("t") == [("rest", "DEFAULT"), ("t_p0", "FOR VALUES FROM ('0') TO ('100')")], number
        assert partitions.value("SELECT count(DISTINCT k) FROM t") == 105
        assert partitions.value("SELECT obj_description('t_p0'::regclass, 'pg_class')") is None
        if not killed:
            assert number > 20
            return
    pytest.fail("it never came to an end")


WAITING = """
SELECT pid FROM pg_stat_activity WHERE application_name = 'runbook.postgres' AND wait_event_type = 'Lock'
"""
PENDING = "SELECT count(*) FROM pg_inherits WHERE inhdetachpending"


def held(partitions: Partitions, holder: Any) -> dict[str, Any]:
    partitions.run(
        "CREATE TABLE t (k bigint) PARTITION BY RANGE (k)",
        *(f"CREATE TABLE t{n} PARTITION OF t FOR VALUES FROM ({n}) TO ({n + 10})" for n in range(0, 60, 10)),
        "INSERT INTO t SELECT generate_series(0, 59)",
    )
    holder.execute("BEGIN")
    holder.execute("SELECT count(*) FROM t")
    return {"table": "t", "interval": "10", "ahead": 0, **KEEP}


def test_the_server_ends_the_session_while_it_detaches(partitions: Partitions) -> None:
    results: list[dict[str, Any]] = []
    with partitions.connect() as holder:
        wish = held(partitions, holder)
        thread = threading.Thread(target=lambda: results.append(partitions(wish, lock_timeout=60)))
        thread.start()
        wait_until("the module waits", lambda: partitions.value(WAITING) is not None)
        partitions.run(f"SELECT pg_terminate_backend(({WAITING}))")
        thread.join(30)
        concurrently = partitions.server.version >= 14
        assert not concurrently or partitions.value(PENDING) == 1
    assert results[0]["failed"]
    assert "closed the connection" in results[0]["msg"]
    assert results[0]["tables"][0]["failure"]
    result = partitions.done(wish)
    assert result["tables"][0]["detached"] == result["tables"][0]["dropped"] == ["t0", "t10"]


def test_killed_while_it_waits_for_readers(partitions: Partitions) -> None:
    """By kill -9 of the program itself; what its backend still does on its own is as good as done by us."""
    with partitions.connect() as holder:
        wish = held(partitions, holder)
        program = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        try:
            assert program.stdin is not None
            with program.stdin as stdin:
                json.dump(partitions.arguments(wish) | {"lock_timeout": 60}, stdin)
            wait_until("the module waits", lambda: partitions.value(WAITING) is not None)
        finally:
            program.kill()
            program.wait(30)
    gone(partitions)
    partitions.done(wish)
    assert partitions.names("t") == ["t20", "t30", "t40", "t50"]
    assert partitions.value("SELECT to_regclass('t0') IS NULL AND to_regclass('t10') IS NULL") is True


def test_somebody_elses_detach_is_finished(partitions: Partitions) -> None:
    """Even where nothing is to expire: until it is finished nothing else can be detached."""
    if partitions.server.version < 14:
        pytest.skip("PostgreSQL 13 does not detach concurrently")
    with partitions.connect() as holder, partitions.connect(options="-c lock_timeout=100ms") as other:
        held(partitions, holder)
        with pytest.raises(Exception, match="lock timeout"):
            other.execute("ALTER TABLE t DETACH PARTITION t30 CONCURRENTLY")
    result = partitions.done({"table": "t", "interval": "10", "ahead": 0})
    assert result["tables"][0]["detached"] == ["t30"]
    assert partitions.value("SELECT count(*) FROM t30") == 10


def test_what_was_attached_again_is_not_dropped(partitions: Partitions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between detaching and dropping somebody takes the partition back."""
    with partitions.connect() as holder:
        wish = held(partitions, holder)
    whole = Session.fetch

    def fetch(self: Session, query: Any, values: Any = None) -> list[dict[str, Any]]:
        rows = whole(self, query, values)
        if "DETACH PARTITION" in repr(query):
            partitions.run("ALTER TABLE t ATTACH PARTITION t0 FOR VALUES FROM (0) TO (10)")
        return rows

    with monkeypatch.context() as patch:
        patch.setattr(Session, "fetch", fetch)
        result = partitions(wish)
    assert "t0 is not dropped: somebody attached" in result["msg"]
    assert partitions.value("SELECT count(*) FROM t") == 60
