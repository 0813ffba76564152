# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether an instance is to be made, finished, started or let alone: decided from what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._debian import AUTO
from ansible_collections.runbook.postgres.plugins.module_utils._instance.observe import Instance


class Step(Enum):
    """What is done, in the order in which it is."""

    CLEAR = "remove what an interrupted run left of"
    FINISH = "finish"
    CREATE = "create"
    START = "start"
    STOP = "stop"


@dataclass(frozen=True)
class Deed:
    step: Step
    title: str

    @property
    def sentence(self) -> str:
        return f"{self.step.value} instance {self.title}"


@dataclass(frozen=True)
class Wish:
    """The instance as the options describe it."""

    version: int
    name: str
    # None: wherever it is, and where Debian puts it if it is to be made.
    data_directory: Path | None
    wal_directory: Path | None
    port: int
    checksums: bool
    encoding: str
    locale: str
    # None: as it is.
    started: bool | None
    seconds: float

    def lines(self, data_directory: Path, running: str) -> list[str]:
        told: dict[str, Any] = {
            "instance": f"{self.version}/{self.name}",
            "data_directory": data_directory,
            "wal_directory": self.wal_directory or f"{data_directory}/pg_wal",
            "port": self.port,
            "checksums": str(self.checksums).lower(),
            "encoding": self.encoding,
            "locale": self.locale,
            "server": running,
        }
        return [f"{name}: {value}" for name, value in told.items()]


@dataclass(frozen=True)
class Mark:
    """What a run leaves for the next one while it makes an instance; directories in it were empty."""

    data_directory: str
    wal_directory: str | None
    log_bytes: int


@dataclass(frozen=True)
class Traits:
    """What was settled when the instance was made; None where it cannot be told now."""

    checksums: bool | None = None
    encoding: str | None = None
    locale: str | None = None
    # Where its WAL really is.
    wal_directory: Path | None = None


@dataclass(frozen=True)
class Found:
    instance: Instance
    # Names in these directories; None where there is no directory.
    data: Sequence[str] | None
    wal: Sequence[str] | None
    pg_version: str | None
    installed: bool
    mark: Mark | None = None
    log_bytes: int = 0
    # A sentence about a disk that is missing where the data are to go.
    unmounted: str | None = None
    traits: Traits = field(default_factory=Traits)

    @property
    def exists(self) -> bool:
        return self.instance.configuration is not None and self.mark is None

    @property
    def finished(self) -> bool:
        """The last thing in the making is that it starts at boot."""
        return self.instance.configuration is not None and self.instance.start == AUTO


def plan(wish: Wish, found: Found, *, check_mode: bool) -> Plan:
    refusal = _refusal(wish, found, check_mode=check_mode)
    if refusal is not None:
        return Plan(refusals=(refusal,))
    deeds = [Deed(step, found.instance.title) for step in (*_making(found), *_running(wish, found))]
    made = any(deed.step is Step.CREATE for deed in deeds)
    before, after = _states(wish, found, made=made) if deeds else ([], [])
    warnings = () if made else tuple(_warnings(wish, found))
    return Plan(tuple(deeds), warnings=warnings, before=before, after=after)


def _states(wish: Wish, found: Found, *, made: bool) -> tuple[list[str], list[str]]:
    """The instance as it is and as it will be, as lines for the diff."""
    now = "running" if found.instance.server is not None else "stopped"
    then = {True: "running", False: "stopped", None: now}[wish.started]
    if made:
        return [], wish.lines(found.instance.data_directory, then)
    title = f"instance: {found.instance.title}"
    unfinished = [] if found.mark is None else ["unfinished: true"]
    return [title, *unfinished, f"server: {now}"], [title, f"server: {then}"]


def _making(found: Found) -> list[Step]:
    if found.exists:
        return []
    if found.mark is None:
        return [Step.CREATE]
    return [Step.FINISH] if found.finished else [Step.CLEAR, Step.CREATE]


def _running(wish: Wish, found: Found) -> list[Step]:
    running = found.instance.server is not None
    if wish.started is None or wish.started == running:
        return []
    return [Step.START if wish.started else Step.STOP]


