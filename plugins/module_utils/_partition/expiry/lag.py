# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How far standbys are behind, and waiting until they are not."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Callable

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session

_UNITS = {"b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}
_TIMES = {"ms": 0.001, "s": 1.0, "min": 60.0}
_LIMIT = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)", re.IGNORECASE)

# What receives WAL now: standbys, subscribers and archives alike. A base backup replays nothing.
RECEIVERS = """
SELECT coalesce(nullif(application_name, ''), client_addr::text, pid::text) AS name,
       coalesce(replay_lsn, flush_lsn, write_lsn) - '0/0'::pg_lsn AS reached,
       pg_current_wal_lsn() - '0/0'::pg_lsn AS written,
       extract(epoch FROM replay_lag)::float8 AS seconds
  FROM pg_stat_replication
 WHERE state <> 'backup' AND coalesce(replay_lsn, flush_lsn, write_lsn) IS NOT NULL
"""

MAY_SEE = "SELECT pg_has_role('pg_read_all_stats', 'USAGE') AS may"

POLL_SECONDS = 0.25
# Each is a moment at which we know how far the primary was.
MOST_SAMPLES = 10_000


class TooFarBehind(Problem):
    """A standby did not catch up in time; what was done before stays done."""


@dataclass(frozen=True)
class Limit:
    words: str
    bytes: int | None = None
    seconds: float | None = None


def parse_limit(text: str) -> Limit:
    found = _LIMIT.fullmatch(text.strip())
    unit = found[2].lower() if found else ""
    if found and unit in _UNITS:
        return Limit(text.strip(), bytes=int(float(found[1]) * _UNITS[unit]))
    if found and unit in _TIMES:
        return Limit(text.strip(), seconds=float(found[1]) * _TIMES[unit])
    raise Refused(f"max_replica_lag '{text}' is not understood: give bytes such as '64 MB' or a time such as '10 s'.")


@dataclass(frozen=True)
class Receiver:
    name: str
    # Positions in the WAL, as numbers.
    reached: int
    written: int
    # The server's own measure, which stands still when the standby does.
    seconds: float | None


@dataclass(frozen=True)
class Behind:
    name: str
    words: str


def late(
    receivers: Sequence[Receiver], samples: Sequence[tuple[float, int]], limit: Limit, now: float
) -> Behind | None:
    """The one that is furthest beyond the limit.

    samples: when the primary was known to have written how much, in order. What is not replayed of the oldest
    is how long a standby that stands still is behind.
    """
    found: list[tuple[float, Behind]] = []
    for each in receivers:
        if limit.bytes is not None and each.written - each.reached > limit.bytes:
            behind = each.written - each.reached
            found.append((behind, Behind(each.name, f"{behind} bytes")))
        if limit.seconds is not None:
            first = next((moment for moment, written in samples if written > each.reached), now)
            seconds = max(now - first, each.seconds or 0.0 if each.reached < each.written else 0.0)
            if seconds > limit.seconds:
                found.append((seconds, Behind(each.name, f"{seconds:.1f} s")))
    return max(found, key=lambda pair: pair[0])[1] if found else None


@dataclass
class Throttle:
    """Asked between batches; remembers how long it made us wait."""

    session: Session
    limit: Limit | None
    patience_seconds: float
    waited_seconds: float = 0.0
    waited_for: list[str] = field(default_factory=list)
    clock: Callable[[], float] = time.monotonic
    _samples: list[tuple[float, int]] = field(default_factory=list)

    def refuse_blind(self) -> None:
        if self.limit is not None and not self.session.fetch(MAY_SEE)[0]["may"]:
            raise Refused(
                "max_replica_lag needs to know how far standbys are, which this role may not see: "
                "GRANT pg_monitor to it, or leave the option out."
            )

    def wait(self, over: Callable[[], bool] = lambda: False) -> None:
        """Until nobody is late, or nobody wants to know any more."""
        if self.limit is None:
            return
        started = self.clock()
        while True:
            behind = self._behind(self.limit)
            waited = self.clock() - started
            if behind is None or over():
                self.waited_seconds += waited if waited > POLL_SECONDS else 0.0
                return
            if behind.name not in self.waited_for:
                self.waited_for.append(behind.name)
            if waited >= self.patience_seconds:
                self.waited_seconds += waited
                raise TooFarBehind(
                    f"standby {behind.name} is {behind.words} behind, more than {self.limit.words}, and did not catch "
                    f"up within {self.patience_seconds:g} s: see whether it replays, and run this again to go on."
                )
            time.sleep(POLL_SECONDS)

    def _behind(self, limit: Limit) -> Behind | None:
        rows = self.session.fetch(RECEIVERS)
        receivers = [Receiver(row["name"], int(row["reached"]), int(row["written"]), row["seconds"]) for row in rows]
        now = self.clock()
        if receivers:
            slowest = min(each.reached for each in receivers)
            kept = [each for each in self._samples if each[1] > slowest]
            self._samples = [*kept[:MOST_SAMPLES], (now, max(each.written for each in receivers))]
        return late(receivers, self._samples, limit, now)
