"""A default partition is there or not as stated, and its rows move home without anybody missing one."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from tests.integration.partitions import Partitions
from tests.integration.traffic import traffic

TABLE = (
    "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY, k bigint, x text DEFAULT 'x',"
    " twice bigint GENERATED ALWAYS AS (k * 2) STORED) PARTITION BY RANGE (k)"
)
DEFAULT = "CREATE TABLE rest PARTITION OF t DEFAULT"
IN_DEFAULT = "SELECT count(*) FROM rest"
# Every column of every row.
CHECKSUM = "SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM t"


def wish(**more: Any) -> dict[str, Any]:
    return {"table": "t", "interval": "100", "ahead": 1, **more}


def test_present_and_absent(partitions: Partitions) -> None:
    partitions.run("CREATE TABLE t (k bigint) PARTITION BY RANGE (k)", "GRANT SELECT ON t TO plain")
    result = partitions.done(wish(default_partition="present"))
    assert result["tables"][0]["created"] == ["t_p0", "t_p100", "t_default"]
    assert partitions.value("SELECT has_table_privilege('plain', 't_default', 'SELECT')") is True
    partitions.run("INSERT INTO t VALUES (5000)", "DELETE FROM t")
    partitions.done(wish(default_partition="ignore"))
    result = partitions.done(wish(default_partition="absent"))
    assert result["tables"][0]["dropped"] == ["t_default"]
    assert partitions.names("t") == ["t_p0", "t_p100"]


def test_absent_is_refused_while_it_holds_rows(partitions: Partitions) -> None:
    partitions.run(TABLE, DEFAULT, "INSERT INTO t (k) VALUES (NULL)")
    sentence = partitions.refused(wish(default_partition="absent"))
    assert "default partition rest holds rows of no period" in sentence


def test_rows_in_the_way_are_told_before_anything_changes(partitions: Partitions) -> None:
    partitions.run(TABLE, DEFAULT, "INSERT INTO t (k) SELECT generate_series(-5, 250)")
    sentence = partitions.refused(wish())
    assert sentence == (
        "public.t: its default partition rest holds 51 rows of the periods to be made: set drain_default to move them."
    )
    partitions.run("INSERT INTO t (k) SELECT 210 FROM generate_series(1, 5000)")
    assert "holds at least 1000 rows" in partitions.refused(wish())


@pytest.mark.parametrize("batch", [10000, 30, 17])
def test_rows_move_home(partitions: Partitions, batch: int) -> None:
    partitions.run(
        TABLE,
        "CREATE INDEX ON t (k)",
        DEFAULT,
        "INSERT INTO t (k) SELECT n FROM generate_series(0, 149) n",
        "INSERT INTO t (k) SELECT 120 FROM generate_series(1, 100)",
        "INSERT INTO t (k) VALUES (NULL), (-1000)",
    )
    before = partitions.value(CHECKSUM)
    result = partitions.done(wish(drain_default=True, behind=1), drain_batch=batch)
    assert result["tables"][0]["created"] == ["t_p0", "t_p100", "t_p200"]
    assert result["tables"][0]["moved_rows"] == 250
    assert partitions.value(CHECKSUM) == before
    assert partitions.value(IN_DEFAULT) == 2
    assert [bound for _name, bound in partitions.bounds("t")] == [
        "DEFAULT",
        "FOR VALUES FROM ('0') TO ('100')",
        "FOR VALUES FROM ('100') TO ('200')",
        "FOR VALUES FROM ('200') TO ('300')",
    ]
    partitions.run("INSERT INTO t (k) VALUES (50), (150), (250)")
    assert partitions.value("SELECT count(DISTINCT id) FROM t") == 255
    assert partitions.value("SELECT obj_description('t_p100'::regclass, 'pg_class')") is None


def test_times_move_home(partitions: Partitions) -> None:
    partitions.run(
        "CREATE TABLE t (k timestamptz) PARTITION BY RANGE (k)",
        DEFAULT,
        "INSERT INTO t SELECT now() - n * interval '1 minute' FROM generate_series(0, 999) n",
    )
    result = partitions({"table": "t", "interval": "day", "behind": 2, "drain_default": True}, drain_batch=200)
    assert not result.get("failed"), result
    assert partitions.value(IN_DEFAULT) == 0
    assert partitions.value("SELECT count(*) FROM t") == 1000


def test_nobody_misses_a_row_meanwhile(partitions: Partitions) -> None:
    """Every count is at least the one before; inserts go to the default and then to the new partition."""
    partitions.run(
        TABLE, "CREATE INDEX ON t (k)", DEFAULT, "INSERT INTO t (k) SELECT n % 100 FROM generate_series(1, 20000) n"
    )
    read = "SELECT 1 / (count(*) >= 20000)::int FROM t"
    with traffic(partitions, "INSERT INTO t (k) VALUES (70)", read) as toll:
        result = partitions(wish(drain_default=True, ahead=0), drain_batch=4000, lock_timeout=0.5, retries=30)
    assert not result.get("failed"), result
    assert toll.failures == []
    assert toll.longest_seconds <= 0.5 + 1
    assert partitions.value("SELECT count(*) FROM t") == 20000 + toll.inserted
    assert partitions.value(IN_DEFAULT) == 0


def test_triggers_do_not_fire_for_rows_that_move(partitions: Partitions) -> None:
    partitions.run(
        "CREATE TABLE log (what text)",
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO log VALUES (TG_OP); RETURN NULL; END $$",
        TABLE,
        DEFAULT,
        "INSERT INTO t (k) VALUES (1), (2), (3)",
        "CREATE TRIGGER noted AFTER INSERT OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION note()",
        "CREATE TRIGGER own AFTER DELETE ON rest FOR EACH STATEMENT EXECUTE FUNCTION note()",
        "ALTER TABLE rest ENABLE ALWAYS TRIGGER own",
    )
    enabled = "SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'rest'::regclass ORDER BY 1"
    before = partitions.rows(enabled)
    partitions.done(wish(drain_default=True), drain_batch=2)
    assert partitions.value("SELECT count(*) FROM log") == 0
    assert partitions.rows(enabled) == before
    partitions.run("INSERT INTO t (k) VALUES (4)", "DELETE FROM t WHERE k = 1")
    assert partitions.rows("SELECT what FROM log") == [("INSERT",), ("DELETE",)]


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("CREATE TABLE source (k bigint REFERENCES t)", "a foreign key of source refers to them"),
        ("CREATE PUBLICATION news FOR TABLE t", "the subscribers of publication news would lose them"),
        ("CREATE PUBLICATION news FOR ALL TABLES", "the subscribers of publication news would lose them"),
        (
            "CREATE PUBLICATION news FOR TABLE t WITH (publish_via_partition_root = true)",
            "the subscribers of publication news would lose them",
        ),
    ],
)
def test_what_cannot_be_moved_is_said_before(partitions: Partitions, statement: str, reason: str) -> None:
    partitions.run("CREATE TABLE t (k bigint PRIMARY KEY) PARTITION BY RANGE (k)", DEFAULT, "INSERT INTO t VALUES (5)")
    partitions.run(statement)
    assert reason in partitions.refused(wish(drain_default=True))


def test_a_default_that_is_partitioned_itself(partitions: Partitions) -> None:
    partitions.run(
        "CREATE TABLE t (k bigint) PARTITION BY RANGE (k)",
        f"{DEFAULT} PARTITION BY LIST (k)",
        "CREATE TABLE below PARTITION OF rest DEFAULT",
        "INSERT INTO t VALUES (5)",
    )
    assert "partitioned itself" in partitions.refused(wish(drain_default=True))


def test_foreign_keys_out_of_the_table_move_along(partitions: Partitions) -> None:
    partitions.run(
        "CREATE TABLE target (id bigint PRIMARY KEY)",
        "INSERT INTO target SELECT generate_series(0, 99)",
        "CREATE TABLE t (k bigint PRIMARY KEY REFERENCES target) PARTITION BY RANGE (k)",
        DEFAULT,
        "INSERT INTO t SELECT generate_series(0, 99)",
    )
    partitions.done(wish(drain_default=True, ahead=0), drain_batch=40)
    assert partitions.value("SELECT count(*) FROM t_p0") == 100
    with pytest.raises(Exception, match="foreign key"):
        partitions.run("DELETE FROM target WHERE id = 5")


def test_a_partition_half_filled_is_filled_on(partitions: Partitions) -> None:
    """What an interrupted run leaves: every row has a home, and the next run goes on."""
    partitions.run(TABLE, DEFAULT, "INSERT INTO t (k) SELECT generate_series(0, 99)")
    # What the second batch stumbles over.
    partitions.run("ALTER TABLE t ADD CONSTRAINT stumble CHECK (k <> 70) NOT VALID")
    result = partitions(wish(drain_default=True, ahead=0), drain_batch=40)
    assert result["failed"]
    assert "stumble" in result["msg"]
    assert partitions.value("SELECT count(*) FROM t") == 100
    assert partitions.value("SELECT count(*) FROM t_p0") == 40
    assert partitions.bounds("t") == [("rest", "DEFAULT"), ("t_p0", "FOR VALUES FROM ('0') TO ('40')")]
    partitions.run("ALTER TABLE t DROP CONSTRAINT stumble")
    result = partitions.done(wish(drain_default=True, ahead=0), drain_batch=40)
    assert result["tables"][0]["created"] == []
    assert result["tables"][0]["moved_rows"] == 60
    assert partitions.bounds("t") == [("rest", "DEFAULT"), ("t_p0", "FOR VALUES FROM ('0') TO ('100')")]
    assert partitions.value("SELECT obj_description('t_p0'::regclass, 'pg_class')") is None


def test_a_held_table_is_not_drained(partitions: Partitions) -> None:
    partitions.run(TABLE, DEFAULT, "INSERT INTO t (k) SELECT generate_series(0, 99)")
    with partitions.connect() as holder:
        holder.execute("BEGIN")
        holder.execute("SELECT 1 FROM t")
        result = partitions(wish(drain_default=True, ahead=0), lock_timeout=0.2, retries=1)
    assert "another session held a lock on it" in result["msg"]
    assert partitions.names("t") == ["rest"]


@pytest.fixture
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = "ansible_collections.runbook.postgres.plugins.module_utils._partition.plan"
    monkeypatch.setattr(importlib.import_module(plan), "LARGE_BYTES", 0)


CONSTRAINTS = "SELECT conname::text FROM pg_constraint WHERE conrelid = 'rest'::regclass AND contype = 'c'"


@pytest.mark.usefixtures("everything_is_large")
@pytest.mark.parametrize(("kind", "interval"), [("bigint", "100"), ("timestamptz", "day"), ("date", "month")])
def test_a_large_default_is_not_read_under_the_lock(partitions: Partitions, kind: str, interval: str) -> None:
    """The server says itself when it need not prove again that no row is in the way."""
    partitions.run(
        f"CREATE TABLE t (k {kind}) PARTITION BY RANGE (k)",
        DEFAULT,
        "INSERT INTO t VALUES (NULL)",
        # What an interrupted run left.
        "ALTER TABLE rest ADD CONSTRAINT runbook_postgres_excluded CHECK (k IS NULL) NOT VALID",
        "ALTER SYSTEM SET log_min_messages = debug1",
        "SELECT pg_reload_conf()",
    )
    try:
        result = partitions({"table": "t", "interval": interval, "ahead": 3})
    finally:
        partitions.run("ALTER SYSTEM RESET log_min_messages", "SELECT pg_reload_conf()")
    assert not result.get("failed"), result
    assert len(partitions.names("t")) == 5
    assert partitions.rows(CONSTRAINTS) == []
    log = partitions.server.node.exec(["cat", partitions.server.primary.log_file]).stdout
    said = 'updated partition constraint for default partition "rest" is implied by existing constraints'
    assert log.count(said) % 3 == 0
    assert said in log
