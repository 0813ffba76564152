# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From what was found on both sides to the steps between: pure, without a connection or a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._history import position
from ansible_collections.runbook.postgres.plugins.module_utils._standby.local import Data, Host
from ansible_collections.runbook.postgres.plugins.module_utils._standby.place import Place
from ansible_collections.runbook.postgres.plugins.module_utils._standby.upstream import Upstream

# WAL that arrives while the copy is made, and what every instance writes for itself.
SPARE_BYTES = 64 << 20


@dataclass(frozen=True)
class Wanted:
    """The state that was asked for."""

    version: int
    instance: str
    place: Place
    upstream: str
    slot: str | None = None
    system_identifier: str | None = None
    rebuild: bool = False
    # Where the upstream's WAL begins, where the caller knows.
    wal_from: str | None = None
    # Of the upstream's data, where the caller knows.
    bytes: int | None = None
    # To name what is moved aside.
    stamp: str = ""

    @property
    def title(self) -> str:
        return f"{self.version}/{self.instance}"


@dataclass(frozen=True)
class RemoveLeftovers:
    paths: tuple[str, ...]

    @property
    def sentence(self) -> str:
        return f"remove what a run that was ended left in {' and '.join(self.paths)}"


@dataclass(frozen=True)
class Stop:
    unit_of: str

    @property
    def sentence(self) -> str:
        return f"stop instance {self.unit_of}"


@dataclass(frozen=True)
class MoveAside:
    data: str
    to: str

    @property
    def sentence(self) -> str:
        return f"move {self.data} to {self.to}"


@dataclass(frozen=True)
class Clone:
    upstream: str
    to: str
    slot: str | None

    @property
    def sentence(self) -> str:
        by = f" with slot {self.slot}" if self.slot else ""
        return f"clone {self.upstream} into {self.to}{by}"


@dataclass(frozen=True)
class Register:
    title: str

    @property
    def sentence(self) -> str:
        return f"register instance {self.title} for Debian's tools"


def plan_standby(wanted: Wanted, host: Host, upstream: Upstream | None) -> Plan:
    """The steps, or why there can be none. `upstream` is None where it was not asked or did not answer."""
    refusals = [*refusals_of_upstream(wanted, upstream), *refusals_of_registration(wanted, host)]
    fault = None if host.data is None else _fault(wanted, host, host.data, upstream)
    clones = host.data is None or fault is not None
    if fault is not None:
        refusals += _refusals_of_rebuild(wanted, host, fault)
    if clones:
        refusals += _refusals_of_place(wanted, host)
    if refusals:
        return Plan(refusals=tuple(refusals))
    changes = tuple(_changes(wanted, host, rebuilds=fault is not None, clones=clones))
    before = _told(host, wanted)
    after = [f"{wanted.place.data}: standby of the cluster"] if changes else before
    return Plan(changes, before=before, after=after)


def _changes(wanted: Wanted, host: Host, *, rebuilds: bool, clones: bool) -> Iterator[object]:
    if host.leftovers:
        yield RemoveLeftovers(host.leftovers)
    if rebuilds:
        if host.server is not None:
            yield Stop(wanted.title)
        yield MoveAside(str(wanted.place.data), str(wanted.place.aside(wanted.stamp)))
    if clones:
        yield Clone(wanted.upstream, str(wanted.place.data), wanted.slot)
    if host.registered is None or not host.registered.finished:
        yield Register(wanted.title)


def _told(host: Host, wanted: Wanted) -> list[str]:
    if host.data is None:
        return []
    known = host.data.control
    if known is None:
        return [f"{wanted.place.data}: holds {', '.join(host.data.names)}"]
    kind = "standby" if host.data.standby else "primary"
    return [f"{wanted.place.data}: {kind} of the cluster with system identifier {known.system_identifier}"]


def refusals_of_upstream(wanted: Wanted, upstream: Upstream | None) -> Iterator[str]:
    if upstream is None:
        return
    if wanted.system_identifier not in (None, upstream.system_identifier):
        yield (
            f"The upstream {upstream.place} is of the cluster with system identifier {upstream.system_identifier}, "
            f"{wanted.system_identifier} is wanted: look whether the inventory names the right host."
        )
    if upstream.major != wanted.version:
        yield (
            f"The upstream {upstream.place} runs PostgreSQL {upstream.major} and this instance is to be of "
            f"{wanted.version}: a standby needs the same major version."
        )