def _refusal(wish: Wish, found: Found, *, check_mode: bool) -> str | None:
    """The sentence that ends it before anything is done."""
    if found.exists:
        return _unfit_existing(wish, found)
    if found.mark is not None:
        return _unfit_leftover(wish, found)
    if not found.installed and not check_mode:
        return (
            f"PostgreSQL {wish.version} is not installed on this host, so that instance {found.instance.title} cannot "
            f"be made: install package postgresql-{wish.version} first."
        )
    return _unfit_place(wish, found)


def _unfit_existing(wish: Wish, found: Found) -> str | None:
    instance = found.instance
    where = instance.data_directory
    if wish.data_directory is not None and wish.data_directory != where:
        return (
            f"Instance {instance.title} has its data in {where}, not in {wish.data_directory}: name the place where it "
            "is, data are not moved."
        )
    if found.pg_version is None:
        return (
            f"Instance {instance.title} has its configuration in {instance.directory} and no data in {where}: mount "
            f"or restore the data, or remove the rest with pg_dropcluster {instance.version} {instance.name}."
        )
    if found.pg_version != str(wish.version):
        return (
            f"{where} holds data of PostgreSQL {found.pg_version}, and its configuration is of {instance.title}: find "
            "out which is right, nothing was changed."
        )
    if wish.started and instance.server is None and instance.start != AUTO:
        return (
            f"Instance {instance.title} is stopped and {instance.directory}/start.conf says {instance.start}: somebody "
            f"keeps it from starting; if it may start, write {AUTO} there."
        )
    return None


def _unfit_place(wish: Wish, found: Found) -> str | None:
    where = found.instance.data_directory
    if found.unmounted is not None:
        return found.unmounted
    if found.pg_version is not None:
        return (
            f"{where} holds data of PostgreSQL {found.pg_version} that no instance of this host claims: if they are "
            f"yours, register them with pg_createcluster -d {where} {wish.version} {wish.name}, else move them away."
        )
    for directory, names in ((where, found.data), (wish.wal_directory, found.wal)):
        if names:
            return (
                f"{directory} is not empty, there is {names[0]} in it: name an empty directory (below a mount point, "
                "not the mount point itself), or move its content away."
            )
    return None


def _unfit_leftover(wish: Wish, found: Found) -> str | None:
    """What an interrupted run left is removed only when it is nothing else by now."""
    mark = found.mark
    if mark is None or found.finished:
        return None
    title = found.instance.title
    wanted = (str(wish.data_directory or found.instance.data_directory), _text(wish.wal_directory))
    if (mark.data_directory, mark.wal_directory) != wanted:
        return (
            f"An interrupted run left half of instance {title} with data in {mark.data_directory}, and now they are to "
            f"be in {wanted[0]}: run once more with the old place, or remove what is left with pg_dropcluster."
        )
    if found.instance.server is not None or found.log_bytes != mark.log_bytes:
        return (
            f"An interrupted run left instance {title} unfinished, and somebody has started it since: look what is in "
            f"it, and write {AUTO} into {found.instance.directory}/start.conf if it is to stay."
        )
    return None


def _warnings(wish: Wish, found: Found) -> list[str]:
    """What differs from the wish and was settled when the instance was made."""
    title, traits = found.instance.title, found.traits
    told = []
    if wish.checksums and traits.checksums is False:
        told.append(
            f"Instance {title} has no data checksums: switch them on with pg_checksums --enable while it is stopped."
        )
    settled = (("encoding", traits.encoding, wish.encoding), ("locale", traits.locale, wish.locale))
    told += [
        f"Instance {title} was made with {what} {is_}, not {wanted}, which cannot be changed: dump and restore into a "
        "new one, or say so in the inventory."
        for what, is_, wanted in settled
        if is_ is not None and _normal(is_) != _normal(wanted)
    ]
    if wish.wal_directory is not None and traits.wal_directory not in (None, wish.wal_directory):
        told.append(
            f"Instance {title} keeps its WAL in {traits.wal_directory}, not in {wish.wal_directory}: move it while the "
            "server is stopped, or say so in the inventory."
        )
    if found.exists and found.instance.start != AUTO:
        told.append(f"Instance {title} does not start at boot: {found.instance.directory}/start.conf says so.")
    return told


def _normal(name: str) -> str:
    """Encodings and locales by what they mean: C.UTF-8 is C.utf8, and C is POSIX."""
    plain = name.lower().replace("-", "").replace("_", "")
    return "c" if plain == "posix" else plain


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
