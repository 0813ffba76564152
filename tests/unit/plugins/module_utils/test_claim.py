"""Who may fail a cluster over: one run, until it has been silent for too long."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils import _claim, _host_lock
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused

ONE, OTHER = "aaaaaaaa", "bbbbbbbb"


class Clock:
    def __init__(self) -> None:
        self.at = 100.0
        # What happens while somebody waits.
        self.meanwhile: list[Iterator[None]] = []

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds
        for each in self.meanwhile:
            next(each, None)


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(_host_lock, "LOCKS", tmp_path)
    monkeypatch.setattr(_claim, "FILE", tmp_path / "claim.json")
    monkeypatch.setattr(_claim, "now", made.now)
    monkeypatch.setattr(time, "sleep", made.sleep)
    return made


def test_one_that_runs_out_is_waited_for_and_taken_over(clock: Clock) -> None:
    _claim.take(ONE, "alice on here", 60)
    with pytest.raises(Refused, match=r"begun by alice on here and heard of 0 s ago.* in 60 s"):
        _claim.judge(OTHER)
    _claim.judge(ONE)
    assert _claim.take(OTHER, "bob on there", 60) is True
    assert clock.at >= 160
    # Whoever was overtaken promotes nothing and ends nothing, also when the other is silent by then.
    clock.at += 100
    with pytest.raises(Refused, match="begun by bob on there, has taken over"):
        _claim.renew(ONE, "alice on here", 60)
    with pytest.raises(Refused, match="has taken over"), _claim.held(ONE):
        pytest.fail("it was let in")
    assert not _claim.give_up(ONE)
    with _claim.held(OTHER):
        pass
    assert _claim.give_up(OTHER)
    assert not _claim.give_up(OTHER)
    _claim.take(ONE, "alice on here", 60)


def test_one_that_is_renewed_meanwhile_is_refused(clock: Clock) -> None:
    def goes_on() -> Iterator[None]:
        yield
        _claim.renew(ONE, "alice on here", 60)
        yield

    _claim.take(ONE, "alice on here", 60)
    clock.meanwhile.append(goes_on())
    with pytest.raises(Refused, match="Another failover is under way"):
        _claim.take(OTHER, "bob on there", 60)
    assert clock.at < 110


@pytest.mark.usefixtures("clock")
def test_one_that_is_gone_is_not_held() -> None:
    """After a reboot, or when another run came and ended meanwhile."""
    with pytest.raises(Refused, match="is gone"):
        _claim.renew(ONE, "alice on here", 60)
    with pytest.raises(Refused, match="is gone"), _claim.held(ONE):
        pytest.fail("it was let in")
    assert _claim.take(ONE, "alice on here", 60) is False
    with _claim.held(ONE):
        pass


def test_a_run_that_slept_while_another_came_and_ended_promotes_nothing(clock: Clock) -> None:
    _claim.take(ONE, "alice on here", 60)
    clock.at += 61
    _claim.take(OTHER, "bob on there", 60)
    _claim.give_up(OTHER)
    with pytest.raises(Refused, match="is gone"), _claim.held(ONE):
        pytest.fail("it was let in")


def test_what_is_no_claim_is_refused(clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "claim.json").write_text("perhaps")
    with pytest.raises(Refused, match="not as it was written"):
        _claim.take(ONE, "alice on here", clock.at)


def test_one_that_is_about_to_run_out_is_not_relied_on(clock: Clock) -> None:
    """Other hosts of the cluster were claimed some seconds before this one."""
    _claim.take(ONE, "alice on here", 60)
    clock.at += 49
    _claim.renew(ONE, "alice on here", 60, left=10)
    clock.at += 51
    with pytest.raises(Refused, match="silent for 51 s"):
        _claim.renew(ONE, "alice on here", 60, left=10)
    # Nobody else has it, so that it can be ended in order.
    _claim.renew(ONE, "alice on here", 60)
