"""pg_standby ended anywhere by a kill: the next run finds what is left and finishes."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from lab.clusters import Cluster
from tests.integration import inside
from tests.integration.inside import Interrupt
from tests.integration.standbys import Trio, going, made


@pytest.mark.parametrize("victim", ["pg_basebackup", "module", "host"])
def test_a_clone_that_is_killed_is_made_anew(fresh: Trio, victim: str) -> None:
    node = fresh.node("second")
    with going(fresh, "second") as run:
        begun = time.monotonic()
        if victim in ("module", "host"):
            node.exec(["pkill", "-KILL", "-f", f"{inside.PLACE}/run.py"])
        if victim in ("pg_basebackup", "host"):
            node.exec(["pkill", "-KILL", "pg_basebackup"])
        out, err = run.communicate(timeout=60)
        if victim == "pg_basebackup":
            assert "SIGKILL" in json.loads(out)["msg"], err
            assert fresh.files("second") == []
        else:
            assert fresh.files("second") == ["main.clone"]
            foreseen = made(fresh.clone("second", check=True))
            assert "left in" in foreseen["steps"][0]
        assert made(fresh.clone("second"))["cloned"]
        assert time.monotonic() - begun < 60
    assert fresh.files("second") == ["main"]
    assert node.exec(["pgrep", "pg_basebackup"], check=False).returncode == 1
    fresh.follow("second")
    made(fresh.stream("second"))
    assert fresh.primary.psql("SELECT count(*) FROM pg_replication_slots WHERE temporary") == "0"


def test_the_next_run_waits_for_one_whose_controller_died(fresh: Trio) -> None:
    """The module lives on at its host; who comes next finds it done."""
    with going(fresh, "second") as run:
        assert not made(fresh.clone("second"))["changed"]
        out, _ = run.communicate(timeout=60)
        assert json.loads(out)["cloned"]
    assert fresh.files("second") == ["main"]


PLACES = (
    "._standby.clone:_begin",
    "._standby.clone:_copy",
    "._standby.clone:_publish",
    "._standby.clone:_unmark",
    "._standby.clone:sync",
    "._registration:register",
    "._registration:_prepare",
    "._registration:run",
    "._registration:_point",
)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("call", [1, 2])
def test_a_run_that_ends_anywhere_is_finished_by_the_next(fresh: Trio, place: str, call: int) -> None:
    more: dict[str, Any] = {"wal_directory": "/srv/wal/main"}
    ended = fresh.clone("second", die=Interrupt((place,), call), **more)
    if not ended.killed:
        assert call > 1, "nothing was interrupted"
        return
    made(fresh.clone("second", **more))
    assert not made(fresh.clone("second", **more))["changed"]
    assert fresh.files("second") == ["main"]
    assert fresh.files("second", "/srv/wal") == ["main"]
    fresh.follow("second")
    made(fresh.stream("second"))
    listed = fresh.node("second").exec(["pg_lsclusters", "--no-header"]).stdout.split()
    assert listed[3].startswith("online")


def test_a_rebuild_that_ends_halfway_is_finished_by_the_next(fresh: Trio) -> None:
    foreign = Cluster.create(fresh.node("second"), start=False)
    assert fresh.clone("second", rebuild=True, die=Interrupt(("._standby.clone:clone",))).killed
    assert made(fresh.clone("second", rebuild=True))["cloned"]
    assert sorted(name.partition("-rebuild-")[0] for name in fresh.files("second")) == ["main", "main.before"]
    assert foreign.data_directory
