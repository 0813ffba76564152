# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What has to be done so that a backup as wanted is there: a function of the catalogue, the wish and the time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import Entry, Series, Verified, written
from ansible_collections.runbook.postgres.plugins.module_utils._backup.ids import taken_at
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.request import Offsite, Wanted
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.steps import (
    NEW,
    Clear,
    ClearFar,
    Drop,
    Forget,
    Remove,
    RemoveFar,
    Send,
    Step,
    Take,
    Verify,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.retention import Retention, leaving, spared
from ansible_collections.runbook.postgres.plugins.module_utils._backup.words import age_words, size_words
from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan

# Until then a copy may be that of another host, which is still at it.
_ON_ITS_WAY = timedelta(days=1)


@dataclass(frozen=True)
class Seen:
    """What is there: the backups of the series here and at the far end, and what was left half-done."""

    series: Series
    here: Sequence[Entry] = ()
    far: Sequence[Entry] = ()
    left: Sequence[str] = ()
    left_far: Sequence[str] = ()
    # Of this series or of no backup here, without a manifest.
    cut_far: Sequence[str] = ()
    # Directories with a backup's name that cannot be believed.
    broken: Sequence[str] = ()
    # Why nobody knows what the far end has; what there is to do here does not wait for it.
    unlisted: str | None = None
    # Databases that proofs left on the server.
    scratch: Sequence[str] = ()


def plan_backup(wanted: Wanted, seen: Seen, now: datetime) -> tuple[Plan, str]:
    """The plan, and the backup that meets the wish when it is carried out."""
    offsite = wanted.offsite if seen.unlisted is None else None
    steps: list[Step] = [*map(Clear, seen.left), *map(Drop, seen.scratch)]
    chosen, warnings = _chosen(wanted, seen.here, now)
    warnings += list(seen.broken)
    if chosen is None:
        entry = _expected(wanted, seen, now)
        steps.append(Take(wanted.title, wanted.verify))
        if wanted.verify == "restore":
            steps.append(Verify(NEW, wanted.verify))
    else:
        entry = chosen
        if not chosen.at_least(wanted.verify):
            steps.append(Verify(chosen.id, wanted.verify))
    here = [*(each for each in seen.here if each.id != entry.id), entry]
    warnings += spared(here, wanted.retention, now)
    far: list[Entry] = []
    ours: list[str] = []
    cut: list[str] = []
    if offsite is not None:
        sent = _missing(wanted, entry, seen, offsite.retention, now)
        far = [*(each for each in seen.far if each.id not in {one.id for one in sent}), *sent]
        steps += [Send(each.id, offsite.remote) for each in sent]
        steps += _forgotten(seen, far, offsite.remote)
        ours, cut = _cut(seen, {each.id for each in sent}, now)
        # Before they go here, after which they might be another host's.
        steps += [ClearFar(name, offsite.remote, "copy") for name in ours]
    steps += [Remove(each.entry.id, each.why) for each in leaving(here, wanted.retention, now)]
    if offsite is not None:
        steps += [ClearFar(name, offsite.remote) for name in seen.left_far]
        steps += [ClearFar(name, offsite.remote, "copy") for name in cut]
        steps += _removed_far(far, seen.far, offsite, now)
    gone = {(type(step), step.id) for step in steps if isinstance(step, (Remove, RemoveFar))}
    after = [_line(each, wanted.verify if each is entry else "") for each in here if (Remove, each.id) not in gone]
    before = [_line(each, "") for each in seen.here]
    if offsite is not None:
        at = f" at {offsite.remote}"
        before += [*(name + at for name in (*seen.left_far, *ours, *cut)), *(each.id + at for each in seen.far)]
        after += [each.id + at for each in far if (RemoveFar, each.id) not in gone]
    return Plan(tuple(steps), tuple(warnings), (), [*seen.left, *seen.scratch, *before], after), entry.id


def _missing(wanted: Wanted, entry: Entry, seen: Seen, policy: Retention, now: datetime) -> list[Entry]:
    """What is to be copied: the chosen one, then what did not arrive in the nights before, the newest first.

    One that lost a file there is no copy. What is older than everything there was never to be there, and one that is
    kept in another way than is wanted now (plain, where there are recipients) stays here.
    """
    far = {each.id: each for each in seen.far if each.good}
    first = min((each.number for each in far.values()), default=None)
    late = [
        # Who restores from it here keeps nothing there.
        replace(each, held=False)
        for each in seen.here
        if each.good
        and each.id not in far
        and each.id != entry.id
        and first is not None
        and each.number > first
        and each.encrypted == bool(wanted.recipients)
    ]
    going = {each.entry.id for each in leaving([*far.values(), *late, entry], policy, now)}
    late = sorted((each for each in late if each.id not in going), key=lambda each: each.number, reverse=True)
    return [*([] if entry.id in far else [entry]), *late]


def _cut(seen: Seen, sent: Collection[str], now: datetime) -> tuple[list[str], list[str]]:
    """Of copies without a manifest those that nobody is at: what is here and is not sent again, and what is old."""
    here = {each.id for each in seen.here}
    ours = [name for name in seen.cut_far if name in here and name not in sent]
    return ours, [name for name in seen.cut_far if name not in here and now - taken_at(name) > _ON_ITS_WAY]


def _forgotten(seen: Seen, far: Sequence[Entry], remote: str) -> Iterator[Step]:
    there = {each.id for each in far if each.good}
    for each in seen.here:
        # One whose proof failed is not good there either, and is there all the same.
        if each.good and each.id not in there and remote in {copy.place for copy in each.copies}:
            yield Forget(each.id, remote)


def _removed_far(far: Sequence[Entry], now_there: Sequence[Entry], offsite: Offsite, now: datetime) -> Iterator[Step]:
    """Judged twice: what would be too much without anything new goes even if nothing arrives."""
    anyway = {each.entry.id for each in leaving(now_there, offsite.retention, now)}
    for each in leaving(far, offsite.retention, now):
        yield RemoveFar(each.entry.id, offsite.remote, each.why, anyway=each.entry.id in anyway)


def _chosen(wanted: Wanted, here: Sequence[Entry], now: datetime) -> tuple[Entry | None, list[str]]:
    """One that is young enough: the newest that is verified as wanted, else the newest."""
    if not wanted.max_age:
        return None, []
    asked = [each for each in here if each.good and each.encrypted == bool(wanted.recipients)]
    ahead = [each for each in asked if each.started > now]
    warnings = [
        f"Backup {each.id} says it was taken {age_words(_whole(each.started - now))} from now: "
        "a clock was or is wrong, and it does not count as a young one."
        for each in ahead
    ]
    young = [each for each in asked if each not in ahead and now - each.started <= wanted.max_age]
    proven = [each for each in young if each.at_least(wanted.verify)]
    return max(proven or young, key=lambda each: each.number, default=None), warnings


def _whole(age: timedelta) -> timedelta:
    return timedelta(minutes=max(1, int(age.total_seconds() // 60)))


def _expected(wanted: Wanted, seen: Seen, now: datetime) -> Entry:
    """The backup to be taken, as it will be if all goes well; else nothing after it is done."""
    return Entry(
        id=NEW,
        series=seen.series,
        number=max((each.number for each in (*seen.here, *seen.far)), default=0) + 1,
        started=now,
        stopped=now,
        bytes=0,
        stored_bytes=0,
        place=str(wanted.destination),
        lsn_start=None,
        lsn_stop=None,
        timeline=None,
        restorable_from=now,
        restorable_to=now,
        verified=None if wanted.verify == "none" else Verified(wanted.verify, now),
    )


def _line(entry: Entry, level: str) -> str:
    """One backup in a diff; `level` is what it will be verified by."""
    if entry.id == NEW:
        proof = f"verified by {level}" if level != "none" else "not verified"
        return f"a new backup, {proof}"
    reached = "none" if entry.verified is None else entry.verified.level
    level = level if level and not entry.at_least(level) else reached
    proof = "not verified" if level == "none" else f"verified by {level}"
    bad = f", with a problem: {entry.problems[0]}" if entry.problems else ""
    return f"{entry.id} of {written(entry.started)}, {size_words(entry.stored_bytes)}, {proof}{bad}"
