"""A standby has no room for the cluster's data: those who read are not sent to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest

from tests.site.conftest import PASSWORDS, VARIABLES, Site, booted

FIRST_ADDRESS = 91
PRIMARY, SECOND, THIRD = SERVERS = ("room-pg1", "room-pg2", "room-pg3")
POOLER = "room-pool1"
# Less than an empty cluster.
DISK = {"/var/lib/postgresql": "size=24m,mode=0755"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    nodes = booted([*SERVERS, POOLER], FIRST_ADDRESS, bare=False, tmpfs={THIRD: DISK})
    # Were all well, this pooler would read from the third.
    variables = {**VARIABLES, "pgbouncer_read_offset": 1}
    made = Site(tmp_path_factory.mktemp("room"), nodes, variables, list(SERVERS), POOLER, FIRST_ADDRESS)
    made.write()
    yield made
    for node in nodes.values():
        node.stop()


def reads_from(site: Site) -> str:
    where: dict[str, Any] = {"host": site.nodes[POOLER].ip, "port": 6432, "dbname": "shop_ro", "user": "app"}
    connection = psycopg2.connect(**where, password=PASSWORDS["app"], sslmode="require", connect_timeout=10)
    with connection.cursor() as cursor:
        cursor.execute("SELECT host(inet_server_addr())")
        row = cursor.fetchone()
    connection.close()
    assert row is not None
    return str(row[0])


def test_readers_go_to_the_standby_that_joined(site: Site) -> None:
    run = site.play()
    assert "room" in run.failure(THIRD).lower(), run.failures
    assert {each.host for each in run.of("failed")} == {THIRD}
    assert reads_from(site) == site.nodes[SECOND].ip


def test_again_and_for_the_pooler_alone_it_is_the_same(site: Site) -> None:
    for words in ((), ("--check",), ("--limit", POOLER)):
        run = site.play(*words)
        assert [place for place in run.changed if place.endswith(f"/ {POOLER}")] == []
        assert not run.failure(POOLER)
    assert reads_from(site) == site.nodes[SECOND].ip


def test_without_any_standby_they_go_to_the_primary(site: Site) -> None:
    site.nodes[SECOND].exec(["systemctl", "stop", "postgresql@15-main"])
    run = site.play("--limit", POOLER)
    assert run.returncode == 0, run.failures
    assert reads_from(site) == site.nodes[PRIMARY].ip
    # Which starts it, and has the pooler read from it again, as its dry run says.
    seen, done = site.play("--check"), site.play()
    moved = [place for place in done.changed if place.endswith(f"/ {POOLER}")]
    assert moved
    assert [place for place in seen.changed if place.endswith(f"/ {POOLER}")] == moved
    assert reads_from(site) == site.nodes[SECOND].ip
