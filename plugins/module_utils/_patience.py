# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How long a statement waits for its lock, and how often a step is tried again when it did not get it."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Callable

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused, TookTooLong


class GaveUp(Problem):
    """A step that did not get its lock; those before it are done and stay so."""


@dataclass
class Patience:
    lock_seconds: float
    retries: int
    longest_attempt_seconds: float = 0.0

    def __post_init__(self) -> None:
        if not (self.lock_seconds > 0 and self.retries >= 0):
            raise Refused("lock_timeout takes more than zero seconds and retries zero or more.")

    @property
    def milliseconds(self) -> str:
        # Zero would mean to wait for ever.
        return str(max(1, int(self.lock_seconds * 1000)))

    def tried(self, sentence: str, act: Callable[[], None]) -> int:
        """Do it, again after a pause when a lock was not had; returns the number of attempts."""
        for attempt in range(1, self.retries + 2):
            started = time.monotonic()
            try:
                act()
            except TookTooLong as error:
                if attempt > self.retries:
                    raise GaveUp(
                        f"Could not {sentence}: another session held a lock on it through {attempt} attempts "
                        f"of {self.lock_seconds:g} s; see who with pg_health_facts and run this again."
                    ) from error
            else:
                return attempt
            finally:
                self.longest_attempt_seconds = max(self.longest_attempt_seconds, time.monotonic() - started)
            # Longer each time, and never in step with somebody else's retries.
            time.sleep(min(10.0, 0.1 * 2**attempt) * random.uniform(0.5, 1.0))
        raise AssertionError("the last attempt either returns or raises")
