# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Two databases change names in one transaction: at no moment, and after no kill, is there none of that name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore import marks
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.databases import Databases
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.plan import Swap
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.scene import Database
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session


@dataclass(frozen=True)
class Words:
    """What the database is to be called beside our note, and how many may connect to it."""

    limit: int
    comment: str | None
    now: datetime


def swap(session: Session, step: Swap, journal: marks.Journal, before: Database | None, words: Words) -> None:
    """`before` is the target as it was found."""
    databases = Databases(session)
    if before is None:
        databases.end_sessions(step.database)
        with session.transaction():
            databases.rename(step.database, step.target)
            databases.limit(step.target, words.limit)
            databases.comment(step.target, marks.restored(words.comment, journal.backup, words.now))
        return
    with session.transaction():
        # Written down first, and with it: whoever finds the target closed knows why and how to go on.
        databases.note(step.database, replace(journal, closed=True))
        databases.allow(step.target, False)
    try:
        databases.end_sessions(step.target, step.database)
        _rename(session, step, journal, before, words)
    except BaseException:
        _open_again(session, step, journal)
        raise


def _rename(session: Session, step: Swap, journal: marks.Journal, before: Database, words: Words) -> None:
    databases = Databases(session)
    kept = str(step.kept)
    with session.transaction():
        databases.rename(step.target, kept)
        databases.rename(step.database, step.target)
        databases.limit(step.target, words.limit)
        databases.comment(step.target, marks.restored(words.comment, journal.backup, words.now))
        databases.comment(kept, marks.kept(before.comment, step.target, journal.backup, words.now))
        if journal.limit is not None:
            databases.limit(kept, journal.limit)
        databases.allow(kept, True)


def _open_again(session: Session, step: Swap, journal: marks.Journal) -> None:
    databases = Databases(session)
    with session.transaction():
        databases.allow(step.target, True)
        databases.note(step.database, journal)
