"""pg_partition against pg_partman: making many partitions, and having nothing to do among very many."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from lab.clusters import Cluster
from lab.errors import LabError
from lab.nodes import Node

from . import tasks
from .measure import Pair, timed
from .registry import Aim, Benchmark, Group, Say

NODE, RELEASE = "bench-partitions", 12
DATABASE = "parts"
PACKAGE = "postgresql-15-partman"
PEER = "pg_partman 4.7"
MADE, MANY = 1_000, 10_000
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
ADOPT = "SELECT partman.create_parent('public.{name}', 'id', 'native', '10', p_premake := {premake});"
FILL = """
DO $$ BEGIN FOR n IN 0 .. {last} LOOP
  EXECUTE format('CREATE TABLE {name}_p%s PARTITION OF {name} FOR VALUES FROM (%s) TO (%s)',
                 n * 10, n * 10, n * 10 + 10);
END LOOP; END $$;
"""

WHERE = f"Debian {RELEASE}, PostgreSQL 15, whole numbers as keys, a primary key and an index; ours: the packed module"
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
        f"{WHERE} on {MANY:,} partitions of which four are ahead; theirs: run_maintenance of the same",
        Aim("ratio", 0.5),
    ),
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
        yield {name: makers[name](cluster) for name in names}
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


def packed(node: Node, table: str, ahead: int) -> str:
    """The module as Ansible runs it there, in a place of its own; packing it runs it once."""
    wish = {"table": table, "interval": "10", "ahead": ahead}
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
        seconds = timed(lambda: psql(cluster, ADOPT.format(name="made", premake=MADE - 1)))
        count = int(cluster.psql("SELECT count(*) FROM pg_inherits WHERE inhparent = 'made'::regclass", DATABASE))
        # With its default partition.
        if count != MADE + 1:
            raise LabError(f"{PEER} made {count} partitions, so there is nothing to compare.")
        return seconds

    fresh(cluster, "made")
    path = packed(cluster.node, "made", MADE - 1)
    return Pair(ours, theirs)


def nothing_to_do(cluster: Cluster) -> Pair:
    # The row lies so that four partitions are ahead of it.
    row = "INSERT INTO {name} VALUES ({at});"
    at = (MANY - 5) * 10
    for name in ("ours", "theirs"):
        cluster.psql(TABLE.format(name=name) + INDEX.format(name=name), DATABASE)
        # Its own way of making so many takes longer than anybody waits; it adopts what bears its names.
        cluster.psql(FILL.format(name=name, last=MANY - 1), DATABASE)
    cluster.psql(ADOPT.format(name="theirs", premake=4), DATABASE)
    for name in ("ours", "theirs"):
        cluster.psql(row.format(name=name, at=at) + f"ANALYZE {name};", DATABASE)
    path = packed(cluster.node, "ours", 4)
    return Pair(
        ours=lambda: timed(lambda: checked(module(cluster, path), 0)),
        theirs=lambda: timed(lambda: psql(cluster, "SELECT partman.run_maintenance('public.theirs')")),
    )


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
