"""In which order a host takes its part in a failover, and what keeps it from doing so."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.runbook.postgres.plugins.module_utils import _claim, _host_lock
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._failover import part
from ansible_collections.runbook.postgres.plugins.module_utils._failover.following import Following
from ansible_collections.runbook.postgres.plugins.module_utils._failover.leading import Asked, Leading
from ansible_collections.runbook.postgres.plugins.modules import pg_failover_part

STANDBY = {"version": 15, "fenced": True}
POOLS = {"members": ["192.0.2.11", "192.0.2.12"], "old": ["192.0.2.11"], "new": "192.0.2.12"}


class World:
    """What is done to servers and poolers, and which step of it fails."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.fails: str | None = None
        self.result: dict[str, Any] = {}

    def step(self, name: str) -> None:
        self.done.append(name)
        if name == self.fails:
            raise Problem(f"{name} failed.")

    def promote(self, options: Any, result: dict[str, Any], *, check_mode: bool) -> None:
        assert options["claim"] == "one"
        assert not options["resume_replay"]
        result.update(changed=True, diff={"before": "standby\n", "after": "primary\n"}, steps=["promote it"])
        self.step("foreseen" if check_mode else "promote")
        result["timeline"] = 2

    def pooler(self, asked: Asked, token: str) -> World:
        """It stands for one as well."""
        assert (asked.new, token) == (POOLS["new"], "one")
        self.result = Leading(asked, token).result
        return self

    def prepare(self) -> None:
        self.step("prepare")
        self.result.update(pools=["shop"], steps=["lead shop"], diff=[{"before": "a", "after": "b"}])

    def hold(self) -> None:
        self.step("hold")
        self.result["warnings"].append("Pool shop still has transactions under way.")

    def lead(self) -> None:
        self.step("lead")
        self.result["led"] = True


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(_host_lock, "LOCKS", tmp_path)
    monkeypatch.setattr(_claim, "FILE", tmp_path / "claim.json")
    monkeypatch.setattr(part, "become_primary", made.promote)
    monkeypatch.setattr(part, "DRIVER_MISSING", None)
    monkeypatch.setattr(part, "Leading", made.pooler)
    _claim.take("one", "alice on here", 60)
    return made


def called(*, check: bool = False, claim: str = "one", **options: Any) -> dict[str, Any]:
    out = io.StringIO()
    arguments = {"claim": claim, "_ansible_check_mode": check, **options}
    with patch_module_args(arguments), contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        pg_failover_part.main()
    return dict(json.loads(out.getvalue()))


def test_a_host_without_a_part_renews_its_claim(world: World) -> None:
    said = _claim.read()
    result = called(claim_seconds=30)
    now = _claim.read()
    assert said is not None
    assert now is not None
    assert now.said > said.said
    assert now.seconds == 30
    assert (result["changed"], result["held"], result["promoted"], result["pooled"]) == (False, True, None, None)
    assert world.done == []


def test_the_standby_is_promoted_and_a_pooler_leads_to_it(world: World) -> None:
    promoted = called(promote=STANDBY)
    assert (promoted["changed"], promoted["promoted"]["timeline"], promoted["steps"]) == (True, 2, ["promote it"])
    pooled = called(pools=POOLS)
    assert (pooled["changed"], pooled["pooled"]["led"], pooled["pooled"]["problem"]) == (True, True, None)
    assert pooled["diff"] == [{"before": "a", "after": "b"}]
    assert world.done == ["promote", "prepare", "hold", "lead"]


def test_one_host_that_is_both_promotes_while_its_clients_wait(world: World) -> None:
    result = called(promote=STANDBY, pools=POOLS)
    assert world.done == ["prepare", "hold", "promote", "lead"]
    assert result["steps"] == ["promote it", "lead shop"]
    assert len(result["diff"]) == 2


@pytest.mark.parametrize("fails", ["prepare", "hold", "lead"])
def test_a_pooler_that_cannot_keeps_nobody_from_being_promoted(world: World, fails: str) -> None:
    world.fails = fails
    result = called(promote=STANDBY, pools=POOLS)
    assert not result.get("failed")
    assert result["promoted"]["timeline"] == 2
    assert (result["pooled"]["led"], result["pooled"]["problem"]) == (False, f"{fails} failed.")
    assert result["steps"] == ["promote it"]


def test_a_pooler_without_the_driver_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part, "DRIVER_MISSING", "no module")
    assert "psycopg2" in called(pools=POOLS)["pooled"]["problem"]
    assert world.done == []


def test_clients_are_led_to_nobody_who_was_not_promoted(world: World) -> None:
    world.fails = "promote"
    result = called(promote=STANDBY, pools=POOLS)
    assert (result["failed"], result["held"], result["msg"]) == (True, True, "promote failed.")
    assert "lead" not in world.done


@pytest.mark.parametrize("token", ["one", "other"])
def test_nothing_is_done_by_a_run_that_was_overtaken_or_silent(world: World, token: str) -> None:
    _claim.take("one", "alice on here", 9)
    result = called(claim=token, promote=STANDBY, pools=POOLS)
    assert (result["failed"], result["held"]) == (True, False)
    assert world.done == []


def test_a_dry_run_says_what_would_be_done(world: World) -> None:
    result = called(check=True, promote=STANDBY, pools=POOLS)
    assert result["changed"]
    assert result["steps"] == ["promote it", "lead shop"]
    assert result["pooled"]["led"] is False
    assert world.done == ["prepare", "foreseen"]
    assert called(check=True, claim="other")["failed"]


def test_a_sibling_follows_and_says_what_it_changed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sibling = {"version": 15, "gone": ["192.0.2.11"]}

    def follow(following: Following) -> str:
        world.step("follow")
        following.result.update(follows=True, asks=["192.0.2.12", "192.0.2.11"])
        return ""

    monkeypatch.setattr(part, "tried", follow)
    result = called(follow=sibling)
    assert (result["changed"], result["followed"]["follows"], result["followed"]["problem"]) == (True, True, None)
    assert result["steps"] == ["ask 192.0.2.12, 192.0.2.11 in this order for the primary"]
    assert called(check=True, follow=sibling)["followed"] is None
    monkeypatch.setattr(part, "tried", lambda _following: "It does not run.")
    still = called(follow=sibling)
    assert (still["changed"], still["followed"]["problem"]) == (False, "It does not run.")
    assert world.done == ["follow"]


def test_a_refusal_is_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_given: Any, **_more: Any) -> None:
        raise Refused("The standby replays late.")

    monkeypatch.setattr(part, "become_primary", refuse)
    assert called(promote=STANDBY)["msg"] == "The standby replays late."
    assert world.done == []
