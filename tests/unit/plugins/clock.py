"""A clock that moves when a test says so, in place of the machine's."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils import _deadline
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers import rate, standby


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    @classmethod
    def installed(cls, monkeypatch: pytest.MonkeyPatch) -> Clock:
        """Deadlines and samples go by this clock, and sleeping moves it."""
        clock = cls()
        time = SimpleNamespace(monotonic=lambda: clock.now, sleep=clock.sleep)
        for module in (_deadline, rate, standby):
            monkeypatch.setattr(module, "time", time)
        return clock

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds
