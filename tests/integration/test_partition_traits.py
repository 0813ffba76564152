"""What the table has, its new partitions have; what they would get beside it, they have not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.partitions import Partitions

WISH = {"table": "t", "interval": "10", "ahead": 1}


def made(partitions: Partitions, *statements: str, **wish: Any) -> None:
    """A table, its partitions by the module."""
    partitions.run(*statements)
    partitions.done({**WISH, **wish})


def role(partitions: Partitions, *names: str) -> None:
    for name in names:
        partitions.run(
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}')"
            f" THEN CREATE ROLE {name}; END IF; END $$"
        )


@pytest.fixture
def roles(partitions: Partitions) -> None:
    role(partitions, "reader", "writer", "stranger")


GRANTS = """
SELECT grantee, privilege_type, is_grantable FROM information_schema.table_privileges
 WHERE table_name = %s AND grantee <> 'owner' ORDER BY 1, 2
"""
COLUMN_GRANTS = """
SELECT grantee, column_name, privilege_type FROM information_schema.column_privileges c
 WHERE table_name = %s AND grantee NOT IN ('postgres', 'owner') ORDER BY 1, 2, 3
"""


@pytest.mark.usefixtures("roles")
def test_owner_and_grants(partitions: Partitions) -> None:
    role(partitions, "owner")
    made(
        partitions,
        "GRANT CREATE ON SCHEMA public TO owner",
        "CREATE TABLE t (k bigint, secret text, n int) PARTITION BY RANGE (k)",
        "ALTER TABLE t OWNER TO owner",
        "GRANT SELECT ON t TO PUBLIC",
        "GRANT INSERT, DELETE ON t TO writer WITH GRANT OPTION",
        "GRANT SELECT (n), UPDATE (k) ON t TO reader",
        # What whoever runs this gives to all new tables is not what this table has.
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO stranger",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO writer",
    )
    owner = "SELECT relowner::regrole::text FROM pg_class WHERE relname = %s"
    for name in ("t_p0", "t_p10"):
        assert partitions.value(owner, [name]) == "owner"
        assert partitions.rows(GRANTS, [name]) == partitions.rows(GRANTS, ["t"])
        assert partitions.rows(COLUMN_GRANTS, [name]) == partitions.rows(COLUMN_GRANTS, ["t"])
        assert partitions.value("SELECT has_table_privilege('stranger', %s, 'INSERT')", [name]) is False


def test_columns_defaults_checks_and_generated_columns(partitions: Partitions) -> None:
    made(
        partitions,
        "CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
        "CREATE TABLE t (k bigint NOT NULL, n positive DEFAULT 7, gone int,"
        " doubled int GENERATED ALWAYS AS (k * 2) STORED,"
        ' "odd %s {name}" text COLLATE "C" DEFAULT \'{}\', CONSTRAINT small CHECK (k < 1000)) PARTITION BY RANGE (k)',
        "ALTER TABLE t DROP COLUMN gone",
        "ALTER TABLE t ALTER COLUMN n SET STATISTICS 500",
    )
    partitions.run("INSERT INTO t (k) VALUES (1), (11)", "INSERT INTO t_p0 (k) VALUES (2)")
    assert partitions.rows("SELECT * FROM t ORDER BY k") == [(1, 7, 2, "{}"), (2, 7, 4, "{}"), (11, 7, 22, "{}")]
    # Nothing stands in the way of changing the table as a whole.
    partitions.run("ALTER TABLE t ALTER COLUMN n DROP DEFAULT", "ALTER TABLE t DROP CONSTRAINT small")
    assert partitions.value("SELECT count(*) FROM pg_constraint WHERE conname = 'small'") == 0
    partitions.run("ALTER TABLE t DROP COLUMN n")


def test_identity_goes_on_counting_for_all(partitions: Partitions) -> None:
    made(
        partitions,
        "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY, k bigint, PRIMARY KEY (id, k)) PARTITION BY RANGE (k)",
    )
    partitions.run("INSERT INTO t (k) SELECT n FROM generate_series(0, 19) n")
    assert partitions.value("SELECT count(DISTINCT id) FROM t") == 20


def test_indexes_belong_to_their_table(partitions: Partitions) -> None:
    made(
        partitions,
        "CREATE TABLE t (id bigint, k bigint, x text, PRIMARY KEY (id, k),"
        " CONSTRAINT once UNIQUE (k, x) DEFERRABLE INITIALLY DEFERRED) PARTITION BY RANGE (k)",
        "CREATE INDEX ON t (lower(x)) WHERE x IS NOT NULL",
        "CREATE INDEX named ON t USING brin (k) WITH (pages_per_range = 4)",
        "CREATE INDEX covering ON t (x DESC NULLS LAST) INCLUDE (id)",
        "CREATE STATISTICS related ON id, k FROM t",
    )
    counts = "SELECT count(*), count(h.inhparent), bool_and(i.indisvalid) FROM pg_index i"
    counts += " LEFT JOIN pg_inherits h ON h.inhrelid = i.indexrelid WHERE indrelid = %s::regclass"
    for name in ("t_p0", "t_p10"):
        assert partitions.rows(counts, [name]) == [(5, 5, True)]
    assert partitions.value("SELECT bool_and(indisvalid) FROM pg_index WHERE indrelid = 't'::regclass") is True
    partitions.run("DROP INDEX named")


def test_foreign_keys_both_ways(partitions: Partitions) -> None:
    made(
        partitions,
        "CREATE TABLE target (id bigint PRIMARY KEY)",
        "INSERT INTO target VALUES (1)",
        "CREATE TABLE t (k bigint PRIMARY KEY, target bigint REFERENCES target ON DELETE CASCADE)"
        " PARTITION BY RANGE (k)",
        "CREATE TABLE source (k bigint REFERENCES t)",
    )
    partitions.run("INSERT INTO t VALUES (1, 1), (11, 1)", "INSERT INTO source VALUES (11)")
    with pytest.raises(Exception, match="violates foreign key"):
        partitions.run("INSERT INTO t VALUES (2, 2)")
    with pytest.raises(Exception, match="violates foreign key"):
        partitions.run("DELETE FROM t WHERE k = 11")
    partitions.run("DELETE FROM source", "DELETE FROM target")
    assert partitions.value("SELECT count(*) FROM t") == 0


@pytest.mark.usefixtures("roles")
def test_row_security(partitions: Partitions) -> None:
    made(
        partitions,
        "CREATE TABLE t (k bigint, who text DEFAULT '{}') PARTITION BY RANGE (k)",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE t FORCE ROW LEVEL SECURITY",
        "CREATE POLICY \"mine {only} %s\" ON t USING (who = CURRENT_USER OR who LIKE '100%') WITH CHECK (who <> '{}')",
        "CREATE POLICY p ON t AS RESTRICTIVE FOR SELECT TO reader, writer USING (true)",
    )
    policies = "SELECT policyname, permissive, roles::text, cmd, qual, with_check FROM pg_policies"
    policies += " WHERE tablename = %s ORDER BY 1"
    flags = "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = %s::regclass"
    assert len(partitions.rows(policies, ["t"])) == 2
    for name in ("t_p0", "t_p10"):
        assert partitions.rows(policies, [name]) == partitions.rows(policies, ["t"])
        assert partitions.rows(flags, [name]) == [(True, True)]


@pytest.mark.parametrize(
    ("how", "letter"), [("FULL", "f"), ("NOTHING", "n"), ("DEFAULT", "d"), ("USING INDEX chosen", "i")]
)
def test_replica_identity(partitions: Partitions, how: str, letter: str) -> None:
    made(
        partitions,
        "CREATE TABLE t (k bigint NOT NULL, other int NOT NULL, PRIMARY KEY (k)) PARTITION BY RANGE (k)",
        "CREATE UNIQUE INDEX chosen ON t (other, k)",
        f"ALTER TABLE t REPLICA IDENTITY {how}",
    )
    for name in ("t_p0", "t_p10"):
        assert partitions.value("SELECT relreplident::text FROM pg_class WHERE relname = %s", [name]) == letter
        if letter == "i":
            index = "SELECT indexrelid::regclass::text FROM pg_index WHERE indisreplident AND indrelid = %s::regclass"
            assert "other" in partitions.value(index, [name])


def test_storage_settings_come_from_the_newest_partition(partitions: Partitions) -> None:
    made(
        partitions,
        "CREATE TABLE t (k bigint, x text) PARTITION BY RANGE (k)",
        "CREATE TABLE t_old PARTITION OF t FOR VALUES FROM (-20) TO (-10) WITH (fillfactor = 50)",
        "CREATE TABLE t_new PARTITION OF t FOR VALUES FROM (0) TO (10)"
        " WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, toast.autovacuum_enabled = false)",
        "INSERT INTO t VALUES (5)",
    )
    options = "SELECT c.reloptions || t.reloptions FROM pg_class c LEFT JOIN pg_class t ON t.oid = c.reltoastrelid"
    options += " WHERE c.relname = %s"
    assert partitions.value(options, ["t_p10"]) == [
        "fillfactor=70",
        "autovacuum_vacuum_scale_factor=0.01",
        "autovacuum_enabled=false",
    ]


def test_publications(partitions: Partitions) -> None:
    made(
        partitions,
        "CREATE TABLE t (k bigint PRIMARY KEY) PARTITION BY RANGE (k)",
        "CREATE PUBLICATION leaves FOR TABLE t",
        "CREATE PUBLICATION root FOR TABLE t WITH (publish_via_partition_root = true)",
        "CREATE PUBLICATION everything FOR ALL TABLES",
    )
    published = "SELECT pubname::text, tablename::text FROM pg_publication_tables ORDER BY 1, 2"
    assert partitions.rows(published) == [
        ("everything", "t_p0"),
        ("everything", "t_p10"),
        ("leaves", "t_p0"),
        ("leaves", "t_p10"),
        ("root", "t"),
    ]


def test_triggers_fire_in_new_partitions(partitions: Partitions) -> None:
    made(
        partitions,
        "CREATE TABLE seen (k bigint)",
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO seen VALUES (NEW.k); RETURN NEW; END $$",
        "CREATE TABLE t (k bigint) PARTITION BY RANGE (k)",
        "CREATE TRIGGER noted AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION note()",
    )
    partitions.run("INSERT INTO t VALUES (3), (13)")
    assert partitions.rows("SELECT k FROM seen ORDER BY 1") == [(3,), (13,)]


def test_comments_of_siblings_stay_and_column_comments_come_along(partitions: Partitions) -> None:
    made(
        partitions,
        "CREATE TABLE t (k bigint) PARTITION BY RANGE (k)",
        "CREATE TABLE first PARTITION OF t FOR VALUES FROM (0) TO (10)",
        "COMMENT ON TABLE first IS 'ours'",
        "COMMENT ON TABLE t IS 'all'",
        "COMMENT ON COLUMN t.k IS 'the key'",
        "INSERT INTO t VALUES (5)",
    )
    described = "SELECT obj_description(%s::regclass, 'pg_class')"
    assert partitions.value(described, ["first"]) == "ours"
    assert partitions.value(described, ["t_p10"]) is None
    assert partitions.value("SELECT col_description('t_p10'::regclass, 1)") == "the key"


def test_tablespaces(partitions: Partitions) -> None:
    node = partitions.server.node
    for name in ("one", "two"):
        node.exec(["install", "-d", "-o", "postgres", f"/var/lib/postgresql/{name}"])
        partitions.run(f"CREATE TABLESPACE {name} LOCATION '/var/lib/postgresql/{name}'")
    try:
        where = (
            "SELECT spcname::text FROM pg_class c JOIN pg_tablespace s ON s.oid = c.reltablespace WHERE relname = %s"
        )
        made(partitions, "CREATE TABLE t (k bigint) PARTITION BY RANGE (k) TABLESPACE one")
        assert partitions.value(where, ["t_p0"]) == "one"
        partitions.run("INSERT INTO t VALUES (15)")
        partitions.done({**WISH, "tablespace": "two"})
        assert partitions.value(where, ["t_p20"]) == "two"
        sentence = partitions.refused({**WISH, "ahead": 5, "tablespace": "three"})
        assert "no tablespace three" in sentence
    finally:
        partitions.run("DROP TABLE t", "DROP TABLESPACE one", "DROP TABLESPACE two")
