"""Patroni's answers as health facts, from a server that says what Patroni 3.0 and 4.0 say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Unreachable
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import keeper as catalog
from ansible_collections.runbook.postgres.plugins.module_utils._health.checks import keeper as checks
from ansible_collections.runbook.postgres.plugins.module_utils._health.interview import Interview
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.keeper import ask_keeper
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Observed
from ansible_collections.runbook.postgres.plugins.module_utils._health.request import Scope
from ansible_collections.runbook.postgres.plugins.module_utils._patroni_api import Answer, Api, Keys, told

PATRONI = {
    "state": "running",
    "role": "master",
    "timeline": 3,
    "dcs_last_seen": 1000,
    "patroni": {"version": "3.0.2", "scope": "shop"},
}
CLUSTER = {
    "members": [
        {"name": "a", "role": "leader", "state": "running", "timeline": 3},
        {"name": "b", "role": "replica", "state": "starting", "timeline": 3, "lag": 16, "pending_restart": True},
        {"name": "c", "role": "replica", "state": "streaming", "lag": "unknown"},
    ]
}


def answers(monkeypatch: pytest.MonkeyPatch, **said: Any) -> Api:
    known = {"patroni": PATRONI, "cluster": CLUSTER, "config": {"ttl": 30}, **said}

    def get(_self: Api, path: str) -> Answer:
        if isinstance(known[path], Exception):
            raise known[path]
        return Answer(200, json.loads(json.dumps(known[path])), 1004.0)

    monkeypatch.setattr(Api, "get", get)
    return Api("192.0.2.11", Keys("/nowhere/ca.crt"))


def observed(api: Api | None) -> Observed:
    interview = Interview({"dbname": "postgres"}, Scope(frozenset({"patroni"}), patroni=api))
    ask_keeper(interview)
    return interview.observed


def found(seen: Observed) -> dict[str, float]:
    """The worst value of each check."""
    return {each.name: max((one.value for one in each.measure(seen)), default=-1) for each in checks.CHECKS}


def test_what_it_says_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = observed(answers(monkeypatch))
    assert seen.of(catalog.KEEPER)[0].row == catalog.Keeper(
        "shop", "3.0.2", "primary", "running", 3, paused=False, pending_restart=False, leader="a", etcd_age_seconds=4.0
    )
    rows = [each.row for each in seen.of(catalog.KEPT_MEMBERS)]
    assert [(row.name, row.role, row.lag_bytes) for row in rows] == [
        ("a", "leader", None),
        ("b", "replica", 16),
        ("c", "replica", None),
    ]
    assert found(seen) == {
        "patroni_unreachable": -1,
        "patroni_paused": 0,
        "patroni_without_leader": 0,
        "patroni_etcd_age_seconds": 4.0,
        "patroni_member_not_working": 1,
    }


def test_a_pause_and_a_missing_leader_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = observed(answers(monkeypatch, cluster={"members": [], "pause": True}))
    assert found(seen)["patroni_paused"] == 1
    assert found(seen)["patroni_without_leader"] == 1


def test_one_that_does_not_answer_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = observed(answers(monkeypatch, patroni=Unreachable("It does not answer.")))
    assert found(seen)["patroni_unreachable"] == 1
    assert seen.of(catalog.KEEPER) == []


def test_nobody_is_asked_where_nobody_is_named() -> None:
    assert observed(None).rows == {}


def test_something_else_is_not_taken_for_patroni(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Problem, match="is not Patroni"):
        told(answers(monkeypatch, patroni={"status": "ok"}))


def test_where_etcd_is_silent_what_the_member_knows_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = told(answers(monkeypatch, cluster="timeout", config="timeout"))
    assert (seen.leader, seen.members, seen.settings) == (None, (), {})


def test_certificates_that_are_not_there_are_a_sentence() -> None:
    with pytest.raises(Problem, match="cannot be read"):
        Api("192.0.2.11", Keys("/nowhere/ca.crt")).get("patroni")


def test_tags_and_what_it_is_to_do_later_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    tagged = {"name": "b", "role": "replica", "state": "streaming", "tags": {"nofailover": True}}
    later = {"at": "2030-01-01T03:00:00+00:00", "from": "a"}
    seen = told(answers(monkeypatch, cluster={"members": [tagged, {"name": "c"}], "scheduled_switchover": later}))
    assert [each["tags"] for each in seen.members] == [{"nofailover": True}, {}]
    assert seen.scheduled_switchover == later
    assert told(answers(monkeypatch)).scheduled_switchover is None
