"""A conversion that was given up is gone on with, or what it left is removed."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._session import Session
from tests.integration.conversions import WISH
from tests.integration.partitions import Partitions
from tests.integration.test_convert_interrupted import LEFT


@pytest.mark.parametrize("how", ["attach", "copy"])
def test_a_table_that_is_held_is_tried_again_and_given_up(partitions: Partitions, how: str) -> None:
    """Nothing is lost of what was prepared, and the table is as it was."""
    partitions.run("CREATE TABLE t (k bigint PRIMARY KEY)", "INSERT INTO t SELECT generate_series(0, 249)", "ANALYZE t")
    wish = {**WISH, "convert": how}
    with partitions.connect() as holder:
        holder.execute("BEGIN")
        holder.execute("SELECT count(*) FROM t")
        result = partitions(wish, lock_timeout=0.2, retries=1)
        assert result["failed"]
        assert "another session held a lock on it through 2 attempts of 0.2 s" in result["msg"]
        assert result["tables"][0]["converted"] is None
        assert partitions.value("SELECT relkind::text FROM pg_class WHERE relname = 't'") == "r"
    warnings = partitions(wish, check=True)["tables"][0]["warnings"]
    # To have something proved takes the table's lock as well, so that nothing of it was begun.
    assert [each for each in warnings if "an interrupted run began" in each] == warnings
    assert len(warnings) == (1 if how == "copy" else 0)
    result = partitions(wish)
    assert not result.get("failed"), result
    assert partitions.value("SELECT count(*) FROM t") == 250


@pytest.mark.parametrize("user", ["postgres", "plain"])
def test_an_older_snapshot_is_waited_for(partitions: Partitions, user: str) -> None:
    """Who looks at the database as of before the copy would find the copy lacking; it may be anybody's session."""
    partitions.run("CREATE TABLE t (k bigint PRIMARY KEY)", "CREATE TABLE other (n int)", "INSERT INTO t VALUES (7)")
    partitions.run(f"ALTER TABLE t OWNER TO {user}")
    wish = {**WISH, "convert": "copy"}
    with partitions.connect() as holder:
        holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT count(*) FROM other")
        result = partitions(wish, user=user, lock_timeout=0.2, retries=1)
        assert "has been in a transaction" in result["msg"]
        holder.execute("SELECT count(*) FROM t")
        assert holder.fetchone() == (1,)
        holder.execute("COMMIT")
    assert not partitions(wish, user=user).get("failed")
    assert partitions.rows("SELECT k FROM t") == [(7,)]


def test_a_snapshot_of_what_came_after_the_comparison_is_waited_for(
    partitions: Partitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    partitions.run("CREATE TABLE t (k bigint PRIMARY KEY)", "CREATE TABLE other (n int)", "INSERT INTO t VALUES (7)")
    whole = Session.fetch
    looked: list[str] = []
    with partitions.connect() as holder:

        def fetch(self: Session, query: Any, values: Any = None) -> list[dict[str, Any]]:
            rows = whole(self, query, values)
            if "hashtextextended" in repr(query) and not looked:
                looked.append("now")
                partitions.run("INSERT INTO t VALUES (8)")
                holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
                holder.execute("SELECT count(*) FROM other")
            return rows

        with monkeypatch.context() as patch:
            patch.setattr(Session, "fetch", fetch)
            result = partitions({**WISH, "convert": "copy"}, lock_timeout=0.2, retries=1)
        assert "has been in a transaction" in result["msg"]
        holder.execute("SELECT count(*) FROM t")
        assert holder.fetchone() == (2,)
        holder.execute("COMMIT")
    assert not partitions({**WISH, "convert": "copy"}).get("failed")
    assert partitions.rows("SELECT k FROM t ORDER BY k") == [(7,), (8,)]


def test_a_table_truncated_meanwhile(partitions: Partitions, monkeypatch: pytest.MonkeyPatch) -> None:
    partitions.run("CREATE TABLE t (k bigint PRIMARY KEY)", "INSERT INTO t SELECT generate_series(0, 249)")
    whole, truncated = Session.fetch, ["not yet"]

    def fetch(self: Session, query: Any, values: Any = None) -> list[dict[str, Any]]:
        if "120" in repr(query) and "WITH batch" in repr(query) and truncated[0] == "not yet":
            truncated[0] = "with this batch"
        rows = whole(self, query, values)
        if "COMMIT" in repr(query) and truncated[0] == "with this batch":
            truncated[0] = "done"
            partitions.run("TRUNCATE t", "INSERT INTO t VALUES (5), (245)")
        return rows

    with monkeypatch.context() as patch:
        patch.setattr(Session, "fetch", fetch)
        result = partitions({**WISH, "convert": "copy"}, drain_batch=11)
    assert truncated == ["done"]
    assert not result.get("failed"), result
    assert partitions.rows("SELECT k FROM t ORDER BY 1") == [(5,), (245,)]


def given_up(partitions: Partitions) -> None:
    """A copy that is ready but for the exchange."""
    with partitions.connect() as holder:
        holder.execute("BEGIN")
        holder.execute("SELECT count(*) FROM t")
        result = partitions({**WISH, "convert": "copy"}, lock_timeout=0.1, retries=0)
    assert "another session held a lock" in result["msg"]
    assert partitions.value(LEFT) is not None


def test_another_way_removes_what_the_first_left(partitions: Partitions) -> None:
    partitions.run("CREATE TABLE t (k bigint PRIMARY KEY)", "INSERT INTO t SELECT generate_series(0, 249)")
    given_up(partitions)
    result = partitions.done({**WISH, "convert": "attach"})
    assert "what is of use is used, the rest removed" in result["tables"][0]["warnings"][0]
    assert partitions.value(LEFT) is None
    assert partitions.names("t") == ["t_before", "t_p400"]


def test_a_copy_removes_what_an_attach_left(partitions: Partitions) -> None:
    partitions.run(
        "CREATE TABLE t (k bigint PRIMARY KEY)",
        "INSERT INTO t SELECT generate_series(0, 249)",
        "ALTER TABLE t ADD CONSTRAINT runbook_postgres_convert CHECK (k < 400) NOT VALID",
    )
    partitions.done({**WISH, "convert": "copy"})
    assert partitions.value(LEFT) is None


def test_a_table_that_was_changed_meanwhile_is_copied_anew(partitions: Partitions) -> None:
    partitions.run("CREATE TABLE t (k bigint PRIMARY KEY)", "INSERT INTO t SELECT generate_series(0, 249)")
    given_up(partitions)
    partitions.run("ALTER TABLE t ADD x int DEFAULT 7", "CREATE INDEX found ON t (x)")
    partitions.done({**WISH, "convert": "copy"})
    assert partitions.value(LEFT) is None
    assert partitions.rows("SELECT count(*), min(x), max(x) FROM t") == [(250, 7, 7)]
    assert partitions.value("SELECT count(*) FROM pg_indexes WHERE indexname = 'found' AND tablename = 't'") == 1
