"""Killed between any two statements, the rows are all there, and the next run finishes or begins again."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._session import Session
from tests.integration.partitions import Partitions
from tests.integration.test_partition_interrupted import gone, run_until_killed

TABLES = (
    "DROP TABLE IF EXISTS source, t, t_before, target, seen CASCADE",
    "CREATE TABLE target (id int PRIMARY KEY)",
    "CREATE TABLE seen (k bigint)",
    (
        "CREATE OR REPLACE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO seen VALUES (NEW.k); RETURN NEW; END $$"
    ),
    (
        "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY, k bigint NOT NULL, x int UNIQUE, target int,"
        " CONSTRAINT t_pkey PRIMARY KEY (id), CONSTRAINT wide UNIQUE (k, id),"
        " CONSTRAINT points FOREIGN KEY (target) REFERENCES target)"
    ),
    "CREATE TRIGGER noted AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION note()",
    "COMMENT ON TABLE t IS 'ours'",
    "INSERT INTO target VALUES (1)",
    "INSERT INTO t (k, x, target) SELECT n * 10, n, 1 FROM generate_series(0, 24) n",
    "CREATE TABLE source (k bigint, id bigint, CONSTRAINT back FOREIGN KEY (k, id) REFERENCES t (k, id))",
    "INSERT INTO source SELECT k, id FROM t WHERE k < 30",
)
WISH: dict[str, Any] = {"table": "t", "interval": "100", "ahead": 1, "convert_column": "k", "convert_keys": "widen"}

# What is ours and no longer of use.
LEFT = """
SELECT string_agg(name, ', ') FROM (
    SELECT relname::text AS name FROM pg_class UNION ALL SELECT proname::text FROM pg_proc
    UNION ALL SELECT tgname::text FROM pg_trigger UNION ALL SELECT conname::text FROM pg_constraint
    UNION ALL SELECT description FROM pg_description) names
 WHERE starts_with(name, 'runbook')
"""
UNPROVED = "SELECT count(*) FROM pg_constraint WHERE NOT convalidated AND conparentid = 0"
ROWS = "SELECT id, k, x, target FROM t ORDER BY 1"
STATE = """
SELECT (SELECT count(*) FROM pg_constraint WHERE conrelid = 't'::regclass AND contype IN ('p', 'u', 'f')),
       (SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass AND tgname = 'noted'),
       (SELECT confrelid = 't'::regclass FROM pg_constraint WHERE conname = 'back'
           AND conrelid = 'source'::regclass AND conparentid = 0),
       obj_description('t'::regclass, 'pg_class'), (SELECT relkind::text FROM pg_class WHERE oid = 't'::regclass)
"""


def statements_of(partitions: Partitions, monkeypatch: pytest.MonkeyPatch, wish: dict[str, Any]) -> tuple[int, int]:
    """The numbers of the first statement of a whole run that may change something, and of the last that converts."""
    whole, said = Session.fetch, []

    def fetch(self: Session, query: Any, values: Any = None) -> list[dict[str, Any]]:
        said.append(repr(query))
        return whole(self, query, values)

    partitions.run(*TABLES)
    with monkeypatch.context() as patch:
        patch.setattr(Session, "fetch", fetch)
        assert not partitions(wish, drain_batch=10).get("failed")
    first = next(place for place, text in enumerate(said) if "statement_timeout" in text)
    last = max(place for place, text in enumerate(said) if "COMMENT ON TABLE" in text)
    return first, last


@pytest.mark.parametrize("how", ["attach", "copy"])
def test_killed_between_any_two_statements(partitions: Partitions, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    wish = {**WISH, "convert": how}
    first, last = statements_of(partitions, monkeypatch, wish)
    assert last - first > 40
    for number in range(first, last + 2):
        partitions.run(*TABLES)
        rows = partitions.rows(ROWS)
        assert run_until_killed(partitions, monkeypatch, number, wish, drain_batch=10)
        gone(partitions)
        assert partitions.rows(ROWS) == rows, number
        # Whoever writes meanwhile is not kept from it, and what is written stays.
        partitions.run("INSERT INTO t (k, x, target) VALUES (245, 500, 1)", "UPDATE t SET x = 501 WHERE x = 7")
        partitions.run("DELETE FROM t WHERE x = 9")
        rows = partitions.rows(ROWS)
        result = partitions(wish, drain_batch=10)
        assert not result.get("failed"), (number, result)
        assert partitions.rows(ROWS) == rows, number
        assert partitions.value(LEFT) is None, number
        assert partitions.value(UNPROVED) == 0, number
        assert partitions.rows(STATE) == [(4, 1, True, "ours", "p")], number
        assert partitions(wish)["changed"] is False, number
