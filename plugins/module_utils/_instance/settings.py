# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What becomes of a file of settings: compared as the server compares, and what a restart will have to do.

No file, server or clock here: the caller says what there is, and how the
server reads a value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._files import File, FileChange, changed
from ansible_collections.runbook.postgres.plugins.module_utils._instance.configuration import (
    parsed,
    quoted,
    rendered,
    without_passwords,
)

AUTO_FILE = "postgresql.auto.conf"

# How the server reads a value: its own spelling of it; refuses one that it would not take.
Reading = Callable[[str, str], str]


@dataclass(frozen=True)
class Live:
    """A setting of the server that runs."""

    setting: str
    # When it may change: "postmaster" is at a restart only.
    context: str
    source: str = "default"


@dataclass(frozen=True)
class FileEntry:
    """One line of one file as the server reads them now."""

    file: str
    line: int
    name: str
    value: str
    error: str | None = None


@dataclass(frozen=True)
class Running:
    """What the server says of itself."""

    live: Mapping[str, Live]
    files: Sequence[FileEntry]
    pending: tuple[str, ...]
    # The file is newer than what the server has loaded: an earlier run was interrupted.
    stale: bool = False


@dataclass(frozen=True)
class SettingsPlan:
    """What is to be done about one file of settings and what overrides it."""

    wanted: File
    before: File | None
    rewrite: bool
    # Lines of postgresql.auto.conf that would count more than ours.
    resets: Mapping[str, str]
    # Settings whose value counts from now on, or does not any more.
    touched: tuple[str, ...]
    reload: bool
    pending: tuple[str, ...]

    @property
    def changed(self) -> bool:
        return self.rewrite or bool(self.resets) or self.reload

    @property
    def change(self) -> FileChange:
        return FileChange(self.before, self.wanted)

    def diff(self) -> list[dict[str, Any]]:
        told = []
        if self.rewrite:
            for each in self.change.diff():
                texts = {side: each[side] for side in ("before", "after") if isinstance(each[side], str)}
                told.append({**each, **{side: without_passwords(text) for side, text in texts.items()}})
        if self.resets:
            lines = "".join(f"{name} = {quoted(value)}\n" for name, value in self.resets.items())
            told.append(_told(AUTO_FILE, without_passwords(lines), ""))
        if self.reload and not told:
            told.append(_told("the running server", f"{self.wanted.path} is not loaded\n", "it is loaded\n"))
        return told


def _told(header: str, before: str, after: str) -> dict[str, Any]:
    return {"before_header": header, "after_header": header, "before": before, "after": after}


def plan(
    wanted: File,
    settings: Mapping[str, str],
    found: File | None,
    overrides: Mapping[str, str],
    running: Running | None,
    reading: Reading | None,
) -> SettingsPlan:
    """`reading` is None on a host that has no PostgreSQL yet; `overrides` are those of postgresql.auto.conf."""
    old = _entries(found)
    differing = _differing(settings, old, reading)
    rewrite = _attributes_differ(wanted, found) or bool(differing) or _has_doubles(found)
    resets = {name: overrides[name] for name in sorted(overrides) if name in settings}
    touched = tuple(sorted({*differing, *resets}))
    pending: tuple[str, ...] = ()
    if running is not None:
        pending = foreseen_restarts(running, settings, touched, wanted.path, reading)
    reload = running is not None and (rewrite or bool(resets) or running.stale)
    return SettingsPlan(wanted, found, rewrite, resets, touched, reload, pending)


def wanted_file(path: Path, settings: Mapping[str, str]) -> File:
    # Whoever may read settings may read connection strings.
    return File(path, rendered(settings).encode("utf-8", "surrogateescape"), "postgres", "postgres", 0o640)


def _entries(found: File | None) -> dict[str, str]:
    return {entry.name: entry.value for entry in parsed(_decoded(found))}


def _decoded(found: File | None) -> str:
    return "" if found is None else found.content.decode("utf-8", "surrogateescape")


def _has_doubles(found: File | None) -> bool:
    names = [entry.name for entry in parsed(_decoded(found))]
    return len(set(names)) != len(names)


