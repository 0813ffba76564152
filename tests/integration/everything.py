"""A database with one of everything that a dump has to carry, and what it holds as text."""

from __future__ import annotations

import re

from tests.integration.restores import Stage, conninfo

NAME = "Sh\"op; %s 'ü"
ROLES = ('own"er %s', "reader", "tenant")
TABLESPACE = 'fast "disk" 1'
TABLESPACE_PLACE = "/var/lib/postgresql/everything"

ROLES_MADE = """
DROP ROLE IF EXISTS "own""er %s"; DROP ROLE IF EXISTS reader; DROP ROLE IF EXISTS tenant;
CREATE ROLE "own""er %s" LOGIN PASSWORD 'geheim'; CREATE ROLE reader; CREATE ROLE tenant IN ROLE reader;
ALTER ROLE tenant SET work_mem = '2MB';
"""

# Types with their edges; text that formats are known to lose.
TYPES = r"""
CREATE TYPE mood AS ENUM ('sad', 'ok "é"', 'happy');
CREATE TYPE pair AS (a int, b text);
CREATE TYPE span AS RANGE (subtype = float8);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE every_type (
    id bigint GENERATED ALWAYS AS IDENTITY (START 7 INCREMENT 3) PRIMARY KEY,
    b bool, i2 smallint, i4 int, i8 bigint, n numeric, f4 real, f8 float8, m money, t text, c char(5), v varchar(9),
    by bytea, ts timestamp, tz timestamptz, d date, ti time, tt timetz, iv interval, u uuid, j json, jb jsonb, x xml,
    ip inet, ci cidr, ma macaddr, ma8 macaddr8, bi bit(3), vb varbit, pt point, ln line, ls lseg, bx box, pa path,
    po polygon, cr circle, ir int4range, tr tstzrange, sp span, tv tsvector, tq tsquery, ar text[], mx int[][],
    mo mood, pr pair, prs pair[], pos positive, rc regclass, lsn pg_lsn, h "char", nm name, jp jsonpath,
    twice numeric GENERATED ALWAYS AS (n * 2) STORED
);
INSERT INTO every_type (b, i2, i4, i8, n, f4, f8, m, t, c, v, by, ts, tz, d, ti, tt, iv, u, j, jb, x, ip, ci, ma, ma8,
    bi, vb, pt, ln, ls, bx, pa, po, cr, ir, tr, sp, tv, tq, ar, mx, mo, pr, prs, pos, rc, lsn, h, nm, jp)
VALUES (true, -32768, 2147483647, -9223372036854775808, 'NaN', 'Infinity', '1.0000000000000002', '-1.5',
    E'\\N tab\t nl\n cr\r bs\\ \\. "quote" ''ü€𝄞', 'ab', '', '\x00ff5c4e0a', 'infinity', '0044-03-15 12:00 BC+00',
    '-infinity', '24:00', '12:00+05:30', '1 mon -1 day 00:00:00.000001', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
    '{"b":1,  "a":[null]}', '{"b":1,"a":"\u00fc"}', '<a>&lt;</a>', '::1/64', '10.0.0.0/8', '08:00:2b:01:02:03',
    '08:00:2b:01:02:03:04:05', B'101', B'10', '(1,2)', '{1,2,3}', '[(1,2),(3,4)]', '((1,2),(3,4))', '[(1,2),(3,4)]',
    '((1,2),(3,4),(5,6))', '<(1,2),3>', 'empty', '[2001-01-01,)', '[1.5,2)', 'a:1 cat:2', 'a & !b',
    '{NULL,"NULL","","\"",","}', '{{1,2},{3,NULL}}', 'ok "é"', ROW(1, NULL), ARRAY[ROW(1, 'x,"y')::pair], 5,
    'pg_class', '16/B374D848', 'z', 'nm', '$.a[*] ? (@ > 1)');
INSERT INTO every_type DEFAULT VALUES;
INSERT INTO every_type (t) SELECT repeat(md5(n::text), 100) FROM generate_series(1, 50) n;
"""

