"""A cluster with a pgBackRest repository beside it, made by hand, and recoveries of it."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lab.clusters import Cluster
from lab.nodes import Node
from lab.waiting import wait_until
from tests.integration import inside

STANZA = "demo"
REPOSITORY = "/var/lib/pgbackrest"
# What is known of its repositories on a host.
PROOFS = f"/var/lib/runbook-postgres/backup-{STANZA}.json"
CONFIG = """\
[global]
repo1-path={repository}
repo1-retention-full=9
start-fast=y
compress-type=lz4
log-level-file=off
[{stanza}]
pg1-path={data}
pg1-port={port}
"""
SETTINGS = {
    "archive_mode": "on",
    "archive_command": f"pgbackrest --stanza={STANZA} --log-level-console=off archive-push %p",
    "shared_buffers": "32MB",
    "max_connections": 40,
    # When each row was committed is then known without a guess.
    "track_commit_timestamp": "on",
}
ROWS = "CREATE TABLE ledger (n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, who int, filler text);"
LOAD = "INSERT INTO ledger (who, filler) VALUES (:client_id, repeat('x', 50));\n"
LOADED = "/tmp/load.sql"
# A file system without room for a second copy.
SMALL = {"/small": "size=150m,mode=0755"}


@dataclass(frozen=True)
class Backed:
    """One node, its cluster, and what the repository holds."""

    node: Node
    cluster: Cluster

    @property
    def version(self) -> int:
        return self.cluster.version

    def options(self, **more: Any) -> dict[str, Any]:
        return {"version": self.version, "stanza": STANZA, **more}

    def recover(
        self, *, check: bool = False, die: inside.Interrupt | None = None, module: str = "pg_recover", **more: Any
    ) -> inside.Ended:
        return inside.run(self.node, module, self.options(**more), check=check, die=die, user="root")

    def pgbackrest(self, *words: str) -> str:
        argv = ["pgbackrest", f"--stanza={STANZA}", "--log-level-console=warn", *words]
        return self.node.exec(argv, user="postgres").stdout

    def backup(self, kind: str = "full") -> str:
        """Its label."""
        self.pgbackrest(f"--type={kind}", "backup")
        return self.labels[-1]

    @property
    def labels(self) -> list[str]:
        return [str(each["label"]) for each in json.loads(self.pgbackrest("--output=json", "info"))[0]["backup"]]

    def archived(self) -> str:
        """All WAL until now is in the archive; the name of the last file."""
        # Without a record there is nothing to switch from.
        self.cluster.psql("SELECT pg_logical_emit_message(false, 'test', 'x')")
        name = self.cluster.psql("SELECT pg_walfile_name(pg_switch_wal())")
        last = "SELECT coalesce(last_archived_wal, '') FROM pg_stat_archiver"
        wait_until("WAL is archived", lambda: self.cluster.psql(last) >= name, bound=60)
        return name

    def found_damaged(self, segment: str) -> str:
        """What the proof of the repository writes down of such a file of WAL, for where pgBackRest has no proof."""
        return json.dumps({"repositories": {"1": {"damaged_wal": [f"{self.version}-1/{segment}"]}}})

    def now(self) -> str:
        return self.cluster.psql("SET TimeZone = 'UTC'; SELECT clock_timestamp()")

    def files(self, place: str | None = None) -> list[str]:
        return self.node.exec(["ls", "-A", place or f"/var/lib/postgresql/{self.version}"]).stdout.split()

    @property
    def aside(self) -> list[str]:
        return [name for name in self.files() if name.startswith("main.before-recovery-")]

    def renew(self) -> None:
        """A new cluster, and a new repository with nothing of the old one's."""
        self.node.exec(["systemctl", "stop", self.cluster.unit], check=False)
        for place in ("/var/lib/postgresql", "/etc/postgresql", "/var/log/postgresql", REPOSITORY, "/small", "/srv"):
            self.node.exec(["sh", "-c", f"rm -rf {place}/* {place}/.[a-z]*"])
        self.node.exec(["sh", "-c", "rm -rf /var/lib/runbook-postgres /run/postgresql/.recovery-* /tmp/pgbackrest"])
        self.node.exec(["rm", "-f", inside.HELD])
        self.node.exec(["systemctl", "daemon-reload"])

    def build(self) -> None:
        self.renew()
        configure(self.node, self.cluster)
        made = Cluster.create(self.node, settings=SETTINGS)
        # The password is the new cluster's.
        object.__setattr__(self, "cluster", made)
        self.pgbackrest("stanza-create")
        self.cluster.psql(ROWS)
        self.cluster.psql("INSERT INTO ledger (who) SELECT 0 FROM generate_series(1, 100)")

    @contextlib.contextmanager
    def load(self, clients: int = 3) -> Iterator[None]:
        """Rows are committed all the while; it ends with the server or with the block."""
        self.node.write(LOADED, LOAD, mode="0644")
        argv = ["pgbench", "-n", "-c", str(clients), "-T", "120", "-R", "300", "-f", LOADED, "postgres"]
        command = ["docker", "exec", "--user=postgres", self.node.container, *argv]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
            try:
                wait_until("rows arrive", lambda: int(self.cluster.psql("SELECT max(who) FROM ledger")) > 0)
                yield
            finally:
                self.node.exec(["pkill", "-INT", "pgbench"], check=False)
                run.wait(30)

    def rows(self) -> set[int]:
        return {int(line) for line in self.cluster.psql("SELECT n FROM ledger").splitlines()}

    def committed(self, until: str) -> set[int]:
        """The rows that were committed until then, as the server that committed them says."""
        asked = "SELECT n FROM ledger WHERE coalesce(pg_xact_commit_timestamp(xmin), '-infinity') <= 'UNTIL'"
        return {int(line) for line in self.cluster.psql(asked.replace("UNTIL", until)).splitlines()}


def configure(node: Node, cluster: Cluster) -> None:
    for place in (REPOSITORY, "/var/log/pgbackrest"):
        node.exec(["install", "-d", "-o", "postgres", "-g", "postgres", "-m", "0750", place])
    text = CONFIG.format(repository=REPOSITORY, stanza=STANZA, data=cluster.data_directory, port=cluster.port)
    node.write("/etc/pgbackrest.conf", text, owner="root:postgres", mode="0640")


@contextlib.contextmanager
def backed(release: int) -> Iterator[Backed]:
    node = Node.start(f"recovery{release}", release, tmpfs=SMALL)
    try:
        inside.install(node)
        yield Backed(node, Cluster(node, node.postgresql))
    finally:
        node.stop()


@contextlib.contextmanager
def scratch(release: int) -> Iterator[Node]:
    """A host without a cluster, for drills."""
    node = Node.start(f"scratch{release}", release)
    try:
        inside.install(node)
        configure(node, Cluster(node, node.postgresql, "drill"))
        yield node
    finally:
        node.stop()


def share(backed: Backed, node: Node, place: str = REPOSITORY) -> None:
    """The repository as it is now, on another host as well."""
    node.exec(["rm", "-rf", place])
    node.exec(["install", "-d", "-o", "postgres", "-g", "postgres", "-m", "0750", place])
    source = ["docker", "exec", backed.node.container, "tar", "-C", place, "-cf", "-", "."]
    target = ["docker", "exec", "--interactive", node.container, "tar", "-C", place, "-xf", "-"]
    packed = subprocess.run(source, check=True, capture_output=True).stdout
    subprocess.run(target, check=True, input=packed, capture_output=True)
