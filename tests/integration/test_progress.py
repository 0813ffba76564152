"""Long work, looked at from a second terminal: how far it is, on its way and never afterwards."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from lab.nodes import Node
from lab.waiting import wait_until
from tests.integration import inside
from tests.integration.recoveries import STANZA, Backed

HOST = "/var/lib/runbook-postgres"
DUMPS = "/var/lib/postgresql/backups"
SHOP = "sh\"op %s; --'ü"
ROWS = "CREATE TABLE sale AS SELECT n, md5(n::text) AS word, repeat('x', 100) AS filler FROM generate_series(1, {}) n"
# What matches stands still for most of the time, on any machine; the pattern does not match itself.
SLOW = """
trap 'pkill -CONT -f "$1"; exit' TERM
while :; do pkill -STOP -f "$1"; sleep "$2"; pkill -CONT -f "$1"; sleep 0.02; done
"""
PGBACKREST = "[l]og-level-console=detail"
REPLAY = "postgres: .*[s]tartup"
PG_RESTORE = "[p]g_restore --exit-on-error"
FOUND = "find {} -maxdepth 1 -name '.*.progress.json*' -printf '%m %u %f\\n'"


@pytest.fixture(scope="module")
def shop(backed: Backed) -> Backed:
    """A cluster with a database that is worth a look."""
    backed.build()
    backed.cluster.psql('CREATE DATABASE "{}"'.format(SHOP.replace('"', '""')))
    backed.cluster.psql(ROWS.format(150000), SHOP)
    return backed


@contextlib.contextmanager
def slowed(node: Node, pattern: str, pause: float = 0.2) -> Iterator[None]:
    argv = ["docker", "exec", node.container, "bash", "-c", SLOW, "slowed-down", pattern, str(pause)]
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as slowing:
        try:
            yield
        finally:
            node.exec(["pkill", "-TERM", "-f", "[s]lowed-down"], check=False)
            slowing.wait(30)


@contextlib.contextmanager
def at_work(
    node: Node, module: str, arguments: Mapping[str, Any], user: str = "root"
) -> Iterator[subprocess.Popen[str]]:
    """A run as it is by itself, beside the test."""
    argv = ["docker", "exec", "--interactive", f"--user={user}", node.container, *inside.command(None)]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as run:
        assert run.stdin is not None
        run.stdin.write(inside.request(module, arguments))
        run.stdin.close()
        run.stdin = None
        yield run


def finished(run: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = run.communicate(timeout=300)
    done = inside.ended(run.returncode, out, err)
    assert done.code == 0, done.text
    return dict(done.result)


def info(node: Node, user: str = "root", **options: Any) -> list[dict[str, Any]]:
    done = inside.run(node, "pg_backup_info", options, user=user)
    assert done.code == 0, done.text
    return list(done.result["running"])


def files(node: Node, place: str) -> list[str]:
    """Of progress, with who may read them."""
    return node.exec(["sh", "-c", FOUND.format(place)], check=False).stdout.splitlines()


def told(node: Node, place: str) -> dict[str, Any]:
    """As somebody reads it who has no more than a terminal; nothing where there is none."""
    found = node.exec(["sh", "-c", f"cat {place}/.*.progress.json"], check=False).stdout
    return dict(json.loads(found)) if found.count("\n") == 1 else {}


def grown(run: subprocess.Popen[str], node: Node, place: str, phase: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """How far that phase was at one time, and at a later one when it was further."""
    seen: list[dict[str, Any]] = []

    def further() -> bool:
        assert run.poll() is None, run.communicate()
        now = told(node, place)
        if now.get("phase") == phase and now["percent"] and (not seen or now["percent"] > seen[-1]["percent"]):
            seen.append(now)
        return len(seen) > 1

    wait_until(f"{phase} is further", further, bound=120, pause=0.2)
    return seen[0], seen[-1]


def backing_up(node: Node, **more: Any) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
    wish = {"method": "physical", "stanza": STANZA, "max_age": "0", "verify": "none", **more}
    return at_work(node, "pg_backup", wish)


def test_a_physical_backup(shop: Backed) -> None:
    node = shop.node
    with contextlib.ExitStack() as ends:
        with slowed(node, PGBACKREST):
            run = ends.enter_context(backing_up(node))
            first, then = grown(run, node, HOST, "backup")
            assert files(node, HOST) == [f"600 root .backup-{STANZA}-1.progress.json"]
            [seen] = info(node, stanza=STANZA)
        assert finished(run)["taken"]
    assert (seen["work"], seen["method"], seen["kind"]) == ("backup", "physical", "full")
    assert set(seen) == set(first)
    assert 0 < first["percent"] < then["percent"] <= seen["percent"] < 100
    assert 0 < first["bytes"] < then["bytes"]
    assert then["bytes_per_second"] > 0
    # The log's sizes are rounded ones, and what they come to is about as much as it says of the whole.
    whole = then["bytes"] * 100 / then["percent"]
    backup = json.loads(shop.pgbackrest("--output=json", "info"))[0]["backup"][-1]
    assert 0.8 < whole / backup["info"]["size"] < 1.25
    assert files(node, HOST) == []
    assert info(node, stanza=STANZA) == []


def test_a_physical_backup_that_is_not_ours_tells_what_its_release_can(shop: Backed) -> None:
    node = shop.node
    told_by = {11: (False, False), 12: (True, False), 13: (True, True)}[node.release]
    argv = ["pgbackrest", f"--stanza={STANZA}", "--log-level-console=detail", "--type=full", "backup"]
    command = ["docker", "exec", "--user=postgres", node.container, *argv]
    seen: list[dict[str, Any]] = []

    def share_is_known() -> bool:
        seen[:] = info(node, stanza=STANZA)
        return bool(seen) and (not told_by[0] or bool(seen[0]["percent"]))

    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as other:
        with slowed(node, PGBACKREST):
            wait_until("it is seen", share_is_known, bound=120)
        assert other.wait(120) == 0
    [each] = seen
    assert (each["work"], each["method"], each["stanza"]) == ("backup", "physical", STANZA)
    assert ((each["percent"] is not None), (each["bytes"] is not None)) == told_by
    assert each["bytes_per_second"] is None
    assert info(node, stanza=STANZA) == []


def dumped(shop: Backed) -> dict[str, Any]:
    wish = {"database": SHOP, "destination": DUMPS, "max_age": "0", "count_rows": True}
    done = inside.run(shop.node, "pg_backup", {"login_unix_socket": "/var/run/postgresql", **wish})
    assert done.code == 0, done.text
    return dict(done.result)


def restored(**more: Any) -> dict[str, Any]:
    return {"login_unix_socket": "/var/run/postgresql", "repository": DUMPS, "target": f"{SHOP}2", **more}


def test_a_logical_restore(shop: Backed) -> None:
    node, name = shop.node, dumped(shop)["id"]
    with contextlib.ExitStack() as ends:
        with slowed(node, PG_RESTORE):
            run = ends.enter_context(at_work(node, "pg_restore", restored(), "postgres"))
            first, then = grown(run, node, DUMPS, "load")
            [file] = files(node, DUMPS)
            [seen] = info(node, user="postgres", destination=DUMPS)
        finished(run)
    assert file.startswith("600 postgres .restore-sh-op-s")
    assert (seen["id"], seen["work"], seen["method"]) == (name, "restore", "logical")
    assert (seen["database"], seen["target"]) == (SHOP, f"{SHOP}2")
    assert 0 < first["percent"] < then["percent"] < 100
    assert then["bytes_per_second"] > 0
    assert files(node, DUMPS) == []


def test_a_restore_of_single_tables(shop: Backed) -> None:
    node = shop.node
    dumped(shop)
    asked = restored(target=SHOP, tables=["sale"], into_schema="yesterday")
    with contextlib.ExitStack() as ends:
        with slowed(node, "[p]g_restore --file=-", 0.4):
            run = ends.enter_context(at_work(node, "pg_restore", asked, "postgres"))
            first, then = grown(run, node, DUMPS, "load")
        finished(run)
    assert 0 < first["bytes"] < then["bytes"]
    assert files(node, DUMPS) == []


def test_a_recovery_and_its_replay(shop: Backed) -> None:
    node, cluster = shop.node, shop.cluster
    label = shop.backup()
    for _ in range(6):
        cluster.psql("INSERT INTO ledger (who, filler) SELECT 1, repeat('y', 500) FROM generate_series(1, 20000)")
        shop.archived()
    asked = shop.options(target="latest", running_server="stop")
    with at_work(node, "pg_recover", asked) as run:
        with slowed(node, PGBACKREST):
            first, then = grown(run, node, HOST, "restore")
            assert files(node, HOST) == [f"600 root .recovery-{shop.version}-main.progress.json"]
            [seen] = info(node, stanza=STANZA)
            assert (seen["id"], seen["work"], seen["instance"]) == (label, "recovery", f"{shop.version}/main")
            assert 0 < first["bytes"] < then["bytes"]
        with slowed(node, REPLAY):
            first, then = grown(run, node, HOST, "replay")
            assert 0 < first["percent"] < then["percent"] < 100
        finished(run)
    assert files(node, HOST) == []
    assert info(node, stanza=STANZA) == []


def test_what_a_killed_run_left_is_nothing_that_runs_and_goes_with_the_next(shop: Backed) -> None:
    node = shop.node
    with backing_up(node) as run, slowed(node, PGBACKREST):
        grown(run, node, HOST, "backup")
        node.exec(["pkill", "-9", "-f", "[r]un.py"])
        run.wait(60)
        # pgBackRest goes on without it, and says so itself.
        assert files(node, HOST)
        [seen] = info(node, stanza=STANZA)
        assert (seen["process"], seen["kind"]) == (None, None)
    wait_until("pgBackRest is through", lambda: not info(node, stanza=STANZA), bound=120, pause=1)
    with backing_up(node, max_age="1 day") as run:
        assert not finished(run)["taken"]
    assert files(node, HOST) == []
    # One restore leaves it, and the next into that target clears it, of whichever backup.
    dumped(shop)
    with at_work(node, "pg_restore", restored(target="again"), "postgres") as run, slowed(node, PG_RESTORE):
        grown(run, node, DUMPS, "load")
        node.exec(["pkill", "-9", "-f", "[r]un.py"])
        run.wait(60)
    assert len(files(node, DUMPS)) == 1
    dumped(shop)
    with at_work(node, "pg_restore", restored(target="again"), "postgres") as run:
        finished(run)
    assert files(node, DUMPS) == []