# Objects of every kind, with owners, privileges, comments and policies.
OBJECTS = r"""
CREATE EXTENSION pg_trgm; CREATE EXTENSION hstore SCHEMA public;
CREATE SCHEMA "Sch%ema, ""q"" {x}" AUTHORIZATION "own""er %s";
SET search_path = "Sch%ema, ""q"" {x}", public;
CREATE TABLE "T; --" ("col ""x"" %s" int PRIMARY KEY, parent int, words text, h hstore,
    UNIQUE (parent), CHECK ("col ""x"" %s" > 0), EXCLUDE USING btree (words WITH =));
ALTER TABLE "T; --" OWNER TO "own""er %s";
ALTER TABLE "T; --" ADD FOREIGN KEY (parent) REFERENCES "T; --" DEFERRABLE INITIALLY DEFERRED;
INSERT INTO "T; --" VALUES (1, NULL, 'a', 'x=>1'), (2, 1, 'b', NULL), (3, 2, NULL, '"a b"=>"c"');
ALTER TABLE "T; --" ADD CONSTRAINT "not yet" CHECK (words <> 'a') NOT VALID;
CREATE INDEX trgm ON "T; --" USING gin (words gin_trgm_ops); CREATE INDEX part ON "T; --" (words) WHERE parent > 1;
CREATE STATISTICS stats ON "col ""x"" %s", parent FROM "T; --";
GRANT SELECT ON "T; --" TO reader WITH GRANT OPTION; GRANT UPDATE (words) ON "T; --" TO tenant;
GRANT USAGE ON SCHEMA "Sch%ema, ""q"" {x}" TO reader;
ALTER TABLE "T; --" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "only theirs" ON "T; --" FOR SELECT TO reader USING (parent IS NULL OR parent = 1);
COMMENT ON TABLE "T; --" IS E'said\n"so"'; COMMENT ON COLUMN "T; --".words IS 'its words';
CREATE TABLE ev (at timestamptz NOT NULL, id int, PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
CREATE TABLE "ev 2020" PARTITION OF ev FOR VALUES FROM ('2020-01-01') TO ('2021-01-01') PARTITION BY HASH (id);
CREATE TABLE ev_a PARTITION OF "ev 2020" FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE ev_b PARTITION OF "ev 2020" FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE ev_default PARTITION OF ev DEFAULT;
INSERT INTO ev SELECT '2020-01-01'::timestamptz + n * interval '1 week', n FROM generate_series(1, 90) n;
CREATE TABLE mother (id int); CREATE TABLE child (extra text) INHERITS (mother);
INSERT INTO mother VALUES (1); INSERT INTO child VALUES (2, 'x');
CREATE UNLOGGED TABLE volatile (id int); INSERT INTO volatile VALUES (1);
CREATE SEQUENCE odd START -5 INCREMENT -2 MINVALUE -99 MAXVALUE 0 CYCLE; SELECT nextval('odd'), nextval('odd');
CREATE SEQUENCE untouched;
CREATE VIEW seen WITH (security_barrier) AS SELECT "col ""x"" %s" AS id, words FROM "T; --" WHERE words <> '%s';
CREATE RULE no_delete AS ON DELETE TO seen DO INSTEAD NOTHING;
CREATE MATERIALIZED VIEW kept AS SELECT count(*) AS n FROM ev; CREATE UNIQUE INDEX ON kept (n);
CREATE MATERIALIZED VIEW unfilled AS SELECT 1 AS one WITH NO DATA;
CREATE FUNCTION f(x int DEFAULT 1, VARIADIC y text[] DEFAULT '{}') RETURNS int LANGUAGE sql IMMUTABLE AS
    $f$ SELECT x + 1 -- {x} %s $f$;
CREATE PROCEDURE p() LANGUAGE plpgsql AS $p$ BEGIN RAISE NOTICE '%', 'x'; END $p$;
CREATE AGGREGATE total (int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS
    $t$ BEGIN NEW.words := upper(NEW.words); RETURN NEW; END $t$;
CREATE TRIGGER "tr %" BEFORE UPDATE ON "T; --" FOR EACH ROW EXECUTE FUNCTION stamp();
ALTER TABLE "T; --" DISABLE TRIGGER "tr %";
CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq);
CREATE CAST (pair AS text) WITH INOUT AS ASSIGNMENT;
CREATE COLLATION odd_order (provider = icu, locale = 'und-u-kn-true');
CREATE TEXT SEARCH CONFIGURATION plainly (COPY = simple);
CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER far FOREIGN DATA WRAPPER nowhere OPTIONS (a 'b');
CREATE USER MAPPING FOR reader SERVER far OPTIONS (password 'x'); CREATE FOREIGN TABLE away (id int) SERVER far;
CREATE PUBLICATION pub FOR TABLE "T; --", mother;
CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS $e$ BEGIN NULL; END $e$;
CREATE EVENT TRIGGER watching ON ddl_command_end EXECUTE FUNCTION watch();
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO reader;
REVOKE ALL ON FUNCTION f FROM PUBLIC; GRANT EXECUTE ON FUNCTION f TO tenant;
RESET search_path;
CREATE TABLE elsewhere (id int PRIMARY KEY USING INDEX TABLESPACE "fast ""disk"" 1") TABLESPACE "fast ""disk"" 1";
INSERT INTO elsewhere VALUES (1);
SELECT lo_from_bytea(0, decode(repeat('00ff5c', 3000), 'hex')), lo_create(0);
DO $$ DECLARE o oid; BEGIN SELECT min(oid) INTO o FROM pg_largeobject_metadata;
  EXECUTE format('ALTER LARGE OBJECT %s OWNER TO %I', o, 'own"er %s');
  EXECUTE format('GRANT SELECT ON LARGE OBJECT %s TO reader', o);
  EXECUTE format('COMMENT ON LARGE OBJECT %s IS %L', o, 'large'); END $$;
"""
DATABASE = r"""
ALTER DATABASE {name} SET work_mem = '7MB';
ALTER DATABASE {name} SET search_path = "$user", "Sch%ema, ""q"" {x}", public;
ALTER ROLE reader IN DATABASE {name} SET statement_timeout = '5s';
REVOKE CONNECT ON DATABASE {name} FROM PUBLIC; GRANT CONNECT, CREATE ON DATABASE {name} TO reader;
ALTER DATABASE {name} CONNECTION LIMIT 17; COMMENT ON DATABASE {name} IS E'ours;\n"all" of it';
"""

