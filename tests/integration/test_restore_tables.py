"""Tables and schemas are what a backup holds, in their place or beside it, and what refers to them still does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration import inside
from tests.integration.restores import Stage
from tests.integration.servers import Server

SHOP = r"""
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE customer (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, m mood DEFAULT 'sad');
CREATE TABLE orders (id serial PRIMARY KEY, customer int REFERENCES customer, amount numeric CHECK (amount > 0),
    twice numeric GENERATED ALWAYS AS (amount * 2) STORED, words text);
CREATE TABLE item (id int, orders int REFERENCES orders);
INSERT INTO customer (name) SELECT 'customer ' || n FROM generate_series(1, 100) n;
INSERT INTO orders (customer, amount, words)
SELECT 1 + n % 100, n / 7.0, (ARRAY[NULL, '', '\N', '\.', E'a\n\\.\nb', E'\t', 'ü€𝄞'])[1 + n % 7]
  FROM generate_series(1, 1000) n;
INSERT INTO item SELECT n, n FROM generate_series(1, 1000) n;
CREATE INDEX by_amount ON orders (amount); GRANT SELECT ON orders TO monitor;
CREATE VIEW spent WITH (security_barrier) AS SELECT customer, sum(amount) FROM orders GROUP BY 1;
GRANT SELECT ON spent TO monitor;
CREATE PUBLICATION told FOR TABLE orders;
CREATE SCHEMA "Sch %s"" x";
CREATE TABLE "Sch %s"" x"."ev; {a}" ("the ""at"" %" date, x text) PARTITION BY RANGE ("the ""at"" %");
CREATE TABLE "Sch %s"" x".p1 PARTITION OF "Sch %s"" x"."ev; {a}" FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE public.p2 PARTITION OF "Sch %s"" x"."ev; {a}" FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
INSERT INTO "Sch %s"" x"."ev; {a}" SELECT '2020-01-01'::date + n, 'x' || n FROM generate_series(0, 600) n;
CREATE FUNCTION "Sch %s"" x".f() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE MATERIALIZED VIEW "Sch %s"" x".counted AS SELECT count(*) AS n FROM "Sch %s"" x"."ev; {a}";
"""
EVENTS = '"Sch %s"" x"."ev; {a}"'
EMPTIED = 'DELETE FROM "Sch %s"" x"."ev; {a}"'
CONTENT = "SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} t"
# By somebody who looks at both, and takes numbers from the old one.
COMPARED = """
CREATE VIEW changed AS SELECT id FROM "{kept}".orders EXCEPT SELECT id FROM orders;
ALTER TABLE item ALTER id SET DEFAULT nextval('"{kept}".orders_id_seq');
"""
BARE: dict[str, Any] = {"replace": True, "safety_backup": False}


@pytest.fixture
def stage(installed: Server) -> Stage:
    stage = Stage(installed.node, installed.primary)
    stage.clear()
    stage.psql("CREATE DATABASE shop")
    stage.psql(SHOP, "shop")
    return stage


def content(stage: Stage, table: str) -> str:
    return stage.psql(CONTENT.replace("{}", table), "shop")


def schemas(stage: Stage) -> list[str]:
    return stage.psql("SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|info)' ORDER BY 1", "shop").splitlines()


def clean(stage: Stage) -> bool:
    """Nothing half made is left."""
    return not [name for name in (*stage.databases(), *schemas(stage)) if "_restoring_" in name or "_parts_" in name]


def test_a_table_is_replaced_with_all_that_refers_to_it(stage: Stage) -> None:
    stage.back_up("shop")
    before, spent = content(stage, "orders"), content(stage, "spent")
    stage.psql("UPDATE orders SET amount = 1, words = 'corrupt'", "shop")
    assert "replace: true" in stage.restore(tables=["orders"]).failure
    done = stage.done(tables=["orders"], **BARE, checks={"amcheck": True})
    assert done.result["checks"]["rows"] == 1000
    assert (content(stage, "orders"), content(stage, "spent")) == (before, spent)
    kept = done.result["kept"]
    assert content(stage, f'"{kept}".orders').startswith("1000|")
    assert stage.psql("INSERT INTO orders (customer, amount) VALUES (1, 1) RETURNING id", "shop") == "1001"
    assert "item_orders_fkey" in stage.cluster.psql("SELECT conname FROM pg_constraint WHERE contype = 'f'", "shop")
    assert stage.psql("SELECT has_table_privilege('monitor', 'orders', 'SELECT')", "shop") == "t"
    assert stage.psql("SELECT has_table_privilege('monitor', 'spent', 'SELECT')", "shop") == "t"
    assert stage.psql("SELECT reloptions FROM pg_class WHERE relname = 'spent'", "shop") == "{security_barrier=true}"
    assert stage.psql("SELECT schemaname, tablename FROM pg_publication_tables", "shop") == "public|orders"
    # What was kept holds nobody back.
    stage.psql("DELETE FROM item; DELETE FROM orders; DELETE FROM customer", "shop")
    assert clean(stage)
    stage.psql(COMPARED.replace("{kept}", kept), "shop")
    refused = stage.restore(tables=["orders"], **BARE, replaced="drop").failure
    assert "view changed" in refused
    assert "default value for column id of table item" in refused
    stage.psql("DROP VIEW changed; ALTER TABLE item ALTER id DROP DEFAULT", "shop")
    assert stage.restore(tables=["orders"], **BARE, replaced="drop").result["changed"]
    assert kept not in schemas(stage)


def test_rows_that_others_refer_to_are_missing_and_nothing_happens(stage: Stage) -> None:
    stage.back_up("shop")
    newer = "INSERT INTO orders (id, customer, amount) VALUES (2000, 1, 1); INSERT INTO item VALUES (1, 2000)"
    stage.psql(newer, "shop")
    told = stage.restore(tables=["orders"], **BARE).failure
    assert "item_orders_fkey" in told
    assert told.endswith("shop is as it was.")
    assert stage.psql("SELECT count(*) FROM orders", "shop") == "1001"
    assert clean(stage)


def test_what_cannot_follow_is_named(stage: Stage) -> None:
    stage.back_up("shop")
    stage.psql("CREATE MATERIALIZED VIEW held AS SELECT count(*) FROM orders", "shop")
    stage.psql("CREATE FUNCTION taking(orders) RETURNS int LANGUAGE sql AS 'SELECT 1'", "shop")
    told = stage.restore(tables=["orders"], **BARE).failure
    assert "materialized view held" in told
    assert "function taking(orders)" in told
    assert schemas(stage) == ['Sch %s" x', "public"]


def test_a_partitioned_table_with_odd_names_beside_and_in_place(stage: Stage) -> None:
    stage.psql('DROP MATERIALIZED VIEW "Sch %s"" x".counted', "shop")
    stage.back_up("shop")
    before = content(stage, EVENTS)
    stage.psql(EMPTIED, "shop")
    query = {"query": 'SELECT count(*) FROM back."ev; {a}"', "expect": 601}
    stage.done(tables=[EVENTS], into_schema="back", checks={"queries": [query]})
    assert content(stage, 'back."ev; {a}"') == before
    stage.done(tables=[EVENTS], **BARE)
    assert content(stage, EVENTS) == before
    assert stage.psql("SELECT count(*) FROM public.p2", "shop") == "235"
    assert clean(stage)


def test_a_table_beside_itself_under_another_name(stage: Stage) -> None:
    stage.back_up("shop")
    stage.done(tables=["orders"], rename_to="Orders; then")
    assert content(stage, '"Orders; then"') == content(stage, "orders")
    assert stage.psql('INSERT INTO "Orders; then" (amount) VALUES (1) RETURNING id', "shop") == "1001"


def test_a_wrong_answer_changes_nothing(stage: Stage) -> None:
    stage.back_up("shop")
    stage.psql("UPDATE orders SET amount = 1", "shop")
    query = {"query": "SELECT count(*) FROM orders WHERE amount = 1", "expect": 7}
    assert "answered 1, and 7" in stage.restore(tables=["orders"], **BARE, checks={"queries": [query]}).failure
    # Whoever uses the table waits for the answer, and not for long.
    slow = {"query": "SELECT pg_sleep(40)", "expect": ""}
    assert "took too long" in stage.restore(tables=["orders"], **BARE, checks={"queries": [slow]}).failure
    assert stage.psql("SELECT count(*) FROM orders WHERE amount = 1", "shop") == "1000"
    assert clean(stage)


def test_a_schema_comes_back_beside_and_in_place(stage: Stage) -> None:
    stage.psql("DROP TABLE public.p2", "shop")
    stage.back_up("shop")
    before = content(stage, EVENTS)
    stage.psql(EMPTIED, "shop")
    stage.done(schemas=['Sch %s" x'], into_schema="back")
    stage.done(schemas=['Sch %s" x'], **BARE)
    assert content(stage, EVENTS) == content(stage, 'back."ev; {a}"') == before
    assert stage.psql('SELECT n FROM "Sch %s"" x".counted', "shop") == "366"
    stage.psql('CREATE VIEW public.outside AS SELECT * FROM "Sch %s"" x".counted', "shop")
    assert "outside" in stage.restore(schemas=['Sch %s" x'], **BARE, again=True).failure
    assert clean(stage)


def test_a_backup_of_one_table_brings_it_back(stage: Stage) -> None:
    stage.back_up("shop", tables=["public.orders"])
    before = content(stage, "orders")
    stage.psql("DROP TABLE item; DROP VIEW spent; DROP TABLE orders", "shop")
    stage.done(tables=["orders"])
    assert content(stage, "orders") == before
    assert stage.psql("INSERT INTO orders (amount) VALUES (1) RETURNING id", "shop") == "1001"
    stage.psql("DELETE FROM orders", "shop")
    stage.done(tables=["orders"], **BARE, again=True)
    assert content(stage, "orders") == before


def test_rows_alone_come_back_into_the_definitions_that_are_there(stage: Stage) -> None:
    stage.back_up("shop", tables=["public.orders"], content="data")
    before = content(stage, "orders")
    stage.psql("UPDATE orders SET amount = 1", "shop")
    stage.done(tables=["orders"], **BARE)
    assert content(stage, "orders") == before
    stage.psql("ALTER TABLE orders ADD COLUMN more int", "shop")
    assert "other columns" in stage.restore(tables=["orders"], **BARE, again=True).failure
    assert clean(stage)


def test_a_table_of_an_encrypted_backup_in_another_encoding(stage: Stage) -> None:
    stage.psql("CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    stage.psql("CREATE TABLE words (w text); INSERT INTO words VALUES (chr(228) || chr(246)), (chr(233))", "latin")
    public, identity = stage.keys
    stage.back_up("latin", recipients=[public], compression={"method": "zstd"})
    stage.done(tables=["words"], target="shop", identity=identity)
    assert stage.psql("SELECT string_agg(w, '') FROM words", "shop") == "äöé"


KILLS = {
    "while definitions are made": (".parts.staging:define", 1),
    "before rows are there": (".parts.staging:fill", 1),
    "when it was checked": (".parts.apply:put_in_place", 1),
    "while names change": (".parts.place:_take_place", 1),
    "before the last of it is dropped": (".databases:Databases.drop", 1),
}


@pytest.mark.parametrize("moment", KILLS)
def test_a_killed_run_is_finished_by_the_next(stage: Stage, moment: str) -> None:
    stage.back_up("shop")
    before = content(stage, "orders")
    stage.psql("UPDATE orders SET amount = 1", "shop")
    place, call = KILLS[moment]
    assert stage.restore(tables=["orders"], **BARE, die=inside.Interrupt((f"._backup.restore{place}",), call)).killed
    assert stage.psql("SELECT count(*) FROM orders", "shop") == "1000"
    stage.done(tables=["orders"], **BARE)
    assert content(stage, "orders") == before
    assert len([name for name in schemas(stage) if "_before_" in name]) == 1
    assert clean(stage)
