"""A cluster whose primary is gone, and the ways in which a test makes it so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lab.docker import docker
from lab.nodes import Node
from tests.site.conftest import Site

FAILOVER = "runbook.postgres.failover"
CONFIRMED = {"replication_synchronous": {"mode": "any", "count": 1}}
# Nobody answers there, as where a host is off.
NOWHERE: dict[str, Any] = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9}


def power(node: Node) -> dict[str, list[str]]:
    """As a user fences by the power of a host, and has it proven."""
    running = ["docker", "inspect", "--format", "{{ '{{.State.Running}}' }}", node.container]
    off = "docker kill " + node.container + " >/dev/null 2>&1; true"
    proof = '[ "$("$@")" = false ]'
    return {
        "failover_fence_command": ["sh", "-c", off],
        "failover_fence_proof": ["sh", "-c", proof, "sh", *running],
    }


def kill(node: Node) -> None:
    docker("kill", node.container)


def boot(node: Node) -> None:
    """With the power on again, it does what it does at a boot."""
    docker("start", node.container)
    node.wait_until_booted()


@contextmanager
def frozen(node: Node) -> Iterator[None]:
    """It hangs as a whole, and goes on later as if nothing had been."""
    docker("pause", node.container)
    try:
        yield
    finally:
        docker("unpause", node.container, check=False)


def without(site: Site, *names: str, **changed: Any) -> None:
    """The controller does not reach these, whoever else does."""
    site.write(dict.fromkeys(names, NOWHERE), **changed)