VIEWS = """
CREATE VIEW a AS SELECT 1 AS one; CREATE VIEW b AS SELECT one + 1 AS two FROM a; CREATE VIEW c AS SELECT * FROM a, b;
"""

LARGE = "SELECT string_agg(oid || ':' || md5(lo_get(oid)), ',' ORDER BY oid) FROM pg_largeobject_metadata"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def make(stage: Stage) -> None:
    """Roles and tablespace as well, after what an earlier test left of them went."""
    known = stage.psql("SELECT count(*) FROM pg_tablespace WHERE spcname = 'fast \"disk\" 1'")
    if known == "1":
        stage.psql(f"DROP TABLESPACE {quoted(TABLESPACE)}")
    stage.node.exec(["install", "-d", "-o", "postgres", "-g", "postgres", TABLESPACE_PLACE])
    stage.psql(ROLES_MADE)
    stage.psql(f"CREATE TABLESPACE {quoted(TABLESPACE)} LOCATION '{TABLESPACE_PLACE}'")
    stage.psql(f"CREATE DATABASE {quoted(NAME)} OWNER {quoted(ROLES[0])}")
    stage.psql(TYPES + OBJECTS, NAME)
    stage.psql(DATABASE.replace("{name}", quoted(NAME)))


def text(stage: Stage, name: str, *, whole: bool = True) -> str:
    """All of it as pg_dump says it, which orders what it says; with what belongs to the database, if wanted."""
    argv = ["pg_dump", f"--port={stage.cluster.port}", "--no-password", "--dbname", conninfo(name)]
    said = stage.node.exec([*argv, *(["--create"] if whole else [])], user="postgres").stdout
    said = re.sub(r"^\\(un)?restrict .*$", "", said, flags=re.MULTILINE)
    return re.sub(r"\n?runbook\.postgres: restored from [^']*", "", said)
