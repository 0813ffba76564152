# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What stands beside an archive: everything that is needed to judge it and to make the partition again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Protocol

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused

# Of this file's layout; a reader refuses a later one, since it may mean something else.
LAYOUT = 1

# Whether the content was read back from the file, or, where only recipients can decrypt it, the file's own hash;
# then the content's was taken while it was written.
CONTENT, FILE = "content", "file"


class Content(Protocol):
    """What a file is verified by."""

    @property
    def rows(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def sha256(self) -> str: ...
    @property
    def compression(self) -> str: ...
    @property
    def file_bytes(self) -> int: ...
    @property
    def file_sha256(self) -> str: ...
    @property
    def verified(self) -> str: ...


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    not_null: bool
    default: str | None
    generated: bool
    identity: bool


@dataclass(frozen=True)
class Manifest:
    file: str
    # Where the rows were.
    system_identifier: str | None
    database: str
    table_schema: str
    table: str
    partition_schema: str
    partition: str
    bound: str
    kind: str
    comment: str | None
    # What they are.
    rows: int
    bytes: int
    sha256: str
    columns: tuple[Column, ...]
    # For a person who makes the table by hand; it is never run from here.
    ddl: tuple[str, ...]
    # How they are kept.
    format: str
    compression: str
    recipients: tuple[str, ...]
    encoding: str
    file_bytes: int
    file_sha256: str
    verified: str
    # By what, and when.
    server_version: str
    programs: Mapping[str, str]
    started: str
    finished: str

    @property
    def title(self) -> str:
        return f"{self.table_schema}.{self.table}"

    def to_json(self) -> str:
        return json.dumps({"manifest": LAYOUT, **asdict(self)}, indent=2, ensure_ascii=False) + "\n"


def parse(text: str, place: Path) -> Manifest:
    """A manifest as it was written, or the reason why it is not believed."""
    try:
        told = json.loads(text)
    except ValueError as error:
        raise Refused(f"{place} is no manifest: it is not JSON ({error}).") from error
    if not isinstance(told, dict) or not isinstance(told.get("manifest"), int):
        raise Refused(f"{place} is no manifest of an archived partition.")
    if told["manifest"] > LAYOUT:
        raise Refused(
            f"{place} was written by a later version (layout {told['manifest']}, this one reads up to {LAYOUT}): "
            "upgrade the collection."
        )
    if told.get("of") == "rows":
        raise Refused(
            f"{place} tells of rows of a plain table: they go back by the statement in it, not as a partition."
        )
    missing = [each.name for each in fields(Manifest) if each.name not in told]
    if missing:
        raise Refused(f"{place} is no whole manifest: {', '.join(missing)} is missing.")
    given = {each.name: told[each.name] for each in fields(Manifest)}
    try:
        columns = tuple(Column(**each) for each in given["columns"])
        numbers = {name: int(given[name]) for name in ("rows", "bytes", "file_bytes")}
    except (TypeError, ValueError) as error:
        raise Refused(f"{place} is no whole manifest: its columns or numbers are not understood.") from error
    return Manifest(
        **{
            **given,
            **numbers,
            "columns": columns,
            "ddl": tuple(given["ddl"]),
            "recipients": tuple(given["recipients"]),
        }
    )


def read(path: Path) -> Manifest:
    try:
        return parse(path.read_text(encoding="utf-8"), path)
    except OSError as error:
        raise Refused(
            f"The manifest {path} cannot be read: {error.strerror}; it belongs beside its archive."
        ) from error
    except UnicodeDecodeError as error:
        raise Refused(f"{path} is no manifest: it is not UTF-8 text.") from error
