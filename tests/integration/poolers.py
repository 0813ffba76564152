"""A primary, a standby and a pooler for the role pgbouncer, certificates and all, and how to reach them."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2

from lab.checkout import ROOT
from lab.clusters import Cluster
from lab.nodes import Node

TLS = "/etc/ssl/postgres"
PORT = 6432
SETTINGS = {
    "ssl": "on",
    "ssl_cert_file": f"{TLS}/node.crt",
    "ssl_key_file": f"{TLS}/node.key",
    "ssl_ca_file": f"{TLS}/ca.crt",
    "wal_retrieve_retry_interval": "200ms",
    "max_connections": "150",
}
# Nobody gets in over the network without TLS, and the pooler's own role by certificate only.
HBA = (
    "local all postgres peer",
    "local all all scram-sha-256",
    "hostssl replication all all scram-sha-256",
    "hostssl all pgbouncer all cert map=poolers",
    "hostssl all all all scram-sha-256",
)


@dataclass(frozen=True)
class Scene:
    """Two servers and a pooler; `passwords` by role."""

    primary: Cluster
    standby: Cluster
    pooler: Node
    # The authority's certificate, as a file of this host.
    ca: Path
    passwords: Mapping[str, str] = field(repr=False)
    addresses: Mapping[str, str] = field(default_factory=dict)

    def parameters(self, database: str = "shop", user: str = "app", **changes: Any) -> dict[str, Any]:
        given = {
            "host": self.addresses["pooler"],
            "port": PORT,
            "dbname": database,
            "user": user,
            "password": self.passwords.get(user, "none"),
            "sslmode": "verify-full",
            "sslrootcert": str(self.ca),
            "connect_timeout": 10,
        }
        return {**given, **changes}

    @contextlib.contextmanager
    def connect(self, database: str = "shop", user: str = "app", **changes: Any) -> Iterator[Any]:
        connection = psycopg2.connect(**self.parameters(database, user, **changes))
        connection.autocommit = True
        try:
            yield connection
        finally:
            connection.close()

    def ask(self, sql: str, database: str = "shop", user: str = "app", **changes: Any) -> Any:
        with self.connect(database, user, **changes) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            row = cursor.fetchone()
            return row[0] if row else None

    def refusal(self, database: str = "shop", user: str = "app", **changes: Any) -> str:
        """Why somebody is not let in."""
        try:
            with self.connect(database, user, **changes):
                return ""
        except psycopg2.OperationalError as error:
            return str(error)

    def console(
        self,
        sql: str,
        node: Node | None = None,
        directory: str = "/var/run/postgresql",
        form: str = "-XAt",
        *,
        check: bool = True,
    ) -> str:
        argv = ["psql", form, "-h", directory, "-p", str(PORT), "-U", "pgbouncer", "-d", "pgbouncer", "-c", sql]
        return (node or self.pooler).exec(argv, user="postgres", check=check).stdout

    def topology(self, *, primary: str = "db1", read_hosts: Sequence[str] = ("db2",)) -> dict[str, Any]:
        nodes = {name: {"address": self.addresses[name]} for name in ("db1", "db2")}
        return {"primary": primary, "read_hosts": list(read_hosts), "nodes": nodes}

    def variables(self, **changes: Any) -> dict[str, Any]:
        return {
            "postgres_topology": self.topology(),
            "postgres_address": self.addresses["pooler"],
            "provision_databases": [{"name": "shop", "owner": "app"}, {"name": "gone", "state": "absent"}],
            **changes,
        }

    def run(self, place: Path, *options: str, node: Node | None = None, **variables: Any) -> Run:
        """The role on the pooler."""
        return play(
            place, node or self.pooler, {"role": "runbook.postgres.pgbouncer"}, self.variables(**variables), options
        )

    def part(self, place: Path, tasks_from: str, node: Node, **variables: Any) -> Run:
        """Some of the role's tasks."""
        role = {"role": "runbook.postgres.pgbouncer", "tasks_from": tasks_from}
        return play(place, node, role, self.variables(**variables))

    def tls(self, place: Path, *options: str) -> Run:
        """The role tls on the pooler, with the authority that is here."""
        variables = {
            "postgres_cluster": "tests",
            "postgres_poolers": [self.pooler.name],
            "postgres_address": self.addresses["pooler"],
            "tls_common_name": "pooler",
            "tls_ca_directory": str(self.ca.parent),
            # The authority here ends in a month.
            "tls_valid_for": "20d",
            "tls_renew_before": "5d",
        }
        return play(place, self.pooler, {"role": "runbook.postgres.tls"}, variables, options)

    def lookup(self, place: Path, *options: str, cluster: Cluster | None = None, **variables: Any) -> Run:
        """The role's part for the primary."""
        node = (cluster or self.primary).node
        role = {"role": "runbook.postgres.pgbouncer", "tasks_from": "lookup"}
        return play(place, node, role, self.variables(**variables), options)