def refusals_of_registration(wanted: Wanted, host: Host) -> Iterator[str]:
    known = host.registered
    if known is None or not known.finished or known.data_directory == str(wanted.place.data):
        return
    where = f"has its data in {known.data_directory}" if known.data_directory else "does not say where its data is"
    yield (
        f"Instance {wanted.title} is registered on this host already and {where}, not in {wanted.place.data}: "
        "give that as data_directory, or choose another instance."
    )


def _fault(wanted: Wanted, host: Host, data: Data, upstream: Upstream | None) -> str | None:
    """What keeps this data from being a standby of that cluster, or None when it is one."""
    place = wanted.place.data
    if data.version is None:
        return f"{place} holds what is no data of PostgreSQL ({', '.join(data.names)})"
    if data.version != str(wanted.version):
        return f"{place} holds data of PostgreSQL {data.version}, not {wanted.version}"
    if data.control is None:
        return f"{place} holds data whose control file cannot be read"
    cluster = wanted.system_identifier or (upstream.system_identifier if upstream else None)
    own = data.control.system_identifier
    if cluster is not None and own != cluster:
        return f"{place} holds data of another cluster, with system identifier {own} and not {cluster}"
    if not data.standby:
        return (
            f"{place} holds data of this cluster that was last run as a primary "
            f"(state '{data.control.state}', at {data.control.position})"
        )
    if upstream is None or (host.server is not None and host.server.streaming):
        return None
    reached = replace(data.control.position, ancestors=data.ancestors)
    if wanted.wal_from is not None and position(reached.lsn) < position(wanted.wal_from):
        kept = f"{upstream.place} keeps WAL from {wanted.wal_from} on only"
        return f"{place} holds a standby that ends at {reached.lsn}, and {kept}"
    why = reached.parting(upstream.position, "upstream", ahead_counts=not upstream.in_recovery)
    return None if why is None else f"{place} holds a standby that has diverged from {upstream.place}: {why}"


def _refusals_of_rebuild(wanted: Wanted, host: Host, fault: str) -> Iterator[str]:
    if not wanted.rebuild:
        yield (
            f"{fault}; nothing was changed. Look whether this is the right host and directory. To have the data moved "
            "aside and a standby cloned in its place, name this host for rebuild."
        )
    elif host.server is not None and host.server.in_recovery is not True:
        yield (
            f"{fault}, and a server runs on it that is no standby: "
            f"stop instance {wanted.title} yourself if it may go, and run this again."
        )


def _refusals_of_place(wanted: Wanted, host: Host) -> Iterator[str]:
    place = wanted.place
    for stranger in host.strangers:
        yield f"{stranger} is in the way of the clone and is not ours: look what it is and move it away."
    if host.mounted:
        yield (
            f"{place.data} is a mount point, and a clone is made beside it and renamed: "
            "give a directory below it as data_directory."
        )
    if host.unmounted is not None:
        yield host.unmounted
    if host.wal_free_bytes is not None and host.wal_free_bytes < SPARE_BYTES and not host.leftovers:
        yield (
            f"The disk of {place.wal} has {size(host.wal_free_bytes)} free, and the WAL that comes while the clone is "
            f"made needs {size(SPARE_BYTES)} at least: make room or choose another directory."
        )
    # A leftover goes before the clone begins; how much it holds is not known, so it is not refused for its sake.
    if wanted.bytes is not None and not host.leftovers:
        room = room_refusal(str(place.data), wanted.bytes, host.free_bytes)
        if room is not None:
            yield room


def room_refusal(place: str, needed: int, free: int) -> str | None:
    """A sentence with the numbers when a clone of that size has no room."""
    if needed + SPARE_BYTES <= free:
        return None
    return (
        f"The disk of {place} has {size(free)} free and the clone needs {size(needed + SPARE_BYTES)} "
        f"({size(needed)} of data and {size(SPARE_BYTES)} for WAL): make room or choose another directory."
    )


def size(count: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
