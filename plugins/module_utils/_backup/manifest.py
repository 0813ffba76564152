# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What stands in a logical backup beside its dump: all that is needed to judge it and to make the database again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup.properties import Properties
from ansible_collections.runbook.postgres.plugins.module_utils._backup.properties import parse as parse_properties
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused

NAME = "manifest.json"

# Of this file's layout; a reader refuses a later one, since it may mean something else.
LAYOUT = 1

ALL, SCHEMA, DATA = "all", "schema", "data"
DIRECTORY, CUSTOM, PLAIN = "directory", "custom", "plain"
# The label of what a restore backs up before it replaces it, and which is never taken for the latest one.
SAFETY = "safety"


@dataclass(frozen=True)
class Stored:
    """One file by its path below the backup's directory."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Rows:
    schema: str
    table: str
    rows: int


@dataclass(frozen=True)
class Extension:
    name: str
    version: str
    schema: str


@dataclass(frozen=True)
class Origin:
    """The database as it was, with what a new one needs to be able to take it."""

    database: str
    owner: str
    encoding: str
    collation: str
    ctype: str
    # libc, icu or builtin, and the locale of one that is not libc's.
    provider: str
    locale: str | None
    tablespace: str
    bytes: int
    # Those that something in it lies in, its own among them; pg_default is not told.
    tablespaces: tuple[str, ...]
    extensions: tuple[Extension, ...]
    # Roles that own something in it or may do something with it, so that they can be looked for before a restore.
    roles: tuple[str, ...]
    system_identifier: str | None
    server_version: str
    major: int
    timeline: int | None
    # The dump holds what was committed when this was the end of the WAL, give or take what was then under way.
    lsn: str | None
    standby: bool
    # Who may connect, its settings, its comment; None in a manifest that does not tell.
    properties: Properties | None = None


@dataclass(frozen=True)
class Manifest:
    id: str
    # One more than the highest that the repository held of this database: clocks are set back, this is not.
    number: int
    # The user's own word for a series with a retention of its own, such as weekly.
    label: str
    # What was asked for.
    content: str
    tables: tuple[str, ...]
    format: str
    compression: str
    level: int | None
    recipients: tuple[str, ...]
    jobs: int
    # As pg_dump was given them, without those that say where the server is.
    options: tuple[str, ...]
    origin: Origin
    # The paths below the backup's directory: the dump, a file or for format directory a directory, and the roles.
    dump: str
    globals: str | None
    # What has to be taken off the dump's file, after its encryption, before pg_restore or psql can read it. With
    # format directory and where pg_dump packs a custom archive by itself it is none.
    wrapped: str
    files: tuple[Stored, ...]
    # What those files hold that are not as pg_dump wrote them, by the same paths: hashed on the way.
    streams: tuple[Stored, ...]
    # Counted in the dump's own snapshot; None where that was not asked for.
    rows: tuple[Rows, ...] | None
    started: str
    finished: str
    tools: Mapping[str, str]

    @property
    def stored_bytes(self) -> int:
        return sum(each.bytes for each in self.files)

    @property
    def encrypted(self) -> bool:
        return bool(self.recipients)

    def to_json(self) -> str:
        told: dict[str, Any] = {"manifest": LAYOUT, "of": "logical backup", **asdict(self)}
        # Over everything above it: a manifest that was edited, or that a disk altered, is not believed.
        return json.dumps({**told, "seal": seal(told)}, indent=2, ensure_ascii=False) + "\n"


def seal(told: Mapping[str, Any]) -> str:
    """The hash of all the rest."""
    rest = {name: value for name, value in told.items() if name != "seal"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def parse(text: str, place: Path) -> Manifest:
    """A manifest as it was written, or the reason why it is not believed."""
    try:
        told = json.loads(text)
    except ValueError as error:
        raise Refused(f"{place} is no manifest: it is not JSON ({error}).") from error
    if not isinstance(told, dict) or not isinstance(told.get("manifest"), int) or told.get("of") != "logical backup":
        raise Refused(f"{place} is no manifest of a logical backup.")
    if told["manifest"] > LAYOUT:
        raise Refused(
            f"{place} was written by a later version (layout {told['manifest']}, this one reads up to {LAYOUT}): "
            "upgrade the collection."
        )
    if told.get("seal") != seal(told):
        raise Refused(
            f"{place} is not as it was written, its own hash does not fit: it was edited or damaged, "
            "so that nothing it says can be relied on; use another backup or a copy of this one."
        )
    try:
        return _manifest(told)
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(f"{place} is no whole manifest: {error} is missing or not understood.") from error


def _manifest(told: Mapping[str, Any]) -> Manifest:
    origin = dict(_known(Origin, {"properties": None, **told["origin"]}))
    if origin["properties"] is not None:
        origin["properties"] = parse_properties(origin["properties"])
    origin["extensions"] = tuple(Extension(**each) for each in origin["extensions"])
    given = dict(_known(Manifest, told))
    given["origin"] = Origin(**_tupled(origin))
    given["files"] = tuple(Stored(**each) for each in given["files"])
    given["streams"] = tuple(Stored(**each) for each in given["streams"])
    given["rows"] = None if given["rows"] is None else tuple(Rows(**each) for each in given["rows"])
    return Manifest(**_tupled(given))


def _known(kind: type[Any], told: Mapping[str, Any]) -> Mapping[str, Any]:
    return {each.name: told[each.name] for each in fields(kind)}


def _tupled(told: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has lists only."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}


def read(directory: Path) -> Manifest:
    """The manifest in a backup's directory."""
    path = directory / NAME
    try:
        return parse(path.read_text(encoding="utf-8"), path)
    except OSError as error:
        raise Refused(f"The manifest {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise Refused(f"{path} is no manifest: it is not UTF-8 text.") from error
