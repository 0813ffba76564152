"""Physical backups against pg_basebackup, and restores of both kinds against PostgreSQL's own programs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from lab.clusters import HBA, Cluster
from lab.nodes import Node
from lab.waiting import wait_until

from . import tasks
from .backup import DATABASE, SCALE, SETTINGS, fill
from .measure import Pair, timed
from .packed import CALL_BOUND, HOME, Packed
from .registry import Aim, Benchmark, Group, Say

NODE, RELEASE = "bench-restore", 12
PROGRAMS = "/usr/lib/postgresql/15/bin"
STANZA = "bench"
PLACE, THEIRS = f"{HOME}/backups", f"{HOME}/theirs"
# What role backup writes, of what matters here.
CONFIG = f"""\
[global]
repo1-path=/var/lib/pgbackrest
repo1-retention-full=1
repo1-bundle=y
start-fast=y
process-max=2
compress-type=zst
log-level-file=off
[{STANZA}]
pg1-path=%s
"""
ARCHIVING = {
    "archive_mode": "on",
    "archive_command": f"pgbackrest --stanza={STANZA} --log-level-console=off archive-push %p",
}

WHERE = f"Debian {RELEASE}, PostgreSQL 15, {SCALE * 100_000:,} rows of pgbench with text that packs by half"
BENCHMARKS = (
    Benchmark(
        "backup_physical_seconds",
        "pg_basebackup --format=tar --gzip",
        "s",
        f"{WHERE}; ours: pgBackRest through pg_backup as role backup sets it up, two processes and zstd, and its "
        "checksums read once more; theirs: one process and gzip, nothing read again",
        Aim("ratio", 1.0),
        rounds=5,
        bound=300.0,
    ),
    Benchmark(
        "backup_physical_bytes",
        "pg_basebackup --format=tar --gzip",
        "MB",
        f"{WHERE}; the same: how large the backup is",
        rounds=1,
        bound=1.0,
    ),
    Benchmark(
        "restore_physical",
        "tar -x of what pg_basebackup packed, and pg_ctlcluster start",
        "s",
        f"{WHERE}; until the server answers; ours: pg_recover to the backup's end, proven beside the old data, which "
        "is kept; theirs: into an emptied directory",
        Aim("ratio", 1.0),
        rounds=5,
        bound=300.0,
    ),
    Benchmark(
        "restore_database",
        "createdb, pg_restore --jobs=2, vacuumdb --analyze-only --jobs=2",
        "s",
        f"{WHERE}; into a database of its own; ours: with hashes, rows and constraints compared before anybody sees it",
        Aim("ratio", 1.1),
        rounds=3,
        bound=300.0,
    ),
)


@contextlib.contextmanager
def opened(names: Collection[str], say: Say) -> Iterator[Mapping[str, Pair]]:
    node = Node.start(NODE, RELEASE)
    try:
        say(f"Building the server: {WHERE}")
        hba = (*HBA, "local replication postgres peer")
        cluster = Cluster.create(node, settings={**SETTINGS, **ARCHIVING}, hba=hba, start=False)
        for place in ("/var/lib/pgbackrest", "/var/log/pgbackrest"):
            node.exec(["install", "-d", "-o", "postgres", "-g", "postgres", "-m", "0750", place])
        node.write("/etc/pgbackrest.conf", CONFIG % cluster.data_directory, owner="root:postgres", mode="0640")
        cluster.start()
        node.exec(["pgbackrest", f"--stanza={STANZA}", "stanza-create"], user="postgres")
        fill(cluster, DATABASE, SCALE)
        makers: dict[str, Callable[[Cluster], Pair]] = {
            "backup_physical_seconds": physical,
            "backup_physical_bytes": sizes,
            "restore_physical": recovery,
            "restore_database": restored,
        }
        yield {name: makers[name](cluster) for name in names}
    finally:
        node.stop()


GROUP = Group(BENCHMARKS, opened)


def packed(cluster: Cluster, module: str, name: str, user: str = "postgres", **options: Any) -> Packed:
    return Packed.make(cluster.node, tasks.Task(f"runbook.postgres.{module}", options, user), name)


def copied(cluster: Cluster) -> Packed:
    wish = {"method": "physical", "stanza": STANZA, "kind": "full", "max_age": "0", "verify": "checksum"}
    return packed(cluster, "pg_backup", "physical", "root", **wish)


def base_backup(cluster: Cluster) -> None:
    cluster.node.exec(["rm", "-rf", THEIRS])
    argv = [f"{PROGRAMS}/pg_basebackup", "--format=tar", "--gzip", "--checkpoint=fast", "-D", THEIRS]
    cluster.node.exec([*argv, "-p", str(cluster.port)], user="postgres", timeout=CALL_BOUND)


def physical(cluster: Cluster) -> Pair:
    ours = copied(cluster)
    return Pair(lambda: timed(lambda: ours.run("taken")), lambda: timed(lambda: base_backup(cluster)))


def sizes(cluster: Cluster) -> Pair:
    ours = copied(cluster)

    def theirs() -> float:
        base_backup(cluster)
        return int(cluster.node.exec(["du", "-sb", THEIRS]).stdout.split()[0]) / 1e6

    return Pair(lambda: int(ours.run("taken")[0]["bytes"]) / 1e6, theirs)


def recovery(cluster: Cluster) -> Pair:
    """Both begin with a server that is stopped, and end with one that answers."""
    node = cluster.node
    base_backup(cluster)
    label = copied(cluster).run("taken")[0]["id"]
    wish: dict[str, Any] = {"version": cluster.version, "stanza": STANZA, "backup": label}
    wish |= {"target": "immediate", "again": True}
    # Packing it runs it once, with the server stopped as each round has it.
    cluster.stop()
    ours = packed(cluster, "pg_recover", "physical", "root", **wish)

    def answered() -> None:
        wait_until("the server answers", cluster.accepts_connections, bound=CALL_BOUND, pause=0.05)

    def proven() -> None:
        ours.run("changed")
        answered()

    def recover() -> float:
        cluster.stop()
        kept = f"{cluster.data_directory}.before-recovery-"
        node.exec(["sh", "-c", f"rm -rf {kept}*"])
        return timed(proven)

    def unpack() -> None:
        node.exec(["tar", "-xzf", f"{THEIRS}/base.tar.gz", "-C", cluster.data_directory], user="postgres")
        wal = f"{cluster.data_directory}/pg_wal"
        node.exec(["tar", "-xzf", f"{THEIRS}/pg_wal.tar.gz", "-C", wal], user="postgres")
        cluster.start()
        answered()

    def their_side() -> float:
        cluster.stop()
        node.exec(["sh", "-c", f"rm -rf {cluster.data_directory}/*"])
        return timed(unpack)

    return Pair(recover, their_side)


def restored(cluster: Cluster) -> Pair:
    login: dict[str, Any] = {"login_unix_socket": "/var/run/postgresql"}
    wish: dict[str, Any] = {"database": DATABASE, "destination": PLACE, "label": "restore", "max_age": "0", **login}
    wish |= {"format": "directory", "jobs": 2, "count_rows": True, "compression": {"method": "gzip", "level": 6}}
    taken = packed(cluster, "pg_backup", "restore", **wish).run("taken")[0]
    options: dict[str, Any] = {"repository": PLACE, "backup": taken["id"], "target": "copy", "jobs": 2, "again": True}
    ours = packed(cluster, "pg_restore", "copy", **options, **login)
    dump = [f"{PROGRAMS}/pg_dump", "--format=directory", "--jobs=2", "--compress=6", f"--file={HOME}/dump", DATABASE]
    cluster.node.exec(dump, user="postgres", timeout=CALL_BOUND)

    def dropped() -> None:
        cluster.psql("DROP DATABASE IF EXISTS copy")
        cluster.psql("CHECKPOINT")

    def restore() -> float:
        dropped()
        return timed(lambda: ours.run("changed"))

    def by_hand() -> None:
        for argv in (
            ["createdb", "copy"],
            ["pg_restore", "--jobs=2", "--dbname=copy", f"{HOME}/dump"],
            ["vacuumdb", "--analyze-only", "--jobs=2", "--quiet", "copy"],
        ):
            cluster.node.exec(argv, user="postgres", timeout=CALL_BOUND)

    def theirs() -> float:
        dropped()
        return timed(by_hand)

    return Pair(restore, theirs)