@dataclass(frozen=True)
class Run:
    """What a run of ansible-playbook said, task by task."""

    code: int
    tasks: tuple[tuple[str, Mapping[str, Any]], ...]
    output: str

    @property
    def changes(self) -> list[tuple[str, bool]]:
        return [(name, bool(result.get("changed"))) for name, result in self.tasks]

    @property
    def changed(self) -> bool:
        return any(changed for _, changed in self.changes)

    def last(self) -> Mapping[str, Any]:
        return self.tasks[-1][1]


def play(
    place: Path, node: Node, role: Mapping[str, str], variables: Mapping[str, Any], options: Sequence[str] = ()
) -> Run:
    host = {
        "ansible_connection": "community.docker.docker",
        "ansible_host": node.container,
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_pipelining": True,
        "ansible_remote_tmp": "/tmp/.ansible",
        **variables,
    }
    inclusion = {"name": role["role"], **{key: value for key, value in role.items() if key != "role"}}
    book = [{"hosts": "all", "gather_facts": False, "tasks": [{"name": "Role", "import_role": inclusion}]}]
    inventory = {"all": {"hosts": {node.name: host}}}
    for name, content in (("inventory.json", inventory), ("play.json", book)):
        (place / name).touch(mode=0o600)
        (place / name).write_text(json.dumps(content))
    done = subprocess.run(
        [
            str(ROOT / ".venv/bin/ansible-playbook"),
            "-i",
            str(place / "inventory.json"),
            *options,
            str(place / "play.json"),
        ],
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".lab" / "collections"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_DEPRECATION_WARNINGS": "0",
        },
        cwd=place,
        text=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    told = json.loads(done.stdout[done.stdout.index("{") :])
    tasks = [
        (task["task"]["name"], result)
        for each in told["plays"]
        for task in each["tasks"]
        for result in task["hosts"].values()
    ]
    return Run(done.returncode, tuple(tasks), done.stdout + done.stderr)


def build(release: int, place: Path) -> Scene:
    """Boot the nodes; what an earlier run left is replaced."""
    nodes = {name: Node.start(f"pool{release}-{name}", release) for name in ("db1", "db2", "pooler")}
    addresses = {name: node.ip for name, node in nodes.items()}
    authority = Authority.make(place)
    for name, node in nodes.items():
        authority.equip(node, name, addresses[name])
    primary = Cluster.create(nodes["db1"], settings=SETTINGS, hba=HBA)
    passwords = {name: secrets.token_urlsafe(12) for name in ("app", "expired", "boss", "mover", "monitoring")}
    roles = {"app": "", "expired": "VALID UNTIL '2020-01-01'", "boss": "SUPERUSER", "mover": "REPLICATION"}
    primary.psql(
        "".join(f"CREATE ROLE {role} LOGIN PASSWORD '{passwords[role]}' {more};" for role, more in roles.items())
    )
    primary.psql("CREATE DATABASE shop OWNER app")
    # As the example's is: nobody connects who was not let in by name.
    primary.psql("REVOKE CONNECT ON DATABASE shop FROM PUBLIC")
    primary.psql('CREATE DATABASE "it\'s ""odd"" =1" OWNER app')
    standby = primary.clone_standby(nodes["db2"], settings=SETTINGS)
    standby.write_hba(HBA)
    for cluster in (primary, standby):
        text = "poolers pooler pgbouncer\n"
        path = f"{cluster.config_directory}/pg_ident.conf"
        cluster.node.write(path, text, owner="postgres:postgres", mode="0640")
        cluster.reload()
    return Scene(primary, standby, nodes["pooler"], place / "ca.crt", passwords, addresses)


@dataclass(frozen=True)
class Authority:
    """A small CA in a directory of this host."""

    place: Path

    @classmethod
    def make(cls, place: Path) -> Authority:
        key, certificate = place / "ca.key", place / "ca.crt"
        new = ("-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=lab")
        openssl("req", "-x509", *new, "-keyout", key, "-out", certificate)
        return cls(place)

    def equip(self, node: Node, name: str, address: str) -> None:
        """A key and certificate for a node, where the role tls would put them."""
        key, request, certificate, extension = (self.place / f"{name}.{end}" for end in ("key", "csr", "crt", "ext"))
        extension.write_text(f"subjectAltName=DNS:{name},DNS:{address},IP:{address}\n")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        ours = ("-CA", self.place / "ca.crt", "-CAkey", self.place / "ca.key", "-CAcreateserial", "-days", "30")
        openssl("x509", "-req", "-in", request, *ours, "-extfile", extension, "-out", certificate)
        if node.exec(["id", "postgres"], check=False).returncode == 0:
            self.place_files(node, name)

    def place_files(self, node: Node, name: str) -> None:
        node.exec(["install", "-d", "-m", "0755", TLS])
        for file, target, mode in (
            ("ca.crt", "ca.crt", "0644"),
            (f"{name}.crt", "node.crt", "0644"),
            (f"{name}.key", "node.key", "0600"),
        ):
            node.write(f"{TLS}/{target}", (self.place / file).read_text(), owner="postgres:postgres", mode=mode)


def openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *(str(word) for word in words)], check=True, capture_output=True)
