"""What cannot be done is said in a sentence, before anything is done."""

from __future__ import annotations

import pytest

from tests.integration.partitions import Partitions

GOOD = {"table": "good", "interval": "10"}
MADE = "CREATE TABLE good (k bigint) PARTITION BY RANGE (k)"


@pytest.mark.parametrize(
    ("statement", "wish", "reason"),
    [
        ("SELECT 1", {"table": "nowhere", "interval": "10"}, "There is no table nowhere"),
        (
            "CREATE TABLE t (k bigint)",
            {"interval": "10"},
            "t is not partitioned: make it so first, or have it made so with convert.",
        ),
        ("CREATE VIEW t AS SELECT 1 AS k", {"interval": "10"}, "t is not partitioned"),
        ("CREATE TABLE t (k bigint) PARTITION BY LIST (k)", {"interval": "10"}, "partitioned by list"),
        ("CREATE TABLE t (k bigint) PARTITION BY HASH (k)", {"interval": "10"}, "partitioned by hash"),
        ("CREATE TABLE t (k int, m int) PARTITION BY RANGE (k, m)", {"interval": "10"}, "partitioned by 2 columns"),
        ("CREATE TABLE t (k text) PARTITION BY RANGE (k)", {"interval": "10"}, "key of type text"),
        ("CREATE TABLE t (k numeric) PARTITION BY RANGE (k)", {"interval": "10"}, "key of type numeric"),
        ("CREATE TABLE t (k date) PARTITION BY RANGE (k)", {"interval": "10"}, "the key is a date"),
        ("CREATE TABLE t (k date) PARTITION BY RANGE (k)", {"interval": "hour"}, "no hours"),
        ("CREATE TABLE t (k bigint) PARTITION BY RANGE (k)", {"interval": "month"}, "whole number"),
        ("SELECT 1", {"table": "public.good", "interval": "10"}, "twice"),
        (
            "CREATE TABLE t (k date) PARTITION BY RANGE (k)",
            {"interval": "month", "retention": "2 weeks", "on_expiry": "drop"},
            "shorter than interval",
        ),
    ],
)
def test_refused_and_nothing_changed_anywhere(
    partitions: Partitions, statement: str, wish: dict[str, object], reason: str
) -> None:
    partitions.run(MADE, statement)
    assert reason in partitions.refused(GOOD, {"table": "t", **wish})
    assert partitions.names("good") == []


def test_a_table_of_another_role(partitions: Partitions) -> None:
    partitions.run(MADE, "ALTER TABLE good OWNER TO plain", "CREATE TABLE t (k bigint) PARTITION BY RANGE (k)")
    sentence = partitions.refused(GOOD, {"table": "t", "interval": "10"}, user="plain")
    assert sentence == "t belongs to role postgres: connect as that role or as a member of it."
    assert partitions.names("good") == []


def test_an_owner_without_special_powers_does_it_all(partitions: Partitions) -> None:
    partitions.run(
        "CREATE TABLE good (k bigint PRIMARY KEY) PARTITION BY RANGE (k)",
        "CREATE TABLE a PARTITION OF good FOR VALUES FROM (0) TO (10)",
        "ALTER TABLE good OWNER TO plain",
        "ALTER TABLE a OWNER TO plain",
        "GRANT SELECT ON good TO monitor",
        "ALTER TABLE good ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY p ON good USING (true)",
    )
    partitions.done(GOOD, user="plain")
    partitions.run("INSERT INTO good VALUES (1), (35)", user="plain")
    wish = {**GOOD, "retention": "10", "on_expiry": "drop"}
    assert partitions.done(wish, user="plain")["tables"][0]["dropped"] == ["a", "good_p10"]


def test_a_role_that_may_not_create(partitions: Partitions) -> None:
    partitions.run(MADE, "ALTER TABLE good OWNER TO plain", "REVOKE CREATE ON SCHEMA public FROM plain, PUBLIC")
    assert "GRANT CREATE ON SCHEMA" in partitions.refused(GOOD, user="plain")


def test_partitions_of_another_role_are_not_dropped(partitions: Partitions) -> None:
    partitions.run(
        MADE,
        "CREATE TABLE a PARTITION OF good FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE b PARTITION OF good FOR VALUES FROM (50) TO (60)",
        "INSERT INTO good VALUES (55)",
        "ALTER TABLE good OWNER TO plain",
        "GRANT SELECT ON b TO plain",
    )
    wish = {**GOOD, "retention": "10", "on_expiry": "drop"}
    assert "a is to be dropped and belongs to another role" in partitions.refused(wish, user="plain")


def test_rows_hidden_from_their_owner(partitions: Partitions) -> None:
    """What is the highest number cannot be told by who does not see all rows."""
    partitions.run(
        MADE,
        "CREATE TABLE a PARTITION OF good FOR VALUES FROM (0) TO (10)",
        "ALTER TABLE good OWNER TO plain",
        "ALTER TABLE a OWNER TO plain",
        "ALTER TABLE a ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE a FORCE ROW LEVEL SECURITY",
    )
    assert "row-level security" in partitions.refused(GOOD, user="plain")


def test_standbys_are_told_apart(partitions: Partitions) -> None:
    partitions.run(MADE)
    standby = partitions.server.parameters("parts", standby=True)
    sentence = partitions.refused(
        GOOD, login_host=standby["host"], login_port=int(standby["port"]), login_db="postgres"
    )
    assert sentence == "This server is a standby, which takes no changes: run this on its primary."
