# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What logical backups are called: <database>-<content>-<time>-<random>."""

from __future__ import annotations

import re
from datetime import datetime, timezone

# Hidden directories are under way, left over or on their way out.
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*-\d{8}T\d{6}Z-[0-9a-f]{6}")


def is_id(name: str) -> bool:
    return _ID.fullmatch(name) is not None


def ids_of(readable: str) -> str:
    """A pattern for those of one database, and of none whose name begins alike."""
    return rf"{re.escape(readable)}-[a-z]+-\d{{8}}T\d{{6}}Z-[0-9a-f]{{6}}"


def is_of(name: str, readable: str) -> bool:
    return re.fullmatch(ids_of(readable), name) is not None


def new_id(database: str, content: str, now: datetime, random: str) -> str:
    """Reads well, sorts by time, and is safe in any file system whatever the database is called."""
    return f"{readable(database)}-{content}-{now.strftime('%Y%m%dT%H%M%SZ')}-{random}"


def taken_at(name: str) -> datetime:
    """As it says itself."""
    return datetime.strptime(name.rsplit("-", 2)[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)


def readable(database: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", database).strip("-")[:80] or "database"


def follows(name: str, other: str) -> bool:
    """Whether it was not taken before the other, by their names, and is of the same database and content."""
    (kind, taken), (its_kind, since) = name.rsplit("-", 2)[:2], other.rsplit("-", 2)[:2]
    return kind == its_kind and taken >= since
