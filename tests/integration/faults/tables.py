"""Tables, indexes, partitions and sequences in a bad state."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg2
from psycopg2 import sql

from ansible_collections.runbook.postgres.plugins.module_utils._partition.marks import awaiting_of, marked
from lab.waiting import wait_until
from tests.integration.faults.scene import database, held, running, schema, settled
from tests.integration.servers import Server

ROWS = 20000
FILLED = (
    "CREATE TABLE scene.t (id int PRIMARY KEY, n int, pad text)",
    "INSERT INTO scene.t SELECT n, n, repeat('x', 100) FROM generate_series(1, 20000) n",
)
NAME = "scene.t"


def counted(server: Server, condition: str) -> None:
    """Wait until pg_stat_user_tables says so of the table."""
    query = sql.SQL("SELECT {} FROM pg_stat_user_tables WHERE relid = 'scene.t'::regclass").format(sql.SQL(condition))
    settled(server, condition, query)


@contextlib.contextmanager
def dead_rows(server: Server) -> Iterator[str]:
    """Half of a table deleted and never vacuumed."""
    with schema(server, *FILLED, "DELETE FROM scene.t WHERE id % 2 = 0"):
        counted(server, f"n_dead_tup >= {ROWS // 2} AND n_live_tup <= {ROWS // 2}")
        yield NAME


@contextlib.contextmanager
def vacuum_backlog(server: Server) -> Iterator[str]:
    """The same in a database of its own, for the check that counts a database's tables."""
    with database(server) as name:
        rows = "CREATE TABLE t AS SELECT generate_series(1, 1000)"
        server.run(rows, "DELETE FROM t", database=name)
        due = "SELECT count(*) = 1 FROM pg_stat_user_tables WHERE n_dead_tup = 1000"
        settled(server, "the dead rows are counted", due, database=name)
        yield name


@contextlib.contextmanager
def cold_updates(server: Server) -> Iterator[str]:
    """Updates of an indexed column, none of which can be heap-only."""
    index = "CREATE INDEX ON scene.t (n)"
    with schema(server, *FILLED, index, "UPDATE scene.t SET n = n + 1 WHERE id <= 5000"):
        counted(server, "n_tup_upd >= 5000 AND n_tup_hot_upd = 0")
        yield NAME


@contextlib.contextmanager
def sequential_scans(server: Server) -> Iterator[str]:
    with schema(server, *FILLED, *["SELECT count(*) FROM scene.t WHERE n = 7"] * 12):
        counted(server, f"seq_scan >= 12 AND seq_tup_read >= 12 * {ROWS}")
        yield NAME


@contextlib.contextmanager
def autovacuum_off(server: Server) -> Iterator[None]:
    off = "SELECT NOT current_setting('autovacuum')::bool"
    server.setting(autovacuum="off")
    try:
        settled(server, "autovacuum is off", off)
        yield None
    finally:
        server.setting(autovacuum=None)
        settled(server, "autovacuum is on", f"SELECT NOT ({off})")


# Partitions

BY_DAY = "CREATE TABLE scene.t (day timestamptz NOT NULL) PARTITION BY RANGE (day)"


@contextlib.contextmanager
def partitions_run_out(server: Server) -> Iterator[str]:
    last = "CREATE TABLE scene.last PARTITION OF scene.t FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')"
    with schema(server, BY_DAY, last):
        yield NAME


@contextlib.contextmanager
def rows_in_default_partition(server: Server) -> Iterator[str]:
    default = "CREATE TABLE scene.rest PARTITION OF scene.t DEFAULT"
    rows = "INSERT INTO scene.t SELECT now() FROM generate_series(1, 30)"
    with schema(server, BY_DAY, default, rows):
        seen = "SELECT n_live_tup = 30 FROM pg_stat_user_tables WHERE relid = 'scene.rest'::regclass"
        settled(server, "the rows are counted", seen)
        yield NAME


@contextlib.contextmanager
def detach_pending(server: Server) -> Iterator[str]:
    """DETACH CONCURRENTLY, given up while it waited for a reader (from version 14)."""
    last = "CREATE TABLE scene.last PARTITION OF scene.t FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')"
    detach = "ALTER TABLE scene.t DETACH PARTITION scene.last CONCURRENTLY"
    pending = "SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = 'scene.last'::regclass"
    with schema(server, BY_DAY, last):
        with held(server, "SELECT count(*) FROM scene.t"), running(server, detach, waits="Lock"):
            settled(server, "the first half of the detach is done", pending)
        yield "scene.last"


@contextlib.contextmanager
def expiry_interrupted(server: Server) -> Iterator[str]:
    """As pg_partition leaves it when it is killed between detaching and archiving; what is attached stays unnamed."""
    last = "CREATE TABLE scene.last (LIKE scene.t)"
    bound = "FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')"
    said = marked(f"{awaiting_of('scene.t')}{bound}", "what its owner said", "scene.t")
    attached = f"CREATE TABLE scene.now PARTITION OF scene.t {bound}"
    with schema(server, BY_DAY, last, attached):
        for name in ("last", "now"):
            comment = sql.SQL("COMMENT ON TABLE {} IS {}")
            server.run(comment.format(sql.Identifier("scene", name), sql.Literal(said)))
        yield "scene.last"


# Indexes

INVALID = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'scene.t_pkey'::regclass"
SOME_INVALID = "SELECT count(*) > 0 FROM pg_index WHERE NOT indisvalid"
# Whoever builds, rebuilds or drops an index concurrently waits for it.
WRITER = "INSERT INTO scene.t VALUES (0, 0, '')"


