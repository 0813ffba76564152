"""A PostgreSQL cluster on a node, made with Debian's own tools and run by systemd.

    node = Node.start("pg1", 12)
    cluster = Cluster.create(node, settings={"shared_buffers": "64MB"})
    psycopg2.connect(**cluster.parameters())       # as the superuser, from this host
    standby = cluster.clone_standby(Node.start("pg2", 12))

It is not how the collection's roles do it: tests and demo must not stand on what they test.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .nodes import Node
from .waiting import wait_until

# Peer for the operating system's postgres, a password for everyone else.
HBA = (
    "local all         postgres     peer",
    "local all         all          scram-sha-256",
    "host  all         all      all scram-sha-256",
    "host  replication all      all scram-sha-256",
)
SETTINGS = {"listen_addresses": "*", "password_encryption": "scram-sha-256"}


@dataclass(frozen=True)
class Cluster:
    """A cluster that was made by `create` or `clone_standby`."""

    node: Node
    version: int
    name: str = "main"
    port: int = 5432
    password: str = field(default="", repr=False)  # of the superuser postgres

    @property
    def unit(self) -> str:
        return f"postgresql@{self.version}-{self.name}.service"

    @property
    def data_directory(self) -> str:
        return f"/var/lib/postgresql/{self.version}/{self.name}"

    @property
    def config_directory(self) -> str:
        return f"/etc/postgresql/{self.version}/{self.name}"

    @property
    def log_file(self) -> str:
        return f"/var/log/postgresql/postgresql-{self.version}-{self.name}.log"

    @classmethod
    def create(
        cls,
        node: Node,
        version: int | None = None,
        name: str = "main",
        port: int = 5432,
        *,
        settings: Mapping[str, object] | None = None,
        hba: Sequence[str] = HBA,
        initdb: Sequence[str] = (),
        start: bool = True,
    ) -> Cluster:
        """A new cluster with data checksums that listens on all addresses.

        `version` is the node's PostgreSQL unless said; `settings` go over the lab's
        own; `hba` are the lines of pg_hba.conf; `initdb` further options of initdb.
        """
        cluster = cls(node, version or node.postgresql, name, port, secrets.token_urlsafe(18))
        pwfile = f"/run/postgresql/.{name}.password"  # a file: argv is for everyone to read
        node.write(pwfile, cluster.password, owner="postgres:postgres", mode="0600")
        try:
            # Without the method, PostgreSQL 13 would store the password as MD5.
            secure = ("--auth-host=scram-sha-256", f"--pwfile={pwfile}")
            cluster._pg_createcluster("--data-checksums", *secure, *initdb)
        finally:
            node.exec(["rm", "-f", pwfile])
        cluster.configure({**SETTINGS, **(settings or {})})
        cluster.write_hba(hba)
        if start:
            cluster.start()
        return cluster

    def clone_standby(
        self,
        node: Node,
        name: str = "main",
        port: int = 5432,
        *,
        slot: str | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> Cluster:
        """A streaming standby of this cluster by pg_basebackup, with a slot of its own.

        On the same node give it another name and port. The slot is called `slot` or
        after the standby ("pg2_main"), which is also its application_name.
        """
        standby = Cluster(node, self.version, name, port, self.password)
        slot = slot or f"{node.name}_{name}".replace("-", "_")
        standby._pg_createcluster()
        node.exec(["find", standby.data_directory, "-mindepth", "1", "-delete"])
        standby.write_passfile(self)
        source = f"host={self.node.ip} port={self.port} user=postgres application_name={slot}"
        argv = ["pg_basebackup", "--dbname", source, "--pgdata", standby.data_directory, "--no-password"]
        argv += ["--checkpoint=fast", "--write-recovery-conf", "--create-slot", "--slot", slot]
        node.exec(argv, user="postgres")
        standby.configure({**SETTINGS, **(settings or {})})
        standby.write_hba(HBA)
        standby.start()
        wait_until(f"standby {slot} streams", lambda: slot in self.streaming_standbys())
        return standby

    def streaming_standbys(self) -> list[str]:
        """The application names of the standbys that stream from here now."""
        sql = "SELECT application_name FROM pg_stat_replication WHERE state = 'streaming' ORDER BY 1"
        return self.psql(sql).splitlines()

    def write_passfile(self, upstream: Cluster) -> None:
        """Let the node's postgres reach `upstream` by password, which never enters an argument."""
        path = "/var/lib/postgresql/.pgpass"
        line = f"{upstream.node.ip}:{upstream.port}:*:postgres:{upstream.password}"
        known = self.node.exec(["cat", path], check=False).stdout.splitlines()
        text = "".join(f"{entry}\n" for entry in [*known, line])
        self.node.write(path, text, owner="postgres:postgres", mode="0600")

    def parameters(
        self, database: str = "postgres", user: str = "postgres", password: str | None = None
    ) -> dict[str, str]:
        """What `psycopg2.connect(**...)` needs to reach this cluster from this host."""
        return {
            "host": self.node.ip,
            "port": str(self.port),
            "dbname": database,
            "user": user,
            "password": self.password if password is None else password,
        }

    def psql(self, sql: str, database: str = "postgres", *, check: bool = True) -> str:
        """What `sql` prints, run as the superuser; it stops at the first error.

        The text goes through standard input, so that it may hold a secret.
        """
        argv = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-p", str(self.port), "-d", database]
        return self.node.exec(argv, user="postgres", input=sql, check=check).stdout.strip()

    def configure(self, settings: Mapping[str, object]) -> None:
        """Replace the lab's settings file; a reload or restart makes it count."""
        lines = [f"{key} = '{str(value).replace(chr(39), chr(39) * 2)}'\n" for key, value in settings.items()]
        self.node.write(f"{self.config_directory}/conf.d/lab.conf", "".join(lines), owner="postgres:postgres")

    def write_hba(self, lines: Sequence[str]) -> None:
        text = "".join(f"{line}\n" for line in lines)
        self.node.write(f"{self.config_directory}/pg_hba.conf", text, owner="postgres:postgres", mode="0640")

    def start(self) -> None:
        """Start it and return when it accepts connections."""
        # Otherwise systemd refuses the sixth start within ten seconds.
        self.node.exec(["systemctl", "reset-failed", self.unit], check=False)
        self.node.exec(["systemctl", "start", self.unit])
        wait_until(f"{self.unit} on {self.node.name} accepts connections", self.accepts_connections)

    def restart(self) -> None:
        self.stop()
        self.start()

    def reload(self) -> None:
        self.node.exec(["systemctl", "reload", self.unit])

    def stop(self, mode: str = "fast") -> None:
        """Stop it: `smart`, `fast`, or `immediate`, which is as good as a crash."""
        if mode == "fast":
            self.node.exec(["systemctl", "stop", self.unit])
        else:
            self._pg_ctlcluster("stop", "--mode", mode)

    def promote(self) -> None:
        """Make a standby a primary and return when it takes writes."""
        self._pg_ctlcluster("promote")
        where = f"{self.unit} on {self.node.name}"
        wait_until(f"{where} is promoted", lambda: self.psql("SELECT pg_is_in_recovery()") == "f")

    def accepts_connections(self) -> bool:
        argv = ["pg_isready", "-q", "-p", str(self.port)]
        return self.node.exec(argv, user="postgres", check=False).returncode == 0

    def drop(self) -> None:
        """Stop it and remove its data and configuration."""
        self.node.exec(["systemctl", "stop", self.unit], check=False)
        self.node.exec(["pg_dropcluster", str(self.version), self.name])

    def _pg_createcluster(self, *initdb: str) -> None:
        argv = ["pg_createcluster", "--port", str(self.port), "--locale", "en_US.UTF-8", "--encoding", "UTF8"]
        self.node.exec([*argv, str(self.version), self.name, "--", *initdb])

    def _pg_ctlcluster(self, *words: str) -> None:
        argv = ["pg_ctlcluster", "--skip-systemctl-redirect", str(self.version), self.name, *words]
        self.node.exec(argv, user="postgres")
