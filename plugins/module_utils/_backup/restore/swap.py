# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Two databases change names in one transaction: at no moment, and after no kill, is there none of that name."""

from __future__ import annotations

from dataclasses import dataclass
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
    """`before` is the target as it was found; the journal says that it is closed, and is what opens it on a failure."""
    databases = Databases(session)
    # The restored one as well: an agent that looks into every database is in the way of its new name.
    names = [step.database] if before is None else [step.target, step.database]
    with session.transaction():
        # Written down first, and with it: whoever finds the target closed knows why and how to go on.
        databases.note(step.database, journal)
        for name in names:
            databases.allow(name, False)
    databases.end_sessions(*names)
    with session.transaction():
        if before is not None:
            _aside(databases, step, journal, before, words)
        databases.rename(step.database, step.target)
        databases.allow(step.target, True)
        databases.limit(step.target, words.limit)
        databases.comment(step.target, marks.restored(words.comment, journal.backup, words.now))


def _aside(databases: Databases, step: Swap, journal: marks.Journal, before: Database, words: Words) -> None:
    kept = str(step.kept)
    databases.rename(step.target, kept)
    databases.comment(kept, marks.kept(before.comment, step.target, journal.backup, words.now))
    if journal.limit is not None:
        databases.limit(kept, journal.limit)
    databases.allow(kept, True)