@contextlib.contextmanager
def invalid_index(server: Server) -> Iterator[str]:
    """What a unique index leaves behind that met a duplicate while it was built concurrently."""
    with schema(server, *FILLED, "UPDATE scene.t SET n = 1 WHERE id <= 2"):
        with contextlib.suppress(psycopg2.errors.UniqueViolation):
            server.run("CREATE UNIQUE INDEX CONCURRENTLY broken ON scene.t (n)")
            raise AssertionError("A unique index was built over duplicates")
        yield "scene.broken"


@contextlib.contextmanager
def unattached_index(server: Server) -> Iterator[str]:
    """An index of the partitioned table alone: no partition has one of its own."""
    one = "CREATE TABLE scene.one PARTITION OF scene.t FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')"
    with schema(server, BY_DAY, one, "CREATE INDEX alone ON ONLY scene.t (day)"):
        yield "scene.alone"


@contextlib.contextmanager
def leftover_index(server: Server) -> Iterator[str]:
    """REINDEX CONCURRENTLY, given up while it waited for a writer."""
    with schema(server, *FILLED, "CREATE INDEX plain ON scene.t (n)"):
        with held(server, WRITER), running(server, "REINDEX TABLE CONCURRENTLY scene.t", waits="Lock"):
            settled(server, "the new index is there", SOME_INVALID)
        yield "scene.plain_ccnew"


@contextlib.contextmanager
def invalid_index_beside_a_vacuum(server: Server) -> Iterator[str]:
    """A vacuum holds the table as one who builds an index does, and excuses nothing."""
    with running_vacuum(server):
        server.run(INVALID)
        yield "scene.t_pkey"


@contextlib.contextmanager
def same_index_rebuilt_elsewhere(server: Server) -> Iterator[str]:
    """A copy of a database: its index has the number of one that is being rebuilt in the original."""
    with database(server, "pattern"):
        server.run("CREATE SCHEMA scene", *FILLED, INVALID, database="pattern")
        server.run("CREATE DATABASE scratch TEMPLATE pattern", database="postgres")
        try:
            with (
                held(server, WRITER, database="pattern"),
                running(server, "REINDEX TABLE CONCURRENTLY scene.t", waits="Lock", database="pattern"),
            ):
                yield "scene.t_pkey"
        finally:
            server.run("DROP DATABASE scratch WITH (FORCE)", database="postgres")


@contextlib.contextmanager
def index_worked_on(server: Server, statement: str) -> Iterator[None]:
    """Work on an index that waits for a writer, and leaves the index invalid until it goes on."""
    with (
        schema(server, *FILLED, "CREATE INDEX plain ON scene.t (n)"),
        held(server, WRITER),
        running(server, statement, waits="Lock"),
    ):
        settled(server, "an index is invalid", SOME_INVALID)
        yield


@contextlib.contextmanager
def index_being_built(server: Server) -> Iterator[str]:
    """CREATE INDEX CONCURRENTLY that waits for a transaction older than itself."""
    with (
        schema(server, *FILLED),
        held(server, WRITER),
        running(server, "CREATE INDEX CONCURRENTLY slow ON scene.t (n)", waits="Lock"),
    ):
        yield NAME


@contextlib.contextmanager
def unused_index(server: Server) -> Iterator[str]:
    with schema(server, *FILLED, "CREATE INDEX idle ON scene.t (n)"):
        yield "scene.idle"


@contextlib.contextmanager
def duplicate_index(server: Server) -> Iterator[str]:
    twice = ("CREATE INDEX first ON scene.t (n)", "CREATE INDEX second ON scene.t (n)")
    with schema(server, *FILLED, *twice):
        yield NAME


@contextlib.contextmanager
def bloat(server: Server) -> Iterator[str]:
    """Nine of ten rows deleted and vacuumed: pages keep their number."""
    sparse = ("DELETE FROM scene.t WHERE id % 10 <> 0", "VACUUM ANALYZE scene.t")
    with schema(server, *FILLED, "CREATE INDEX wide ON scene.t (pad, n)", *sparse):
        yield NAME


@contextlib.contextmanager
def bloated_index(server: Server) -> Iterator[str]:
    with bloat(server):
        yield "scene.wide"


# Sequences


@contextlib.contextmanager
def full_sequence(server: Server) -> Iterator[str]:
    with schema(server, "CREATE SEQUENCE scene.s MAXVALUE 1000", "SELECT setval('scene.s', 950)"):
        yield "scene.s"


@contextlib.contextmanager
def full_serial(server: Server) -> Iterator[str]:
    """A sequence with room for ever, and a column that has not: bigserial narrowed to int4."""
    narrow = (
        "CREATE SEQUENCE scene.s AS bigint",
        "CREATE TABLE scene.t (id int DEFAULT nextval('scene.s'))",
        "ALTER SEQUENCE scene.s OWNED BY scene.t.id",
        "SELECT setval('scene.s', 2040109465)",
    )
    with schema(server, *narrow):
        yield "scene.s"


@contextlib.contextmanager
def full_descending_sequence(server: Server) -> Iterator[str]:
    down = "CREATE SEQUENCE scene.s INCREMENT -1 MINVALUE -1000 MAXVALUE -1 START -1"
    with schema(server, down, "SELECT setval('scene.s', -950)"):
        yield "scene.s"


# Work that takes long


@contextlib.contextmanager
def running_vacuum(server: Server) -> Iterator[str]:
    """A vacuum that rests for a tenth of a second after every page."""
    slowly = ("SET vacuum_cost_delay = '100ms'", "SET vacuum_cost_limit = 1")
    seen = "SELECT count(*) > 0 FROM pg_stat_progress_vacuum WHERE relid = 'scene.t'::regclass"
    dead = "DELETE FROM scene.t WHERE id % 2 = 0"
    with schema(server, *FILLED, dead), running(server, "VACUUM scene.t", before=slowly):
        wait_until("the vacuum is seen", lambda: server.value(seen))
        yield NAME
