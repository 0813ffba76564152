"""The old primary's part where Patroni keeps the cluster: what it asks, what it makes of the answer, what it leaves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._patroni_api import Answer, Api, Keys
from ansible_collections.runbook.postgres.plugins.module_utils._switchover import kept, primary, request, server
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.kept import KeptPrimary
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.notes import ENDED, Note, Notebook
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.words import Words

TOKEN = "abcdef01"
PLACE = request.Place(15, "main", Path("/nowhere"))
LIMITS = request.Limits(1, 1, 1, 1)
DONE = Answer(200, 'Successfully switched over to "b"', None)


class Patroni:
    """Over the network, as far as it is asked."""

    def __init__(self, answer: Answer, *, leader: str | None = "a", paused: bool = False) -> None:
        self.answer = answer
        self.posted: list[tuple[str, Any]] = []
        members = [{"name": leader, "role": "leader", "state": "running"}] if leader else []
        own = {"patroni": {"scope": "shop", "version": "3.0.2"}, "role": "master", "pause": paused}
        self.known = {"patroni": own, "cluster": {"members": members}, "config": {}}

    def get(self, path: str) -> Answer:
        return Answer(200, self.known[path], None)

    def post(self, path: str, content: Any) -> Answer:
        self.posted.append((path, content))
        return self.answer


class Said:
    """A session on the server that keeps what is said in it."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def fetch(self, _sql: str, values: list[str]) -> list[dict[str, Any]]:
        if values[0].endswith("%"):
            return [{"name": self.names[-1]}]
        self.names.append(values[0])
        return []


@pytest.fixture
def notes(tmp_path: Path) -> Notebook:
    return Notebook("15-main", tmp_path / "notes", str(os.geteuid()))


def part(monkeypatch: pytest.MonkeyPatch, notes: Notebook, patroni: Patroni) -> tuple[KeptPrimary, Said]:
    """With everybody there and clients waiting."""
    said = Said()

    @contextmanager
    def session(_server: object, _name: str) -> Iterator[Said]:
        yield said

    monkeypatch.setattr(server, "running", lambda _place: None)
    monkeypatch.setattr(server, "session", session)
    monkeypatch.setattr(Api, "get", patroni.get)
    monkeypatch.setattr(Api, "post", patroni.post)
    monkeypatch.setattr(KeptPrimary, "_gather", lambda _self, _session: None)
    monkeypatch.setattr(KeptPrimary, "_follows", lambda _self: True)
    api = Api("192.0.2.11", Keys("/nowhere/ca.crt"))
    return KeptPrimary(api, PLACE, Words(TOKEN), LIMITS, notes, "b", 1, 2**24), said


def test_it_asks_for_the_candidate_and_is_a_standby_then(monkeypatch: pytest.MonkeyPatch, notes: Notebook) -> None:
    patroni = Patroni(DONE)
    asking, said = part(monkeypatch, notes, patroni)
    asking.run()
    assert patroni.posted == [("switchover", {"leader": "a", "candidate": "b"})]
    assert asking.result["stopped"] is True
    assert set(asking.result["durations"]) == {"switchover_ms", "rejoin_ms"}
    assert said.names == []


@pytest.mark.parametrize(
    "answer",
    [Answer(412, "candidate does not exists", None), Answer(503, "Switchover failed", None)],
    ids=["refused", "failed"],
)
def test_those_who_wait_are_told_when_it_does_not(
    monkeypatch: pytest.MonkeyPatch, notes: Notebook, answer: Answer
) -> None:
    asking, said = part(monkeypatch, notes, Patroni(answer))
    with pytest.raises(Problem, match=rf"HTTP {answer.status}: {answer.content}\)"):
        asking.run()
    assert said.names == [Words(TOKEN).of("off")]
    assert asking.result["stopped"] is False
    found = notes.read()
    assert found is not None
    assert not found.unfinished


@pytest.mark.parametrize("state", [{"leader": None}, {"paused": True}], ids=["no leader", "paused"])
def test_nobody_waits_for_one_that_would_not(
    monkeypatch: pytest.MonkeyPatch, notes: Notebook, state: dict[str, Any]
) -> None:
    patroni = Patroni(DONE, **state)
    asking, said = part(monkeypatch, notes, patroni)
    with pytest.raises(Refused, match="by now"):
        asking.run()
    assert (patroni.posted, said.names, notes.read()) == ([], [Words(TOKEN).of("off")], None)


@pytest.mark.parametrize(("elsewhere", "settled"), [(True, "follow"), (False, "primary")])
def test_what_was_left_is_only_written_down(
    monkeypatch: pytest.MonkeyPatch, notes: Notebook, elsewhere: bool, settled: str
) -> None:
    """Patroni sees to the server: it is neither started nor looked at."""
    monkeypatch.setattr(server, "service", lambda verb, _place: pytest.fail(verb))
    notes.write(Note(TOKEN, primary.ASKING, "Patroni was asked"))
    assert primary.settle(PLACE, notes, elsewhere) == settled
    found = notes.read()
    assert found is not None
    assert found.step == ENDED
    assert primary.settle(PLACE, notes, elsewhere) is None


def test_it_is_not_back_in_time(monkeypatch: pytest.MonkeyPatch, notes: Notebook) -> None:
    asking, _said = part(monkeypatch, notes, Patroni(DONE))
    monkeypatch.setattr(KeptPrimary, "_follows", lambda _self: False)
    monkeypatch.setattr(kept, "_REJOIN_SECONDS", 0.0)
    with pytest.raises(Problem, match="not back as a standby"):
        asking.run()
    assert asking.result["stopped"] is True
