"""Tables that are to be converted, and what is asked of them before and after."""

from __future__ import annotations

import re
from typing import Any

from tests.integration.partitions import DATABASE, Partitions

WISH: dict[str, Any] = {"table": "t", "interval": "100", "ahead": 2, "convert_column": "k", "convert": "attach"}

ROLES = """
DO $$ DECLARE name text; BEGIN
    FOREACH name IN ARRAY ARRAY['reader', 'writer', 'keeper'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN EXECUTE format('CREATE ROLE %I', name); END IF;
    END LOOP; END $$
"""

# With nearly everything that a table can have.
RICH = (
    ROLES,
    "GRANT CREATE ON SCHEMA public TO keeper",
    "CREATE TABLE target (id bigint PRIMARY KEY, x int)",
    "INSERT INTO target SELECT n, 0 FROM generate_series(1, 5) n",
    "CREATE TABLE seen (k bigint)",
    (
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO seen VALUES (NEW.k); RETURN NEW; END $$"
    ),
    "CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
    (
        "CREATE TABLE t (gone text, k bigint NOT NULL, id bigint GENERATED ALWAYS AS IDENTITY (INCREMENT BY 3 CACHE 2),"
        " n serial, x text COLLATE \"C\" DEFAULT '{}' NOT NULL, target bigint,"
        " doubled bigint GENERATED ALWAYS AS (k * 2) STORED,"
        " CONSTRAINT t_pkey PRIMARY KEY (k, id) WITH (fillfactor = 80), CONSTRAINT small CHECK (k < 100000),"
        " CONSTRAINT once UNIQUE (n, k) INCLUDE (x) DEFERRABLE INITIALLY DEFERRED,"
        " CONSTRAINT points FOREIGN KEY (target) REFERENCES target ON DELETE CASCADE)"
        " WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05)"
    ),
    "ALTER TABLE t DROP COLUMN gone",
    "CREATE INDEX named ON t USING brin (k) WITH (pages_per_range = 4)",
    "CREATE INDEX partly ON t (lower(x) DESC) WHERE n > 3",
    "CREATE UNIQUE INDEX chosen ON t (id, k)",
    "ALTER TABLE t REPLICA IDENTITY USING INDEX chosen",
    "CREATE STATISTICS related (dependencies) ON n, k FROM t",
    "ALTER STATISTICS related SET STATISTICS 50",
    "ALTER TABLE t ALTER COLUMN x SET STATISTICS 300",
    "ALTER TABLE t ALTER COLUMN n SET (n_distinct = -0.5)",
    "CREATE TRIGGER noted AFTER INSERT ON t FOR EACH ROW WHEN (NEW.k > 5) EXECUTE FUNCTION note()",
    "CREATE TRIGGER off BEFORE UPDATE OF x ON t FOR EACH ROW EXECUTE FUNCTION note()",
    "ALTER TABLE t DISABLE TRIGGER off",
    "CREATE TRIGGER always AFTER DELETE ON t FOR EACH STATEMENT EXECUTE FUNCTION quiet()",
    "ALTER TABLE t ENABLE ALWAYS TRIGGER always",
    "GRANT SELECT ON t TO reader WITH GRANT OPTION",
    "GRANT INSERT (x), UPDATE (x) ON t TO writer",
    "REVOKE TRUNCATE ON t FROM CURRENT_USER",
    "GRANT USAGE ON SEQUENCE t_id_seq TO writer",
    "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY mine ON t FOR SELECT TO reader USING (x <> '{}' OR k > 0)",
    "COMMENT ON TABLE t IS 'all of it'",
    "COMMENT ON COLUMN t.k IS 'the key'",
    "COMMENT ON INDEX partly IS 'some'",
    "COMMENT ON CONSTRAINT once ON t IS 'only once'",
    "COMMENT ON CONSTRAINT points ON t IS 'where'",
    "COMMENT ON CONSTRAINT small ON t IS 'not large'",
    "COMMENT ON TRIGGER noted ON t IS 'noted'",
    "COMMENT ON STATISTICS related IS 'related'",
    "COMMENT ON SEQUENCE t_id_seq IS 'numbers'",
    "CREATE PUBLICATION told FOR TABLE t WITH (publish_via_partition_root = true)",
    "INSERT INTO t (k, x, target) SELECT n, 'row ' || n, n % 5 + 1 FROM generate_series(0, 249) n",
    "DELETE FROM seen",
    "CREATE TABLE source (k bigint, id bigint, CONSTRAINT back FOREIGN KEY (k, id) REFERENCES t ON UPDATE CASCADE)",
    "COMMENT ON CONSTRAINT back ON source IS 'and back'",
    "INSERT INTO source SELECT k, id FROM t WHERE k < 3",
    "ALTER TABLE t OWNER TO keeper",
)


def dumped(partitions: Partitions) -> str:
    """The definitions of table t and what belongs to it, by pg_dump; partitions and kept tables left out."""
    server = partitions.server
    argv = ["pg_dump", "--schema-only", "--dbname", DATABASE, "--port", str(server.primary.port)]
    return server.node.exec(argv, user="postgres").stdout


def sections(text: str) -> dict[str, str]:
    """Each object of a dump by its kind and name, but for what a partitioned table is said with differently."""
    found: dict[str, str] = {}
    for part in re.split(r"\n--\n(?=-- Name: )", text)[1:]:
        head, _dashes, body = part.partition("\n--\n")
        what = re.match(r"-- Name: (?P<name>.*); Type: (?P<type>.*); Schema: .*; Owner: ?(?P<owner>.*)", head)
        assert what is not None, head
        lines = [line for line in body.splitlines() if line.strip() and not line.startswith(("--", "SET ", "\\"))]
        body = "\n".join(lines).replace("ALTER TABLE ONLY", "ALTER TABLE").replace(" ON ONLY ", " ON ")
        body = re.sub(r"\n\)\n(WITH \(.*\)|PARTITION BY RANGE \(.*\));", "\n);", body)
        found[f"{what['type']} {what['name']}"] = f"{body}\nowner {what['owner']}"
    return found
