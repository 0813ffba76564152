"""pg_partition against pg_partman: making many partitions, nothing to do among very many, letting a hundred go."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from lab.clusters import Cluster
from lab.errors import LabError
from lab.nodes import Node

from . import partition_load, tasks
from .measure import Pair, timed
from .registry import Aim, Benchmark, Group, Say

NODE, RELEASE = "bench-partitions", 12
DATABASE = "parts"
PACKAGE = "postgresql-15-partman"
PEER = "pg_partman 4.7"
MADE, MANY, GONE = 1_000, 10_000, 100
CALL_BOUND = 600.0  # seconds for one call of either side

SETTINGS = {
    "shared_buffers": "256MB",
    # Either side may touch every partition in one transaction.
    "max_locks_per_transaction": 4096,
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "4GB",
    "autovacuum": "off",
}
TABLE = "CREATE TABLE {name} (id bigint NOT NULL, x text, PRIMARY KEY (id)) PARTITION BY RANGE (id);"
INDEX = "CREATE INDEX ON {name} (x);"
PARTMAN = "CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman;"
ADOPT = "SELECT partman.create_parent('public.{name}', 'id', 'native', '{step}', p_premake := {premake});"
# In portions: what one transaction has made, each of its further commands looks through again.
FILL = """
DO $$ BEGIN FOR n IN 0 .. {last} LOOP
  EXECUTE format('CREATE TABLE {name}_p%s PARTITION OF {name} FOR VALUES FROM (%s) TO (%s)',
                 n * {step}, n * {step}, n * {step} + {step});
  IF n % 250 = 249 THEN COMMIT; END IF;
