# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How long backups stay that restores took of what they replaced: part of the plan, and carried out last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._backup import place
from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import LOGICAL, Entry, Series, Verified
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.run import readable_of
from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import ALL, SAFETY
from ansible_collections.runbook.postgres.plugins.module_utils._backup.repository import Repository, series_of
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.plan import SafetyBackup
from ansible_collections.runbook.postgres.plugins.module_utils._backup.retention import Retention, leaving
from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused

# What stands for the one that is still to be taken.
_NEW = "(new)"


@dataclass(frozen=True)
class Expire:
    id: str
    place: str
    database: str
    why: str

    @property
    def sentence(self) -> str:
        return f"remove safety backup {self.id} from {self.place}, {self.why}"


def kept_for_safety(repository: Path, database: str, system_identifier: str | None) -> list[Entry]:
    """Those of this database of this cluster; another's that shares the directory are not ours to remove."""
    return [
        replace(each.entry(), held=place.held(each.directory))
        for each in Repository(repository).backups()
        if each.manifest.label == SAFETY
        and (series := series_of(each.manifest)).database == database
        and series.system_identifier == system_identifier
    ]


@dataclass(frozen=True)
class Kept:
    """Safety backups of a database that are there, where they are, whose they are and how long they stay."""

    place: Path
    database: str
    system_identifier: str | None
    policy: Retention
    entries: Sequence[Entry] = ()


def with_retention(plan: Plan, kept: Kept, restored: str, now: datetime) -> Plan:
    """The same plan, after which those past the policy are gone.

    The last one that is good never goes: those of a whole database are one series, those of the same tables another.
    Nor does the one that is `restored` from.
    """
    steps = [step for step in plan.changes if isinstance(step, SafetyBackup)]
    all_of_them = [*kept.entries, *(_expected(step, kept, now) for step in steps)]
    going: list[Expire] = []
    for series in dict.fromkeys(each.series for each in all_of_them):
        mine = [each for each in all_of_them if each.series == series]
        past = [each for each in leaving(mine, kept.policy, now) if each.entry.id != restored]
        going += [Expire(each.entry.id, str(kept.place), kept.database, each.why) for each in past]
    gone = {each.id for each in going}
    return replace(
        plan,
        changes=(*plan.changes, *going),
        before=[*plan.before, *(_line(each) for each in kept.entries)],
        after=[*plan.after, *(_line(each) for each in all_of_them if each.id not in gone)],
    )


def _expected(step: SafetyBackup, kept: Kept, now: datetime) -> Entry:
    """The one that is to be taken, as it will be when all goes well; else nothing after it is done."""
    return Entry(
        id=_NEW,
        series=Series(LOGICAL, ALL, kept.system_identifier, step.database, step.tables, SAFETY),
        number=max((each.number for each in kept.entries), default=0) + 1,
        started=now,
        stopped=now,
        bytes=0,
        stored_bytes=0,
        place=step.place,
        lsn_start=None,
        lsn_stop=None,
        timeline=None,
        restorable_from=now,
        restorable_to=now,
        verified=Verified("checksum", now),
    )


def _line(entry: Entry) -> str:
    return "a new safety backup" if entry.id == _NEW else f"safety backup {entry.id}"


class Later(Problem):
    """What was restored is restored all the same; what could not be removed is for the next run."""


def expire(step: Expire) -> None:
    directory = Path(step.place)
    try:
        with place.alone(directory, readable_of(step.database), f"database {step.database}"):
            place.remove_backup(directory / step.id)
    except Problem as error:
        raise Later(f"Could not {step.sentence}, which is for the next run: {error.sentence}") from error


def refuse_while_another_backs_up(plan: Plan) -> None:
    """Found out before anybody is kept out, since the safety backup would find it out then."""
    for step in plan.changes:
        if isinstance(step, SafetyBackup) and place.holder(Path(step.place), readable_of(step.database)):
            raise Refused(
                f"A backup of database {step.database} is being taken in {step.place}, where the one before "
                "the restore is to go: wait for its end, or give another safety_repository."
            )
