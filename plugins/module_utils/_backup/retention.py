# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which backups of a series go, and why: a function of what is there, the policy and the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import Entry
from ansible_collections.runbook.postgres.plugins.module_utils._backup.words import age_words


@dataclass(frozen=True)
class Retention:
    """Where both are given a backup goes only when it is past both: an age alone would empty a repository whose
    backups have failed for long."""

    age: timedelta | None = None
    count: int | None = None

    @property
    def endless(self) -> bool:
        return self.age is None and self.count is None

    @property
    def words(self) -> str:
        parts = [] if self.age is None else [f"older than {age_words(self.age)}"]
        parts += [] if self.count is None else [f"not among the last {self.count}"]
        return " and ".join(parts)


@dataclass(frozen=True)
class Leaving:
    entry: Entry
    why: str


def leaving(entries: Sequence[Entry], policy: Retention, now: datetime) -> list[Leaving]:
    """Those past the policy, the oldest first. Never the last good one, never the last good one that was verified,
    never one that is being restored from, nor what one of those that stay depends on. What has a problem keeps nothing
    else from staying."""
    if policy.endless:
        return []
    newest_first = sorted(entries, key=lambda each: (each.number, each.started, each.id), reverse=True)
    stays: set[str] = set(_untouchable(newest_first))
    good = 0
    for each in newest_first:
        # One from the future, by a clock that was wrong then or is now, is not old.
        young = policy.age is not None and now - each.stopped <= policy.age
        counted = policy.count is not None and good < policy.count
        if young or counted or each.held:
            stays.add(each.id)
        good += each.good
    _add_dependencies(newest_first, stays)
    return [Leaving(each, policy.words) for each in reversed(newest_first) if each.id not in stays]


def spared(entries: Sequence[Entry], policy: Retention, now: datetime) -> list[str]:
    """Those that stay for no other reason than that somebody restores from them, in sentences."""
    held = {each.id for each in entries if each.held}
    past = leaving([replace(each, held=False) for each in entries], policy, now) if held else []
    return [
        f"Backup {each.entry.id} is {each.why} and is being restored from now: it stays until a later run."
        for each in past
        if each.entry.id in held
    ]


def _untouchable(newest_first: Sequence[Entry]) -> list[str]:
    good = [each for each in newest_first if each.good]
    verified = [each for each in good if each.verified is not None]
    return [each.id for each in (*good[:1], *verified[:1])]


def _add_dependencies(entries: Sequence[Entry], stays: set[str]) -> None:
    """Until nothing that stays needs something that goes."""
    needs = {each.id: each.depends_on for each in entries}
    waiting = list(stays)
    while waiting:
        for needed in needs.get(waiting.pop(), ()):
            if needed not in stays:
                stays.add(needed)
                waiting.append(needed)
