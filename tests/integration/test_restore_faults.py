"""Restores that are killed anywhere, or run out of disk: the name always has a database, and the next run finishes."""

from __future__ import annotations

import random

import pytest

from lab.errors import LabError
from tests.integration import inside
from tests.integration.restores import Stage, only
from tests.integration.servers import SMALL_DISK, Server
from tests.integration.test_restore import BARE, LATER, OF_ITSELF, SHOP, WRONG, orders

MORE = "INSERT INTO orders SELECT n, 1, n FROM generate_series(1001, 50000) n"
MOMENTS = [0.05 + n * 0.11 for n in range(10)]


@pytest.fixture
def stage(installed: Server) -> Stage:
    stage = Stage(installed.node, installed.primary)
    stage.clear()
    stage.psql("CREATE DATABASE shop")
    stage.psql(SHOP, "shop")
    return stage


KILLS = {
    "right after it was made": (".databases:Databases.hide", 1),
    "while it is filled": (".loading:Archive.analyze", 1),
    "when it was checked": (".whole:swap", 1),
    "when the target is closed": (".databases:Databases.end_sessions", 1),
}


@pytest.mark.parametrize("moment", KILLS)
@pytest.mark.parametrize("keep_out", ["during_swap", "during_restore"])
def test_a_killed_run_is_finished_by_the_next(stage: Stage, moment: str, keep_out: str) -> None:
    stage.back_up("shop")
    stage.psql(LATER, "shop")
    place, call = KILLS[moment]
    at = inside.Interrupt((f"._backup.restore{place}",), call)
    assert stage.restore(**BARE, keep_out=keep_out, die=at).killed
    assert "shop" in stage.databases()
    stage.done(**BARE, keep_out=keep_out)
    assert (orders(stage), orders(stage, only(stage.kept("shop")))) == (1000, 0)
    assert len([name for name in stage.databases() if name.startswith("shop")]) == 2
    for name in ("shop", only(stage.kept("shop"))):
        assert stage.psql(OF_ITSELF.replace("{name}", name)).startswith("7|t|f|ours")


@pytest.mark.parametrize("moment", ["when it was checked", "when the target is closed"])
@pytest.mark.parametrize("keep_out", ["during_swap", "during_restore"])
def test_a_check_that_fails_after_a_kill_opens_what_that_run_closed(stage: Stage, moment: str, keep_out: str) -> None:
    stage.back_up("shop")
    stage.psql(LATER, "shop")
    place, call = KILLS[moment]
    at = inside.Interrupt((f"._backup.restore{place}",), call)
    assert stage.restore(**BARE, keep_out=keep_out, die=at).killed
    told = stage.restore(**BARE, **WRONG, keep_out=keep_out).failure
    assert told.endswith("shop is as it was.")
    assert stage.psql(OF_ITSELF.replace("{name}", "shop")) == "7|t|f|ours"
    assert [name for name in stage.databases() if name.startswith("shop")] == ["shop"]


@pytest.mark.parametrize("keep_out", ["during_swap", "during_restore"])
def test_names_that_cannot_change_leave_everything_as_it_was(stage: Stage, keep_out: str) -> None:
    """A transaction is prepared behind our back; when it is gone, the next run goes on where all was checked."""
    stage.back_up("shop")
    stage.psql(LATER, "shop")
    at = inside.Interrupt(("._backup.restore.whole:swap",))
    with inside.held(stage.node, "pg_restore", stage.arguments(**BARE, keep_out=keep_out), at) as run:
        stage.psql("BEGIN; CREATE TABLE t (); PREPARE TRANSACTION 'between'", "shop")
    told = run.finish().failure
    assert told.endswith("shop is as it was.")
    assert stage.psql(OF_ITSELF.replace("{name}", "shop")) == "7|t|f|ours"
    stage.psql("ROLLBACK PREPARED 'between'", "shop")
    stage.done(**BARE, keep_out=keep_out)
    assert stage.psql(OF_ITSELF.replace("{name}", "shop")).startswith("7|t|f|ours")


def test_whoever_looks_into_every_database_is_not_in_the_way(stage: Stage) -> None:
    stage.back_up("shop")
    at = inside.Interrupt(("._backup.restore.databases:Databases.rename",))
    with inside.held(stage.node, "pg_restore", stage.arguments(**BARE), at) as run:
        [beside] = [name for name in stage.databases() if name.startswith("shop_")]
        with pytest.raises(LabError, match="not currently accepting connections"):
            stage.psql("SELECT 1", beside)
    assert run.finish().code == 0


@pytest.mark.parametrize("share", MOMENTS)
def test_killed_at_any_moment(stage: Stage, share: float) -> None:
    """At a share of the time that a whole run takes here, by a signal from outside; its programs go on for a while."""
    stage.psql(MORE, "shop")
    stage.back_up("shop")
    stage.psql(LATER, "shop")
    whole = stage.restore(**BARE, again=True, replaced="drop", target="shop2")
    seconds = 1.0 + sum(step["seconds"] for step in whole.result["steps"])
    moment = seconds * share * random.uniform(0.9, 1.1)
    argv = ["timeout", "--signal=KILL", f"{moment:.2f}", *inside.command(None)]
    stage.node.exec(argv, user="postgres", input=inside.request("pg_restore", stage.arguments(**BARE)), check=False)
    assert "shop" in stage.databases()
    stage.restore(**BARE)
    assert orders(stage) == 50000
    left = [name for name in stage.databases() if name.startswith("shop") and name != "shop2"]
    assert left == sorted(["shop", only(stage.kept("shop"))])


def test_a_full_disk_leaves_everything_as_it_was(stage: Stage) -> None:
    stage.node.exec(["install", "-d", "-o", "postgres", "-g", "postgres", f"{SMALL_DISK}/restore"])
    stage.psql(f"CREATE TABLESPACE small LOCATION '{SMALL_DISK}/restore'")
    try:
        stage.psql("CREATE DATABASE tight TABLESPACE small")
        # Pages of a new database are in memory alone until they are flushed, and take no room before that.
        stage.psql("CREATE TABLE t AS SELECT n FROM generate_series(1, 150000) n; CHECKPOINT", "tight")
        backup = stage.back_up("tight")
        assert "has" in stage.restore(backup=backup, target="tight2").failure
        # Believed to be smaller, it is found out on the way.
        backup = stage.back_up("tight", origin={"bytes": 1000})
        told = stage.restore(backup=backup, target="tight2").failure
        assert "No space left on device" in told
        assert [name for name in stage.databases() if name.startswith("tight")] == ["tight"]
        assert stage.psql("SELECT count(*) FROM t", "tight") == "150000"
    finally:
        stage.clear()
        stage.psql("DROP TABLESPACE small")
