"""A cluster whose primary is handed over, and what the tests ask of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab import networks
from tests.site.acknowledged import Writers
from tests.site.conftest import PASSWORDS, VARIABLES, Site, booted
from tests.site.playing import Run

SWITCHOVER = "runbook.postgres.switchover"
NOTE = "/var/lib/runbook.postgres/switchover-15-main.json"
SIGNAL = "/var/lib/postgresql/15/main/standby.signal"


def built(directory: Path, prefix: str, first_address: int, **variables: Any) -> Site:
    """Three servers and a pooler, with a table for what clients write; `variables` are the cluster's beside others."""
    return built_of(3, directory, prefix, first_address, variables)


def built_of(servers: int, directory: Path, prefix: str, first_address: int, variables: Mapping[str, Any]) -> Site:
    names = [*(f"{prefix}-pg{number}" for number in range(1, servers + 1)), f"{prefix}-pool1"]
    nodes = booted(names, first_address, bare=False)
    site = Site(directory, nodes, {**VARIABLES, **variables}, names[:-1], names[-1], first_address)
    site.write()
    done = site.play()
    assert done.returncode == 0, done.failures or done.output
    site.psql(names[0], "SET ROLE app; CREATE TABLE kept (value bigint NOT NULL)", "shop")
    return site


def writers(site: Site) -> Writers:
    address = networks.address(site.first_address + len(site.servers))
    return Writers(
        {
            "host": address,
            "port": 6432,
            "dbname": "shop",
            "user": "app",
            "password": PASSWORDS["app"],
            "sslmode": "require",
        }
    )


def primaries(site: Site) -> list[str]:
    """All that take writes."""
    return [name for name in site.servers if recovering(site, name) == "f"]


def recovering(site: Site, name: str) -> str:
    argv = ["psql", "-XAtq", "-d", "postgres", "-c", "SELECT pg_is_in_recovery()"]
    return site.nodes[name].exec(argv, user="postgres", check=False).stdout.strip()


def streaming(site: Site, name: str) -> list[str]:
    sql = "SELECT application_name FROM pg_stat_replication WHERE state = 'streaming' ORDER BY 1"
    return site.psql(name, sql).splitlines()


def kept(site: Site, name: str) -> list[int]:
    return [int(line) for line in site.psql(name, "SELECT value FROM kept", "shop").splitlines()]


def exactly_what_was_told(site: Site, name: str, wrote: Writers) -> None:
    """Every acknowledged value is there once, and none that nobody wrote."""
    first = min(wrote.begun)
    found = [value for value in kept(site, name) if value >= first]
    assert len(found) == len(set(found))
    assert not set(wrote.acknowledged) - set(found)
    assert not set(found) - wrote.begun


def told_why(run: Run) -> str:
    return " / ".join(run.failures)
