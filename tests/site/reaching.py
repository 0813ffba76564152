"""What an application on a node is let do by its services, and who has an address."""

from __future__ import annotations

from typing import Any

from lab.nodes import Node
from tests.site.conftest import PASSWORDS, Site

CLIENTS = "runbook.postgres.clients"
FILE = "/etc/postgresql-common/pg_service.conf"
THEIRS = "# Théirs, and it stays.\n[theirs]\nhost=192.0.2.1\n"
SERVICES: list[dict[str, Any]] = [
    {"name": "shop", "database": "shop", "user": "app"},
    {"name": "shop pooled", "database": "shop", "user": "app", "through": "poolers"},
    {
        "name": "Läden [reads",
        "database": "shop",
        "user": "app",
        "to": "standby",
        "settings": {"application_name": 'it\'s "read" = #1', "options": "-c statement_timeout=7min"},
    },
]
TAKES_WRITES = "SELECT inet_server_addr(), pg_is_in_recovery()"


def prepared(node: Node) -> None:
    """An application's host: it has a password, and somebody else wrote a service there."""
    node.write("/root/.pgpass", f"*:*:*:app:{PASSWORDS['app']}\n", mode="0600")
    node.write(FILE, THEIRS)


def asked(node: Node, service: str, sql: str, **more: str) -> str:
    """By psql, which knows the service's name and nothing else."""
    quoted = service.replace("\\", "\\\\").replace("'", "\\'")
    words = [f"service='{quoted}'", *(f"{word}={value}" for word, value in more.items())]
    done = node.exec(["psql", "-XAtq", "-w", "-d", " ".join(words), "-c", sql], check=False, timeout=60)
    return done.stdout.strip() or done.stderr.strip()


def holders(site: Site, address: str) -> list[str]:
    """Which servers have it."""
    shown = {name: site.nodes[name].exec(["ip", "-o", "address", "show", "to", address]) for name in site.servers}
    return [name for name, done in shown.items() if done.stdout.strip()]
