# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A point in time after which nothing is waited for any more."""

from __future__ import annotations

import time


class Deadline:
    """Counts down on the monotonic clock, so that a clock set back cannot make us wait longer."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    def remaining(self) -> float:
        return max(0.0, self._ends - time.monotonic())

    def passed(self) -> bool:
        return self.remaining() <= 0.0

    def at_most(self, seconds: float) -> Deadline:
        """The earlier of this deadline and the given number of seconds from now."""
        return Deadline(min(seconds, self.remaining()))
