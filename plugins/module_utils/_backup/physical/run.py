# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Method physical of pg_backup: pgBackRest takes and verifies, and what it only warns of is a failure here."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import Verified
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical import running, state
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.catalogue import (
    PAGES,
    Listed,
    Remembered,
    gaps,
    observe,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.past import past
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.plan import (
    Expire,
    Take,
    Verify,
    Wish,
    due,
    roots,
    so_far,
    spared,
    steps,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.report import Outcome, told
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.request import wanted
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.room import filled, refuse_without_room
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.verify import (
    Damage,
    refuse_unknown,
    verify,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.wal import Wal
from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._host_lock import Busy, alone
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.program import (
    PgBackRest,
    PgBackRestFailed,
    warnings,
)
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.readers import Reader, readers
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.reading import is_read, stays, unread
from ansible_collections.runbook.postgres.plugins.module_utils._progress import clear_host

# Of pages alone: checksums of files are warned of as well, as when a promotion has it compare files by them.
_BROKEN = re.compile(r"invalid page checksums? found in file |page misalignment in file ")


class Backups:
    """One stanza in one repository, and what is known of it."""

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.pgbackrest = PgBackRest(wish.stanza, wish.timeout)
        self.wal = Wal(self.pgbackrest, wish.repository, state.damaged_wal(wish.stanza, wish.repository))
        self.remembered = state.load(wish.stanza, wish.repository)
        # What this run found out itself: others find out more meanwhile.
        self.judged: dict[str, Remembered] = {}
        # What the proof of this run found, where there was one.
        self.damage: Damage | None = None
        self.taken: str | None = None
        self.seconds: float | None = None
        # Steps that were taken, for a run that fails on its way.
        self.done: list[Any] = []
        # What went in the end, once that is known, and what did not although it was to.
        self.gone: tuple[str, ...] | None = None
        self.stayed: tuple[str, ...] = ()
        # What is past its retention and somebody may be reading.
        self.read: tuple[str, ...] = ()
        # Those who may, on hosts that left a mark; nobody where it is this one.
        self.readers: list[Reader] = []

    @property
    def repository(self) -> str:
        return f"--repo={self.wish.repository}"

    @property
    def outcome(self) -> Outcome:
        return Outcome(self.seconds, self.gone, self.stayed)

    @property
    def waiting(self) -> tuple[str, ...]:
        return (stays(self.wish.stanza, self.read, self.readers),) if self.read else ()

    def look(self) -> Listed:
        return observe(self.pgbackrest, self.wish.repository, self.remembered, self.wal)

    def judge(self, label: str, found: Remembered) -> None:
        self.judged[label] = self.remembered[label] = found

    def save(self) -> Listed:
        """A backup of hours has others verify beside it: what they wrote down since stays, unless we know it better."""
        with alone(f"backup-{self.wish.stanza}", self.wish.timeout):
            self.remembered = {**state.load(self.wish.stanza, self.wish.repository), **self.judged}
            if self.damage is None or not self.damage.proof:
                self.wal.damaged = state.damaged_wal(self.wish.stanza, self.wish.repository)
            found = self.look()
            state.save(found, self.remembered, _now())
        return found

    def expiring(self, take: Take | None, found: Listed) -> list[str]:
        return past(self.pgbackrest, self.wish, take, found)

    def leaving(self, take: Take | None, found: Listed) -> list[str]:
        """As things are now: nothing of what somebody may be reading."""
        going = self.expiring(take, found)
        if going and (is_read(self.wish.stanza) or self._read_elsewhere()):
            self.read = tuple(going)
            return []
        return going

    def _read_elsewhere(self) -> bool:
        self.readers = readers(self.pgbackrest, self.wish.repository)
        return bool(self.readers)

    def carry_out(self, plan: Plan) -> None:
        """What was found out is kept also where it is a failure."""
        clear_host()
        for step in plan.changes:
            try:
                self._step(step)
            except Problem:
                # That it cannot be kept as well would hide the reason.
                with contextlib.suppress(Problem):
                    self.save()
                raise

    def _step(self, step: Any) -> None:
        if isinstance(step, Take):
            self._take(step)
        elif isinstance(step, Verify):
            self._verify(step, step.id or self.taken or "")
        elif isinstance(step, Expire):
            self._expire(step)

    def _expire(self, step: Expire) -> None:
        try:
            with unread(self.wish.stanza):
                if not self._read_elsewhere():
                    self._remove()
                    return
        except Busy:
            pass
        # They began after it was planned.
        self.gone, self.read = (), step.ids

    def _remove(self) -> None:
        """Judged once more: backups were taken, proven or lost since it was planned, here or by somebody else, and
        pgBackRest removes what is past its retention now."""
        found = self.look()
        # One that was taken just now and not proven is nothing for which another one goes.
        judges = [each for each in found.entries if each.id != self.taken or self.wish.verify != "none"]
        going, self.stayed = spared(judges, self.expiring(None, found))
        if self.stayed:
            for label in roots(found.entries, going):
                self.pgbackrest.run("expire", self.repository, f"--set={label}")
        elif going:
            self.pgbackrest.run("expire", self.repository)
        if going:
            self.done.append(Expire(going))
        self.gone = going

    def _take(self, step: Take) -> None:
        began = time.monotonic()
        # What is past its retention goes once this one is known to be good.
        arguments = (self.repository, f"--type={step.kind}", "--no-expire-auto")
        try:
            with running.told(self.wish, step.kind) as progress:
                printed = self.pgbackrest.watched("backup", *arguments, progress=progress)
        except PgBackRestFailed as error:
            full = filled(self.wish)
            if full is None:
                raise
            raise Problem(f"{full}: {error.sentence}") from error
        self.seconds = round(time.monotonic() - began, 3)
        # Also one that turns out to be of no use is there now.
        self.done.append(step)
        found = re.search(r"new backup label = (\S+)", printed)
        self.taken = found[1] if found else self.look().entries[-1].id
        broken = [each for each in warnings(printed) if _BROKEN.match(each)]
        new = [each for each in self.look().entries if each.id == self.taken]
        self._judge(self.taken, broken, [problem for each in new for problem in each.problems])

    def _judge(self, label: str, broken: Sequence[str], problems: Sequence[str]) -> None:
        """Broken pages are the running cluster's trouble, anything else is that of the backup."""
        if broken or PAGES in problems:
            said = "; ".join(broken[:3]) or "pgBackRest tells which in its log"
            problem = f"Pages of the cluster did not match their checksums when it was taken: {said}."
            self.judge(label, Remembered(None, (problem,)))
            raise Problem(
                f"Backup {label} holds broken pages of the running cluster ({said}): the cluster is damaged, look "
                "at its disk and restore what is broken from an older backup; nothing was removed."
            )
        if problems:
            raise Problem(
                f"Backup {label} was taken and cannot be relied on: {problems[0].rstrip('.')}; mend that and take a "
                "full backup; nothing was removed."
            )

    def _verify(self, step: Verify, label: str) -> None:
        """What is found in others is theirs: this one is judged by what it needs, and retention goes on with that."""
        self.damage = verify(self.pgbackrest, self.wish, label).of({each.id for each in self.look().entries})
        for name, sentence in self.damage.backups.items():
            self.judge(name, Remembered(None, (sentence,)))
        if self.damage.proof:
            self.wal.damaged = self.damage.wal
        found = [each.problems for each in self.look().entries if each.id == label]
        if found != [()]:
            problem = found[0][0] if found else "It is not there any more."
            raise Problem(
                f"{self.wish.title.capitalize()} did not stand the proof ({step.level}): backup {label}: "
                f"{problem.rstrip('.')}; take a new full backup, and look at the disk that the repository is on; "
                "nothing was removed."
            )
        if self.damage.proof:
            known = self.remembered.get(label, Remembered())
            self.judge(label, replace(known, verified=Verified(step.level, _now())))
            self.done.append(step)

    def refuse_damage(self) -> None:
        """Told when all is done that does not stand on it."""
        if self.damage is None or not self.damage.words:
            return
        if not self.damage.found:
            raise Problem(
                f"{self.wish.title.capitalize()} was not proven: {self.damage.words}; look at what pgbackrest "
                f"--stanza={self.wish.stanza} {self.repository} --output=text --verbose verify says as postgres."
            )
        proven = "the backup that is wanted stood the proof" if self.damage.proof else "no backup was proven"
        going = min(self.damage.backups, default=None)
        removed = (
            f", and have {going} removed, with what stands on it, by pgbackrest --stanza={self.wish.stanza} "
            f"{self.repository} --set={going} expire as postgres"
        )
        raise Problem(
            f"{self.wish.title.capitalize()} is damaged, and {proven}: {self.damage.words}; look at the disk that it "
            f"is on{removed if going else ''}."
        )


def backed_up(module: Module) -> None:
    """A backup as wanted is there, proven, and what is past its retention is not."""
    wish = wanted(module.params)
    refuse_unknown(wish.verify)
    backups = Backups(wish)
    found = backups.look()
    take, chosen = due(wish, found, _now())
    if take is not None:
        refuse_without_room(wish, take, found)
    plan = steps(wish, take, chosen, backups.leaving(take, found), found)
    if module.check_mode:
        module.report(**told(plan, wish, backups.outcome, chosen, (*backups.waiting, *gaps(found))))
        return
    try:
        backups.carry_out(plan)
    except Problem:
        module.report(**told(so_far(plan, backups.done, found), wish, backups.outcome, None, ()))
        raise
    now = backups.save()
    entry = next((each for each in now.entries if each.id == (backups.taken or (chosen and chosen.id))), None)
    module.report(
        **told(so_far(plan, backups.done, found), wish, backups.outcome, entry, (*backups.waiting, *gaps(now)))
    )
    backups.refuse_damage()


def _now() -> datetime:
    return datetime.now(timezone.utc)
