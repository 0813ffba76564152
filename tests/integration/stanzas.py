"""A cluster whose backups role backup configures, as an outsider sees them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.clusters import Cluster
from lab.nodes import Node
from tests.integration import inside
from tests.integration.playing import Played, Stage
from tests.integration.standbys import AUTHORITY, CERTIFICATE, TLS

STANZA = "ledger"
PASSPHRASE = "never-in-any-log-41"
RETENTION = {"full": 2}
BOUND = 900.0  # seconds for one run; an idle machine needs ten
DISK: dict[str, Any] = {"path": "/srv/backup", "passphrase": PASSPHRASE, "retention": RETENTION}
# What is on already needs no restart.
ARCHIVING = {"archive_mode": "on"}
# A disk that is full before a backup is whole, once somebody has laid something on it. One of PostgreSQL 17 takes 7 MB.
SMALL = {"/small": "size=32m,mode=0777"}


@dataclass(frozen=True)
class Backups:
    """Nodes, the server on the first of them, and runs of the role."""

    stage: Stage
    primary: Cluster
    repository: Node
    variables: dict[str, Any] = field(default_factory=dict)

    def play(self, *, check: bool = False, **extra: Any) -> Played:
        """The repository host first, as site does it; the stanza at the end."""
        return self.stage.play("backup", hosts=self.hosts, check=check, **self.variables, **extra)

    def played(self, **extra: Any) -> Played:
        done = self.play(**extra)
        assert done.code == 0, done.text
        return done

    @property
    def hosts(self) -> str:
        return ",".join(node.name for node in reversed(self.stage.nodes))

    def pgbackrest(self, *words: str, check: bool = True) -> str:
        argv = ["pgbackrest", f"--stanza={STANZA}", *words]
        return self.repository.exec(argv, user="postgres", check=check, timeout=BOUND).stdout

    def info(self) -> dict[str, Any]:
        [told] = json.loads(self.pgbackrest("info", "--output=json"))
        return dict(told)

    def run(self, module: str, check: bool = False, **options: Any) -> inside.Ended:
        """A module of ours where backups run."""
        text = inside.request(module, {"stanza": STANZA, **options}, check=check)
        done = self.repository.exec(inside.command(None), user="root", input=text, check=False, timeout=BOUND)
        return inside.ended(done.returncode, done.stdout, done.stderr)


def boot(names: Sequence[str], release: int) -> tuple[Node, ...]:
    """Nodes that know each other by name and trust one authority."""
    with ThreadPoolExecutor(max_workers=3) as pool:
        nodes = tuple(pool.map(lambda name: Node.start(f"{name}{release}", release, tmpfs=SMALL), names))
        list(pool.map(inside.install, nodes))
    first = nodes[0]
    first.exec(["sh", "-c", AUTHORITY])
    known = "".join(f"{node.ip} {node.name}\n" for node in nodes)
    for node in nodes:
        node.exec(["tee", "-a", "/etc/hosts"], input=known)
        first.exec(["sh", "-c", CERTIFICATE.format(name=node.name, ip=node.name).replace(f",IP:{node.name}", "")])
        node.exec(["install", "-d", "-o", "postgres", "-g", "postgres", "-m", "0755", TLS])
        files = {"ca.crt": "ca.crt", f"{node.name}.crt": "node.crt", f"{node.name}.key": "node.key"}
        for source, target in files.items():
            text = first.exec(["cat", f"/root/ca/{source}"]).stdout
            node.write(f"{TLS}/{target}", text, owner="postgres:postgres", mode="0600")
    return nodes


@contextlib.contextmanager
def alone(
    release: int,
    place: Path,
    repositories: Sequence[dict[str, Any]] = (DISK,),
    settings: dict[str, str] | None = None,
    name: str = "alone",
) -> Iterator[Backups]:
    """One server with a repository on its own disk."""
    nodes = boot([name], release)
    primary = Cluster.create(nodes[0], settings=settings)
    primary.psql("CREATE TABLE kept AS SELECT n, md5(n::text) FROM generate_series(1, 20000) n")
    variables = {"postgres_version": primary.version, "postgres_cluster": STANZA}
    yield Backups(Stage(place, nodes, variables), primary, nodes[0], {"backup_repositories": list(repositories)})
    for node in nodes:
        node.stop()


@contextlib.contextmanager
def apart(release: int, place: Path, repositories: Sequence[dict[str, Any]] = (DISK,)) -> Iterator[Backups]:
    """A primary, a standby and a host that keeps their repositories."""
    nodes = boot(["primary", "standby", "keeper"], release)
    primary = Cluster.create(nodes[0], settings=ARCHIVING)
    primary.clone_standby(nodes[1], settings=ARCHIVING)
    primary.psql("CREATE TABLE kept AS SELECT n, md5(n::text) FROM generate_series(1, 20000) n")
    names = [node.name for node in nodes]
    variables = {"postgres_version": primary.version, "postgres_cluster": STANZA, "postgres_hosts": names[:2]}
    told = {"backup_repositories": list(repositories), "backup_repository_host": names[2]}
    yield Backups(Stage(place, nodes, variables), primary, nodes[2], told)
    for node in nodes:
        node.stop()