def _attributes_differ(wanted: File, found: File | None) -> bool:
    """Also where there are lines that are neither settings nor remarks: nobody can say what they are for."""
    if found is None or found.link is not None:
        return True
    lines = [line.strip() for line in _decoded(found).split("\n")]
    known = {entry.line for entry in parsed(_decoded(found))}
    strange = [line for number, line in enumerate(lines, 1) if line and line[0] != "#" and number not in known]
    return bool(strange) or changed(wanted, File(**{**vars(found), "content": wanted.content})) is not None


def _differing(settings: Mapping[str, str], old: Mapping[str, str], reading: Reading | None) -> set[str]:
    """Names that came, went, or mean something else now."""
    both = settings.keys() & old.keys()
    different = {name for name in both if not _same(name, settings[name], old[name], reading)}
    return (settings.keys() ^ old.keys()) | different


def _same(name: str, one: str, other: str, reading: Reading | None) -> bool:
    if one == other or reading is None:
        return one == other
    try:
        before = reading(name, other)
    except Refused:
        # Somebody wrote what the server would not take.
        return False
    return reading(name, one) == before


def foreseen_restarts(
    running: Running,
    settings: Mapping[str, str],
    touched: Sequence[str],
    path: Path,
    reading: Reading | None,
) -> tuple[str, ...]:
    """The settings that will wait for a restart, by what the server says of them now."""
    waiting = set(running.pending)
    for name in touched:
        live = running.live.get(name)
        if live is None or live.context != "postmaster":
            continue
        value = _effective(running, settings, name, path)
        if value is None:
            # Back to its default. The server notes that as something for a restart if it runs with a file's value, and
            # goes on noting it of one that no file sets any more and that never came to count.
            differs = name in waiting or live.source == "configuration file"
        else:
            differs = (reading(name, value) if reading else value) != live.setting
        waiting.discard(name)
        if differs:
            waiting.add(name)
    return tuple(sorted(waiting))


def _effective(running: Running, settings: Mapping[str, str], name: str, path: Path) -> str | None:
    """What the files will say of it, the last one counting; ours, where we set it, since overrides go."""
    if name in settings:
        return settings[name]
    others = [entry.value for entry in running.files if entry.name == name and entry.file != str(path)]
    return others[-1] if others else None


def overridden(running: Running, settings: Mapping[str, str], path: Path) -> list[str]:
    """Sentences about lines that count more than ours, in files that are not ours to change."""
    ours = [number for number, entry in enumerate(running.files) if entry.file == str(path)]
    last = ours[-1] if ours else len(running.files)
    return [
        f"{entry.name} is set again in {entry.file} line {entry.line}, which counts more than {path}: remove it there."
        for entry in running.files[last + 1 :]
        if entry.name in settings and Path(entry.file).name != AUTO_FILE
    ]


def rejected(running: Running, path: Path) -> tuple[list[str], list[str]]:
    """What the server will not take: of our file, and of others."""
    ours: list[str] = []
    others: list[str] = []
    for entry in running.files:
        live = running.live.get(entry.name)
        late = entry.name in running.pending or (live is not None and live.context == "postmaster")
        # Of a setting that waits for a restart the server says that it could not be applied.
        waits = late and entry.error == "setting could not be applied"
        if entry.error and not waits:
            where = f"{entry.file} line {entry.line}: {entry.name or 'it'}: {entry.error}"
            (ours if entry.file == str(path) else others).append(where)
    return ours, others


def refuse_what_cannot_start(settings: Mapping[str, str], reading: Reading | None) -> None:
    """Values that the server takes one by one and refuses together, at its next start."""

    def number(name: str) -> int | None:
        if name not in settings:
            return None
        text = reading(name, settings[name]) if reading else settings[name]
        return int(text) if text.isdigit() else None

    connections = number("max_connections")
    kept = (number("superuser_reserved_connections") or 3) + (number("reserved_connections") or 0)
    if connections is not None and connections <= kept:
        raise Refused(
            f"max_connections is {connections} and {kept} are reserved, so that the server would not start again: "
            "raise it."
        )
    if settings.get("wal_level", "").lower() == "minimal":
        for name in ("max_wal_senders", "archive_mode"):
            if settings.get(name, "off" if name == "archive_mode" else "10").lower() not in ("0", "off", "false", "no"):
                raise Refused(f"wal_level is minimal and {name} is not off, so that the server would not start again.")
