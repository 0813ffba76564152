"""What cannot come along is named in a sentence, before anything is done."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.conversions import WISH
from tests.integration.partitions import Partitions

TABLE = "CREATE TABLE t (k bigint NOT NULL, x int, PRIMARY KEY (k))"
DATES = "CREATE TABLE t (k timestamptz, x int)"
MONTHS = {"interval": "month"}


@pytest.mark.parametrize(
    ("statements", "wish", "reason"),
    [
        ([], {"convert_column": "nothing"}, "public.t has no column nothing"),
        (["CREATE VIEW v AS SELECT k FROM t"], {}, "rule _RETURN on view public.v depends on it"),
        (["CREATE MATERIALIZED VIEW v AS SELECT k FROM t"], {}, "materialized view public.v depends on it"),
        (
            ["CREATE FUNCTION f(t) RETURNS int LANGUAGE sql AS 'SELECT 1'"],
            {},
            "function public.f(public.t) depends on it",
        ),
        (
            ["CREATE FUNCTION f() RETURNS SETOF t LANGUAGE sql AS 'SELECT * FROM t'"],
            {},
            "function public.f() depends on it",
        ),
        (["CREATE TABLE other (whole t)"], {}, "table public.other depends on it"),
        (["CREATE TABLE other (many t[])"], {}, "table public.other depends on it"),
        (
            [
                "CREATE TABLE other (k int)",
                "CREATE POLICY p ON other USING (EXISTS (SELECT FROM t WHERE t.k = other.k))",
            ],
            {},
            "policy p on table public.other depends on it",
        ),
        (["CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING"], {}, "rule r on table public.t depends on it"),
        (["CREATE TABLE child () INHERITS (t)"], {}, "it takes part in inheritance"),
        (["ALTER TABLE t SET UNLOGGED"], {}, "it is temporary or unlogged"),
        (["ALTER TABLE t ADD CONSTRAINT c CHECK (x > 0) NO INHERIT"], {}, "constraint c is declared NO INHERIT"),
        (["ALTER TABLE t ADD CONSTRAINT c CHECK (x > 0) NOT VALID"], {}, "constraint c is not validated"),
        (["ALTER TABLE t ADD CONSTRAINT e EXCLUDE USING btree (x WITH =)"], {}, "has the exclusion constraint e"),
        (["ALTER TABLE t ADD UNIQUE (x)"], {}, "has the unique constraint t_x_key (x) without k"),
        (["CREATE UNIQUE INDEX u ON t (x)"], {}, "unique index u (x) without k"),
        (["CREATE UNIQUE INDEX u ON t (x) WHERE x > 1"], {"convert_keys": "widen"}, "index u without k, and it has"),
        (["CREATE UNIQUE INDEX u ON t (x DESC)"], {"convert_keys": "widen"}, "index u without k, and it has"),
        (
            [
                "ALTER TABLE t ALTER x SET NOT NULL, ADD CONSTRAINT u UNIQUE (x)",
                "ALTER TABLE t REPLICA IDENTITY USING INDEX u",
            ],
            {"convert_keys": "widen"},
            "index u without k as its replica identity",
        ),
        (["ALTER TABLE t ADD self bigint REFERENCES t"], {}, "foreign key t_self_fkey to itself"),
        (
            [
                "CREATE TABLE o (id int PRIMARY KEY)",
                "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES o NOT VALID",
            ],
            {},
            "foreign key f that is not validated",
        ),
        (
            ["ALTER TABLE t ADD UNIQUE (x)", "CREATE TABLE o (x int REFERENCES t (x))"],
            {"convert_keys": "widen"},
            "public.o refers to public.t by foreign key o_x_fkey (x) without k",
        ),
        (
            ["CREATE TABLE o (k bigint REFERENCES t) PARTITION BY LIST (k)"],
            {},
            "public.o is partitioned and refers to public.t",
        ),
        (
            [
                "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
                "CREATE TRIGGER g AFTER INSERT ON t REFERENCING NEW TABLE AS n FOR EACH ROW EXECUTE FUNCTION f()",
            ],
            {},
            "row trigger g with transition tables",
        ),
        (["CREATE PUBLICATION p FOR TABLE t"], {}, "published by p, whose subscribers would be told the names"),
        (["CREATE PUBLICATION p FOR ALL TABLES"], {}, "set its publish_via_partition_root to true"),
        (
            ["CREATE PUBLICATION p FOR ALL TABLES WITH (publish_via_partition_root = true)"],
            {"convert": "copy"},
            "published by p as all tables are",
        ),
        (["ALTER TABLE t DROP CONSTRAINT t_pkey"], {"convert": "copy"}, "has no primary key and no unique index"),
        (["INSERT INTO t VALUES (1)"], {"convert_until": "1"}, "convert_until is 1, and there are rows up to 1"),
        (["INSERT INTO t VALUES (1)"], {"convert_until": "soon"}, "convert_until 'soon' is not understood"),
        (["CREATE TABLE u ()"], {"convert_kept_as": "u"}, "something is called u in its schema already"),
        ([], {"convert_kept_as": "u" * 64}, "takes a name of 1 to 63 bytes"),
        (
            ["INSERT INTO t VALUES (0), (1000000)"],
            {"convert": "copy", "interval": "10"},
            "would have more than 1000 partitions",
        ),
    ],
)
def test_refused_and_nothing_changed(
    partitions: Partitions, statements: list[str], wish: dict[str, Any], reason: str
) -> None:
    partitions.run(TABLE, *statements)
    sentence = partitions.refused({**WISH, **wish})
    assert reason in sentence


@pytest.mark.parametrize(
    ("statement", "wish", "reason"),
    [
        ("INSERT INTO t VALUES (NULL), (NULL)", {}, "holds 2 rows whose k is null"),
        ("INSERT INTO t VALUES ('infinity')", {}, "holds 1 rows whose k is infinity"),
        ("INSERT INTO t VALUES ('-infinity')", {"convert": "copy"}, "holds 1 rows whose k is -infinity"),
        ("ALTER TABLE t ALTER k TYPE text", {}, "cannot be partitioned by k, of type text"),
    ],
)
@pytest.mark.parametrize("indexed", [False, True], ids=["plain", "indexed"])
def test_rows_without_a_place_are_counted(
    partitions: Partitions, statement: str, wish: dict[str, Any], reason: str, indexed: bool
) -> None:
    partitions.run(DATES, *(["CREATE INDEX ON t (k)"] if indexed else []), statement)
    assert reason in partitions.refused({**WISH, **MONTHS, **wish})


def test_a_generated_column_is_no_key(partitions: Partitions) -> None:
    partitions.run("CREATE TABLE t (n bigint, k bigint GENERATED ALWAYS AS (n + 1) STORED)")
    assert "partitioned by k, which is generated" in partitions.refused(WISH)


def test_a_table_of_another_role(partitions: Partitions) -> None:
    partitions.run(TABLE)
    assert "t belongs to role postgres" in partitions.refused(WISH, user="plain")


def test_an_owner_needs_no_special_powers(partitions: Partitions) -> None:
    for how in ("attach", "copy"):
        partitions.run(
            "DROP TABLE IF EXISTS t, t_before",
            "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY, k bigint PRIMARY KEY, x serial)",
            "ALTER TABLE t OWNER TO plain",
            "GRANT SELECT ON t TO monitor",
            "INSERT INTO t (k) VALUES (1), (250)",
        )
        partitions.done({**WISH, "convert": how}, user="plain")
        partitions.run("INSERT INTO t (k) VALUES (2)", user="plain")
        assert partitions.rows("SELECT id, k, x FROM t ORDER BY k") == [(1, 1, 1), (3, 2, 3), (2, 250, 2)]


def test_foreign_keys_need_a_right(partitions: Partitions) -> None:
    partitions.run(
        "CREATE TABLE target (id int PRIMARY KEY)",
        "CREATE TABLE t (k bigint PRIMARY KEY, target int CONSTRAINT f REFERENCES target)",
        "ALTER TABLE t OWNER TO plain",
    )
    assert "foreign key f to public.target, and the role may not" in partitions.refused(WISH, user="plain")


def test_the_archive_waits_for_the_next_run(partitions: Partitions, tmp_path: Any) -> None:
    partitions.run(TABLE, "INSERT INTO t VALUES (1), (950)")
    expiry = {"retention": "300", "on_expiry": "archive", "archive": {"destination": str(tmp_path)}}
    sentence = partitions.refused({**WISH, "convert": "copy", **expiry})
    assert "some of its partitions would be archived at once" in sentence
