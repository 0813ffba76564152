# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One file of rows and its manifest: how they are numbered, and what an interrupted run can have left of them.

The manifest is written before the file has its name, and both before the rows
are deleted. It names the transaction that deletes them, so that afterwards the
server itself says whether it did. One batch is under way at a time: only the
last part can be one whose end nobody knows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.manifest import LAYOUT, Column
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.store import (
    MANIFEST_ENDING,
    Store,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import MICROSECONDS, TIMESTAMP, printed
from ansible_collections.runbook.postgres.plugins.module_utils._stream.placing import PARTIAL_ENDING

# What became of the rows, as their manifest says it.
PENDING, DELETED, UNKNOWN = "pending", "deleted", "unknown"

# What is done about a part that is pending.
CONFIRM, DISCARD, KEEP, WAIT = "confirm", "discard", "keep", "wait"


@dataclass(frozen=True)
class Part:
    """What stands beside a file of rows."""

    file: str
    # pending until the server said that the deleting transaction was committed.
    state: str
    transaction: str
    # One row of it: where it was, and the transaction that wrote it.
    place: str
    writer: str
    system_identifier: str | None
    database: str
    table_schema: str
    table: str
    column: str
    cutoff: str
    where: str | None
    # Of the column, to find the file that a row is in.
    lowest: str
    highest: str
    rows: int
    bytes: int
    sha256: str
    columns: tuple[Column, ...]
    # For a person: what makes such a table again, and what reads the rows into it.
    ddl: tuple[str, ...]
    copy: str
    format: str
    compression: str
    recipients: tuple[str, ...]
    encoding: str
    file_bytes: int
    file_sha256: str
    verified: str
    offsite: str | None
    server_version: str
    programs: Mapping[str, str]
    started: str
    finished: str

    def to_json(self) -> str:
        return json.dumps({"manifest": LAYOUT, "of": "rows", **asdict(self)}, indent=2, ensure_ascii=False) + "\n"


def read(path: Path) -> Part:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if told["manifest"] > LAYOUT or told["of"] != "rows":
            raise Refused(f"{path} was written by a later version of this collection: upgrade it.")
        given = {each.name: told[each.name] for each in fields(Part)}
        columns = tuple(Column(**each) for each in given["columns"])
        tuples = {name: tuple(given[name]) for name in ("ddl", "recipients")}
    except OSError as error:
        raise Refused(f"The manifest {path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(
            f"{path} is no whole manifest, and the rows of its file may be in the table as well: "
            "move both elsewhere and compare them by hand."
        ) from error
    return Part(**{**given, **tuples, "columns": columns})


@dataclass(frozen=True, order=True)
class Serial:
    """When a run began, by the server's clock, and which of its files. No name is ever given again, also where
    files are moved away: somebody may gather them all in one place."""

    stamp: str
    number: int

    def plus(self, files: int) -> Serial:
        return Serial(self.stamp, self.number + files)


def first_after(last: Serial | None, now: int) -> Serial:
    """The first of a run: beyond all that are there, though the clock be set back."""
    stamp = printed(TIMESTAMP, now - now % MICROSECONDS).replace("-", "").replace(":", "").replace(" ", "T") + "Z"
    return Serial(stamp, 1) if last is None or stamp > last.stamp else last.plus(1)


def file_of(store: Store, stem: str, serial: Serial) -> Path:
    return store.destination / f"{stem}-{serial.stamp}-{serial.number:06d}{store.ending}"


def _pattern(stem: str) -> re.Pattern[str]:
    """The names that parts of this table have or had, whatever their format."""
    endings = rf"(?P<ending>\.(?:csv|pgcopy)(?:\.gz|\.zst)?(?:\.age)?)(?P<manifest>{re.escape(MANIFEST_ENDING)})?"
    return re.compile(rf"{re.escape(stem)}-(?P<stamp>\d{{8}}T\d{{6}}Z)-(?P<number>\d{{6,}}){endings}")


def last_of(names: Iterable[str], stem: str) -> tuple[Serial | None, str | None]:
    """The last serial given so far, and the manifest that has it."""
    pattern = _pattern(stem)
    found = [
        (Serial(match["stamp"], int(match["number"])), match["manifest"] is not None, name)
        for name in names
        if (match := pattern.fullmatch(name))
    ]
    if not found:
        return None, None
    last = max(found)
    return last[0], last[2] if last[1] else None


def partials_of(names: Iterable[str], stem: str) -> list[str]:
    """What a killed run had not finished writing; nobody takes it for an archive."""
    pattern = _pattern(stem)
    return [
        name
        for name in names
        if name.startswith(".") and name.endswith(PARTIAL_ENDING) and pattern.fullmatch(name[1 : -len(PARTIAL_ENDING)])
    ]


def verdict(status: str | None, *, there: bool, identified: bool) -> str:
    """What a pending part is worth, from what the server says of its transaction.

    there: the one row that is known by its place is still there, as it was.
    identified: it is certain that the part is of this cluster.
    A file is discarded only when its rows are surely in the table; whenever that is not known it is kept.
    """
    if there:
        # Also of a transaction that seems committed: after a crash its number may have been given again.
        return WAIT if status == "in progress" else DISCARD
    if status == "committed":
        return CONFIRM
    if status == "in progress":
        return WAIT
    if status in ("aborted", "future") and identified:
        return DISCARD
    return KEEP