END LOOP; END $$;
"""
HIGHEST = "INSERT INTO {name} VALUES ({at}); ANALYZE {name};"
MAINTAIN = "SELECT partman.run_maintenance('public.{name}')"
KEPT = "UPDATE partman.part_config SET retention = '{retention}', retention_keep_table = false"
KEPT += " WHERE parent_table = 'public.{name}';"

# What leaves has rows; the inserts go to the partition after the one that is kept.
STEP, ROWS_APART = 1_000_000, 500
INSERT = "INSERT INTO leaving VALUES (nextval('leaving_ids'), 'x')"
NOW = (GONE + 1) * STEP + STEP // 2
ROWS = f"""
INSERT INTO leaving SELECT n, 'x' FROM generate_series(0, {(GONE + 1) * STEP - 1}, {ROWS_APART}) n;
INSERT INTO leaving VALUES ({NOW}, 'x');
DROP SEQUENCE IF EXISTS leaving_ids;
CREATE SEQUENCE leaving_ids START {(GONE + 1) * STEP};
"""  # noqa: S608 - of the constants above

WHERE = f"Debian {RELEASE}, PostgreSQL 15, whole numbers as keys, a primary key and an index; ours: the packed module"
LEAVE = f"{WHERE} lets {GONE} partitions of {STEP // ROWS_APART:,} rows go while four clients insert"
BENCHMARKS = (
    Benchmark(
        "partition_create",
        PEER,
        "s",
        f"{WHERE} makes {MADE:,} partitions, a transaction each; theirs: create_parent in one transaction",
        Aim("ratio", 1.0),
        rounds=5,
    ),
    Benchmark(
        "partition_nothing_to_do",
        PEER,
        "s",
        f"{WHERE} on {MANY:,} partitions, four ahead, with a retention that keeps all; theirs: run_maintenance of it",
        Aim("ratio", 0.5),
    ),
    Benchmark(
        "partition_expire_stall",
        PEER,
        "s",
        f"{LEAVE}; the longest that one insert took",
        Aim("ratio", 0.1),
        rounds=5,
        bound=300.0,
    ),
    Benchmark("partition_expire_p99", PEER, "s", f"{LEAVE}; p99 of the inserts", rounds=5, bound=300.0),
    Benchmark("partition_expire_seconds", PEER, "s", f"{LEAVE}; until they are gone", rounds=5, bound=300.0),
)


@contextlib.contextmanager
def opened(names: Collection[str], say: Say) -> Iterator[Mapping[str, Pair]]:
    node = Node.start(NODE, RELEASE)
    try:
        say(f"Building the server with {PACKAGE}")
        install(node)
        cluster = Cluster.create(node, settings=SETTINGS)
        cluster.psql(f"CREATE DATABASE {DATABASE}")
        cluster.psql(PARTMAN, DATABASE)
        makers = {"partition_create": create, "partition_nothing_to_do": nothing_to_do}
        # Each prepares its own tables, which the other does not touch.
        made = {name: makers[name](cluster) for name in names if name in makers}
        yield made if made.keys() == set(names) else made | expire(cluster)
    finally:
        node.stop()


GROUP = Group(BENCHMARKS, opened)


def install(node: Node) -> None:
    argv = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120"]
    try:
        node.exec([*argv, "update"], timeout=120)
        node.exec([*argv, "install", "--yes", "--no-install-recommends", PACKAGE], timeout=240)
    except LabError as error:
        raise LabError(f"{PACKAGE}, to compare with, could not be installed on the node: {error}") from error


def packed(node: Node, table: str, ahead: int, interval: int = 10, retention: int | None = None) -> str:
    """The module as Ansible runs it there, in a place of its own; packing it runs it once."""
    wish: dict[str, object] = {"table": table, "interval": str(interval), "ahead": ahead}
    if retention is not None:
        wish |= {"retention": str(retention), "on_expiry": "drop"}
    login = {"login_unix_socket": "/var/run/postgresql", "login_user": "postgres", "login_db": DATABASE}
    place = tasks.pack(node, tasks.Task("runbook.postgres.pg_partition", {**login, "tables": [wish]}))
    kept = f"{place}.{table}"
    node.exec(["mv", place, kept])
    return kept


def create(cluster: Cluster) -> Pair:
    def ours() -> float:
        fresh(cluster, "made")
        return timed(lambda: checked(module(cluster, path), MADE))

    def theirs() -> float:
        fresh(cluster, "made")
        seconds = timed(lambda: psql(cluster, ADOPT.format(name="made", step=10, premake=MADE - 1)))
        count = int(cluster.psql("SELECT count(*) FROM pg_inherits WHERE inhparent = 'made'::regclass", DATABASE))
        # With its default partition.
        if count != MADE + 1:
            raise LabError(f"{PEER} made {count} partitions, so there is nothing to compare.")
        return seconds

    fresh(cluster, "made")
    path = packed(cluster.node, "made", MADE - 1)
    return Pair(ours, theirs)


def nothing_to_do(cluster: Cluster) -> Pair:
    # One table for both, as neither changes it. The row lies so that four partitions are ahead of it.
    name, retention = "many", MANY * 10
    cluster.psql(TABLE.format(name=name) + INDEX.format(name=name), DATABASE)
    # Its own way of making so many takes longer than anybody waits; it adopts what bears its names.
    cluster.psql(FILL.format(name=name, last=MANY - 1, step=10), DATABASE)
    cluster.psql(ADOPT.format(name=name, step=10, premake=4) + KEPT.format(name=name, retention=retention), DATABASE)
    cluster.psql(HIGHEST.format(name=name, at=(MANY - 5) * 10), DATABASE)
    path = packed(cluster.node, name, 4, retention=retention)
    return Pair(
        ours=lambda: timed(lambda: checked(module(cluster, path), 0)),
        theirs=lambda: timed(lambda: psql(cluster, MAINTAIN.format(name=name))),
    )


def expire(cluster: Cluster) -> dict[str, Pair]:
    def filled() -> None:
        fresh(cluster, "leaving")
        cluster.psql(FILL.format(name="leaving", last=GONE + 5, step=STEP) + ROWS, DATABASE)

    def adopted() -> None:
        filled()
        cluster.psql(
            ADOPT.format(name="leaving", step=STEP, premake=4) + KEPT.format(name="leaving", retention=STEP), DATABASE
        )

    def load(toll: partition_load.Toll) -> contextlib.AbstractContextManager[None]:
        return partition_load.inserts(cluster.node, DATABASE, INSERT, toll)

    def gone(act: object) -> None:
        left = int(cluster.psql("SELECT count(*) FROM pg_inherits WHERE inhparent = 'leaving'::regclass", DATABASE))
        if left > 10:
            raise LabError(f"{left} partitions are left after {act}, so there is nothing to compare.")

    def ours() -> None:
        result = module(cluster, path)
        if result.get("failed") or len(result["tables"][0]["dropped"]) != GONE:
            raise LabError(f"Our side did not drop {GONE} partitions: {result.get('msg', result['tables'][0])}")

    def theirs() -> None:
        psql(cluster, MAINTAIN.format(name="leaving"))
        gone(PEER)

    filled()
    path = packed(cluster.node, "leaving", 4, STEP, STEP)
    return partition_load.pairs(partition_load.Side(filled, ours, load), partition_load.Side(adopted, theirs, load))


def fresh(cluster: Cluster, name: str) -> None:
    forget = (
        "DELETE FROM partman.part_config WHERE parent_table = 'public.{name}'; DROP TABLE IF EXISTS {name} CASCADE;"
    )
    forget += "DROP TABLE IF EXISTS partman.template_public_{name};"
    cluster.psql(forget.format(name=name), DATABASE)
    cluster.psql(TABLE.format(name=name) + INDEX.format(name=name), DATABASE)


def module(cluster: Cluster, path: str) -> dict[str, Any]:
    argv = ["env", "HOME=/var/lib/postgresql", "LANG=C.UTF-8", "/usr/bin/python3", path]
    done = cluster.node.exec(argv, user="postgres", timeout=CALL_BOUND)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def checked(result: Mapping[str, Any], made: int) -> None:
    """A side that did something else must not look fast."""
    count = len(result["tables"][0]["created"])
    if result.get("failed") or count != made:
        raise LabError(f"Our side made {count} partitions instead of {made}, so there is nothing to compare.")


def psql(cluster: Cluster, statement: str) -> None:
    argv = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-p", str(cluster.port), "-d", DATABASE]
    cluster.node.exec(argv, user="postgres", input=statement, timeout=CALL_BOUND)
