"""pg_hba on an instance of its own, beside the servers that the other tests share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.clusters import Cluster
from lab.nodes import Node
from tests.integration import inside
from tests.integration.inside import Ended, Interrupt

NAME, PORT = "rules", 5440
FILES = ("pg_hba.conf", "pg_ident.conf")

OURS: dict[str, Any] = {"type": "local", "users": ["postgres"], "method": "peer"}
LOOPBACK: dict[str, Any] = {"type": "host", "addresses": ["127.0.0.1"], "method": "scram-sha-256"}


@dataclass(frozen=True)
class Rules:
    """The module against one instance."""

    cluster: Cluster

    @property
    def node(self) -> Node:
        return self.cluster.node

    def __call__(
        self,
        *rules: Mapping[str, Any],
        maps: Sequence[Mapping[str, Any]] = (),
        check: bool = False,
        die: Interrupt | None = None,
        **options: Any,
    ) -> Ended:
        given = {"version": self.cluster.version, "instance": NAME, "port": PORT, "rules": list(rules)}
        return inside.run(
            self.node, "pg_hba", {**given, "maps": list(maps), **options}, check=check, die=die, user="root"
        )

    def changed(self, *rules: Mapping[str, Any], **options: Any) -> bool:
        ended = self(*rules, **options)
        assert ended.code == 0, ended.text
        return bool(ended.result["changed"])

    def refused(self, *rules: Mapping[str, Any], **options: Any) -> str:
        return self(*rules, **options).failure

    def text(self, name: str = FILES[0]) -> str:
        return self.node.exec(["cat", f"{self.cluster.config_directory}/{name}"]).stdout

    def write(self, text: str, name: str = FILES[0]) -> None:
        self.node.write(f"{self.cluster.config_directory}/{name}", text, owner="postgres:postgres", mode="0640")

    def left(self) -> list[str]:
        """Files that should not stay behind."""
        there = self.node.exec(["ls", "-A", self.cluster.config_directory]).stdout.split()
        return [name for name in there if "runbook" in name]

    def loopback_answers(self) -> str:
        """What the rules in force say to a stranger on the loopback."""
        argv = [
            "psql",
            "-XAtqw",
            "-h",
            "127.0.0.1",
            "-p",
            str(PORT),
            "-U",
            "stranger",
            "-d",
            "postgres",
            "-c",
            "SELECT 1",
        ]
        return self.node.exec(argv, user="postgres", check=False).stderr

    def lets_the_loopback_in(self) -> bool:
        """As far as asking for a password, which is what a rule for it does."""
        said = self.loopback_answers()
        assert ("no password supplied" in said) != ("no pg_hba.conf entry" in said), said
        return "no password supplied" in said

    def loaded(self) -> str:
        return self.cluster.psql("SELECT pg_conf_load_time()")


@contextlib.contextmanager
def instance(node: Node) -> Iterator[Rules]:
    cluster = Cluster.create(node, name=NAME, port=PORT, settings={"fsync": "off", "shared_buffers": "16MB"})
    try:
        yield Rules(cluster)
    finally:
        cluster.drop()
