"""How far a replay is, where that can be known."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._progress import Measured, Progress
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.catalogue import Segment, Stanza
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.choosing import Archive
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.replay import Replay
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.target import Stop, Target

SEGMENT = 16 << 20
BEGAN = datetime(2026, 8, 1, 2, tzinfo=timezone.utc)
STANZA = Stanza("demo", "7", "15", (), last=Segment("000000010000000000000009"))


class Heard(Progress):
    """What was told."""

    def __init__(self) -> None:
        super().__init__(None)
        self.told: list[Measured] = []

    def tick(self, phase: str, measure: Any = None) -> None:
        assert phase == "replay"
        self.told.append(measure())


def at(lsn: str | None, minutes: int | None = None) -> Stop:
    return Stop(True, False, lsn, None if minutes is None else BEGAN + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("target", "timeline", "total"),
    [
        (Target("latest"), 1, 8 * SEGMENT),
        # The archive's last segment is of another timeline: nobody knows how much there is to come.
        (Target("latest"), 2, None),
        (Target("lsn", "0/5000000"), 1, 3 * SEGMENT),
        (Target("xid", "777"), 1, None),
        # A quarter of an hour of an hour.
        (Target("time", "2026-08-01 03:00:00+00:00"), 1, 4 * SEGMENT),
        (Target("time", "2026-08-01 01:00:00+00:00"), 1, None),
    ],
)
def test_it_is_counted_from_where_it_was_first_seen(target: Target, timeline: int, total: int | None) -> None:
    heard = Heard()
    replay = Replay(heard, target, Archive(timeline), STANZA)
    replay.look(None)
    replay.look(at("0/2000000", 0))
    replay.look(at("0/3000000", 15))
    assert (heard.told[0], heard.told[-1]) == ((None, None), (SEGMENT, total))


def test_without_a_transaction_there_is_no_share_of_time() -> None:
    heard = Heard()
    replay = Replay(heard, Target("time", "2026-08-01 03:00:00+00:00"), Archive(1), STANZA)
    for lsn in ("0/2000000", "0/3000000"):
        replay.look(at(lsn))
    assert heard.told[-1] == (SEGMENT, None)
