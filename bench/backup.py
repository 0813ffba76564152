"""pg_backup against pg_dump by itself: what hashes, a manifest and a snapshot of its own cost, and what zstd saves."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from lab.clusters import Cluster
from lab.nodes import Node

from . import tasks
from .measure import Pair, timed
from .packed import CALL_BOUND, HOME, Packed
from .registry import Aim, Benchmark, Group, Say

NODE, RELEASE = "bench-backup", 12
DATABASE, SMALL = "orders", "small"
PLACE = f"{HOME}/backups"
# pgbench's unit is a hundred thousand accounts, about fifteen megabytes.
SCALE, SMALL_SCALE = 30, 3

SETTINGS = {
    "shared_buffers": "256MB",
    # Built in a hurry and thrown away; the files of backups are flushed on both sides all the same.
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "4GB",
    "autovacuum": "off",
}
# pgbench fills rows with blanks and numbers in order, which anything packs to nothing.
FILLED = "UPDATE pgbench_accounts SET filler = md5(aid || 'a') || md5(aid || 'b')"

WHERE = f"Debian {RELEASE}, PostgreSQL 15, {SCALE * 100_000:,} rows of pgbench with text that packs by half"
BENCHMARKS = (
    Benchmark(
        "backup_custom_gzip",
        "pg_dump --format=custom --compress=6",
        "s",
        f"{WHERE}; ours: the packed module with the same options, with hashes and a manifest",
        Aim("ratio", 1.03),
        rounds=5,
        bound=300.0,
    ),
    Benchmark(
        "backup_custom_plain",
        "pg_dump --format=custom --compress=0",
        "s",
        f"{WHERE}; the same without compression, where hashing shows most",
        rounds=5,
        bound=120.0,
    ),
    Benchmark(
        "backup_directory_gzip",
        "pg_dump --format=directory --jobs=2 --compress=6",
        "s",
        f"{WHERE}; ours: the packed module with the same options, with hashes and a manifest",
        Aim("ratio", 1.03),
        rounds=5,
        bound=300.0,
    ),
    Benchmark(
        "backup_zstd_seconds",
        "pg_dump --format=custom --compress=6",
        "s",
        f"{WHERE}; ours: zstd of level 1 in two threads; theirs: gzip of level 6, which has one",
        Aim("ratio", 0.6),
        rounds=5,
        bound=300.0,
    ),
    Benchmark(
        "backup_zstd_bytes",
        "pg_dump --format=custom --compress=6",
        "MB",
        f"{WHERE}; the same: how large the backup is",
        rounds=1,
        bound=1.0,
    ),
    Benchmark(
        "backup_memory",
        f"pg_backup of {SMALL_SCALE * 100_000:,} rows",
        "MB",
        f"{WHERE}; ours: the most memory that any of the processes has, with {SCALE // SMALL_SCALE} times the rows",
        Aim("ratio", 1.1),
        rounds=1,
        bound=1.0,
    ),
)

GZIP = {"format": "custom", "compression": {"method": "gzip", "level": 6}}
BARE = {"format": "custom", "compression": {"method": "none"}}
DIRECTORY = {"format": "directory", "jobs": 2, "compression": {"method": "gzip", "level": 6}}
ZSTD = {"format": "custom", "jobs": 2, "compression": {"method": "zstd", "level": 1}}


@contextlib.contextmanager
def opened(names: Collection[str], say: Say) -> Iterator[Mapping[str, Pair]]:
    node = Node.start(NODE, RELEASE)
    try:
        say(f"Building the server: {WHERE}")
        cluster = Cluster.create(node, settings=SETTINGS)
        for database, scale in ((DATABASE, SCALE), (SMALL, SMALL_SCALE)):
            fill(cluster, database, scale)
        makers: dict[str, Callable[[Cluster], Pair]] = {
            "backup_custom_gzip": lambda cluster: against_dump(cluster, GZIP, ["--format=custom", "--compress=6"]),
            "backup_custom_plain": lambda cluster: against_dump(cluster, BARE, ["--format=custom", "--compress=0"]),
            "backup_directory_gzip": lambda cluster: against_dump(
                cluster, DIRECTORY, ["--format=directory", "--jobs=2", "--compress=6"]
            ),
            "backup_zstd_seconds": lambda cluster: against_dump(cluster, ZSTD, ["--format=custom", "--compress=6"]),
            "backup_zstd_bytes": sizes,
            "backup_memory": memory,
        }
        yield {name: makers[name](cluster) for name in names}
    finally:
        node.stop()


GROUP = Group(BENCHMARKS, opened)


def fill(cluster: Cluster, database: str, scale: int) -> None:
    cluster.psql(f"CREATE DATABASE {database}")
    argv = ["pgbench", "-i", "-q", "-s", str(scale), "-p", str(cluster.port), database]
    cluster.node.exec(argv, user="postgres", timeout=CALL_BOUND)
    cluster.psql(FILLED, database)
    cluster.psql("VACUUM (FULL, ANALYZE) pgbench_accounts", database)
    cluster.psql("CHECKPOINT", database)


def packed(cluster: Cluster, database: str, label: str, options: Mapping[str, Any]) -> Packed:
    """Each run takes a backup and lets the one before it go."""
    wish = {"database": database, "destination": PLACE, "label": label, "max_age": "0", "retention": {"count": 1}}
    wish |= {"verify": "none", "globals": "none", "login_unix_socket": "/var/run/postgresql", **options}
    return Packed.make(cluster.node, tasks.Task("runbook.postgres.pg_backup", wish), label)


def dump(cluster: Cluster, options: Sequence[str]) -> None:
    cluster.node.exec(["rm", "-rf", f"{HOME}/theirs"])
    argv = ["/usr/lib/postgresql/15/bin/pg_dump", *options, f"--file={HOME}/theirs", "-p", str(cluster.port), DATABASE]
    cluster.node.exec(argv, user="postgres", timeout=CALL_BOUND)


def against_dump(cluster: Cluster, options: Mapping[str, Any], theirs: Sequence[str]) -> Pair:
    label = f"{options['format']}_{options['compression']['method']}"
    ours = packed(cluster, DATABASE, label, options)
    return Pair(lambda: timed(lambda: ours.run("taken")), lambda: timed(lambda: dump(cluster, theirs)))


def sizes(cluster: Cluster) -> Pair:
    ours = packed(cluster, DATABASE, "sized", ZSTD)

    def theirs() -> float:
        dump(cluster, ["--format=custom", "--compress=6"])
        return int(cluster.node.exec(["stat", "-c", "%s", f"{HOME}/theirs"]).stdout) / 1e6

    return Pair(lambda: int(ours.run("taken")[0]["bytes"]) / 1e6, theirs)


def memory(cluster: Cluster) -> Pair:
    large = packed(cluster, DATABASE, "large", ZSTD)
    small = packed(cluster, SMALL, "small", ZSTD)
    return Pair(lambda: large.run("taken")[1] / 1e3, lambda: small.run("taken")[1] / 1e3)
