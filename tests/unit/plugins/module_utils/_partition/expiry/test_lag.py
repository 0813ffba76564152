"""How far a standby is behind, by bytes and by time, and how long it is waited for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, cast

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry import lag
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.lag import (
    Limit,
    Receiver,
    Throttle,
    TooFarBehind,
    late,
    parse_limit,
)


@pytest.mark.parametrize(
    ("text", "size", "seconds"),
    [
        ("64 MB", 64 * 1024**2, None),
        ("1.5kB", 1536, None),
        ("10 s", None, 10.0),
        ("250ms", None, 0.25),
        ("2 min", None, 120.0),
        ("0 b", 0, None),
    ],
)
def test_limits(text: str, size: int | None, seconds: float | None) -> None:
    assert parse_limit(text) == Limit(text, size, seconds)


@pytest.mark.parametrize("text", ["", "10", "s", "-1 s", "10 parsecs", "10 s s"])
def test_no_limits(text: str) -> None:
    with pytest.raises(Refused, match="max_replica_lag"):
        parse_limit(text)


BYTES, SECONDS = Limit("100 b", bytes=100), Limit("10 s", seconds=10.0)


def receiver(name: str, reached: int, seconds: float | None = None) -> Receiver:
    return Receiver(name, reached, 1000, seconds)


CASES: list[tuple[Sequence[Receiver], Sequence[tuple[float, int]], Limit, str | None]] = [
    ([], [], BYTES, None),
    ([receiver("a", 900)], [], BYTES, None),
    ([receiver("a", 899)], [], BYTES, "a"),
    ([receiver("a", 800), receiver("b", 700)], [], BYTES, "b"),
    # By time, from the moments at which the primary was known to be further.
    ([receiver("a", 500)], [(80.0, 400), (89.0, 600)], SECONDS, "a"),
    ([receiver("a", 500)], [(80.0, 500), (91.0, 600)], SECONDS, None),
    ([receiver("a", 500)], [], SECONDS, None),
    # By the server's own measure, unless all is replayed.
    ([receiver("a", 999, 11.0)], [(100.0, 1000)], SECONDS, "a"),
    ([receiver("a", 1000, 11.0)], [(100.0, 1000)], SECONDS, None),
]


@pytest.mark.parametrize(("receivers", "samples", "limit", "expected"), CASES)
def test_who_is_late(
    receivers: Sequence[Receiver], samples: Sequence[tuple[float, int]], limit: Limit, expected: str | None
) -> None:
    found = late(receivers, samples, limit, 100.0)
    assert (found.name if found else None) == expected


class Server:
    """Says where its standby is, a moment later each time it is asked."""

    def __init__(self, *reached: int, may: bool = True) -> None:
        self.reached, self.now, self.may = list(reached), 0.0, may

    def fetch(self, query: str) -> list[dict[str, Any]]:
        if query == lag.MAY_SEE:
            return [{"may": self.may}]
        place = self.reached.pop(0) if len(self.reached) > 1 else self.reached[0]
        return [{"name": "a", "reached": place, "written": 1000, "seconds": None}]

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def throttle(server: Server, limit: Limit | None, patience: float, monkeypatch: pytest.MonkeyPatch) -> Throttle:
    monkeypatch.setattr(time, "sleep", server.sleep)
    return Throttle(cast(Any, server), limit, patience, clock=lambda: server.now)


def test_it_waits_until_the_standby_has_caught_up(monkeypatch: pytest.MonkeyPatch) -> None:
    found = throttle(Server(0, 0, 0, 950), BYTES, 60, monkeypatch)
    found.wait()
    assert found.waited_seconds == 0.75
    assert found.waited_for == ["a"]
    found.wait()
    assert found.waited_seconds == 0.75


def test_it_gives_up_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    found = throttle(Server(0), BYTES, 5, monkeypatch)
    with pytest.raises(TooFarBehind, match=r"standby a is 1000 bytes behind, more than 100 b, .* within 5 s"):
        found.wait()
    assert found.waited_seconds >= 5


def test_a_standby_that_stands_still_is_late_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(500)
    found = throttle(server, SECONDS, 5, monkeypatch)
    found.wait()
    server.now = 11.0
    with pytest.raises(TooFarBehind):
        found.wait()


def test_it_does_not_outlast_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(0)
    found = throttle(server, BYTES, 60, monkeypatch)
    found.wait(lambda: server.now >= 2)
    assert found.waited_seconds == 2


def test_without_a_limit_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    found = throttle(Server(0, may=False), None, 5, monkeypatch)
    found.refuse_blind()
    found.wait()
    with pytest.raises(Refused, match="GRANT pg_monitor"):
        throttle(Server(0, may=False), BYTES, 5, monkeypatch).refuse_blind()
