# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From what was found on both sides to the steps between: pure, without a connection or a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._history import Branch, position
from ansible_collections.runbook.postgres.plugins.module_utils._standby.local import Data, Host
from ansible_collections.runbook.postgres.plugins.module_utils._standby.plan import (
    SPARE_BYTES,
    Stop,
    Wanted,
    refusals_of_registration,
    refusals_of_upstream,
    size,
)
from ansible_collections.runbook.postgres.plugins.module_utils._standby.rejoin.mark import Mark
from ansible_collections.runbook.postgres.plugins.module_utils._standby.rejoin.tail import Tail
from ansible_collections.runbook.postgres.plugins.module_utils._standby.upstream import Upstream

_AT_REST, _STANDBY_AT_REST = "shut down", "shut down in recovery"
_REINIT = "name this host for reinit to have its data moved aside and a new copy made"


@dataclass(frozen=True)
class Seen:
    """What was found on this host."""

    host: Host
    tail: Tail = field(default_factory=Tail)
    mark: Mark | None = None
    # Whether everything was copied that the mark speaks of, and whether pg_rewind came to its end.
    kept: bool = False
    label: bool = False


@dataclass(frozen=True)
class Keep:
    tail: Tail
    lsn: str
    to: str

    @property
    def sentence(self) -> str:
        return f"copy the WAL that only this host has, from {self.lsn} on, to {self.to}"


@dataclass(frozen=True)
class Recover:
    data: str

    @property
    def sentence(self) -> str:
        return f"have {self.data} recovered, whose server was not shut down in order"


@dataclass(frozen=True)
class Rewind:
    data: str
    timeline: int
    lsn: str
    # One that was killed goes before.
    again: bool = False

    @property
    def sentence(self) -> str:
        return f"rewind {self.data} to {self.lsn} of timeline {self.timeline}{', again' if self.again else ''}"


@dataclass(frozen=True)
class Follow:
    data: str
    # It was rewound before this run.
    late: bool = False

    @property
    def sentence(self) -> str:
        return f"make {self.data} a standby"


def branch(data: Data) -> Branch | None:
    return None if data.control is None else replace(data.control.position, ancestors=data.ancestors)


def plan_rejoin(wanted: Wanted, seen: Seen, upstream: Upstream) -> Plan:
    """The steps, or why there can be none."""
    refusals = [*refusals_of_upstream(wanted, upstream), *refusals_of_registration(wanted, seen.host)]
    refusals = refusals or list(_refusals(wanted, seen, upstream))
    if refusals:
        return Plan(refusals=tuple(refusals))
    changes = tuple(_changes(wanted, seen, upstream))
    before = [_told(wanted, seen)]
    after = [f"{wanted.place.data}: standby of the cluster"] if changes else before
    return Plan(changes, before=before, after=after)


def _told(wanted: Wanted, seen: Seen) -> str:
    data = seen.host.data
    if seen.mark is not None or data is None or data.control is None:
        return f"{wanted.place.data}: rewound by half"
    return f"{wanted.place.data}: {'standby' if data.standby else 'primary'}, at {data.control.position}"


def parted(seen: Seen, upstream: Upstream) -> tuple[int, str] | None:
    """Where the ways parted, when this host went past it; None when it only has to follow."""
    if seen.mark is not None:
        return seen.mark.fork
    if _streams(seen):
        return None
    own = None if seen.host.data is None else branch(seen.host.data)
    fork = None if own is None else own.fork(upstream.position)
    if own is None or fork is None:
        return None
    past = own.timeline != fork[0] or position(own.lsn) > position(fork[1]) or seen.tail.records > 0
    return fork if past else None


def _streams(seen: Seen) -> bool:
    """Whatever its files say by now: it follows."""
    return seen.host.server is not None and seen.host.server.streaming


def rewound(seen: Seen, upstream: Upstream) -> bool:
    """pg_rewind came to its end before the run that began it was killed: it writes the control file last."""
    data = seen.host.data
    known = None if data is None else data.control
    return seen.label and known is not None and known.position.timeline == upstream.position.timeline


def _changes(wanted: Wanted, seen: Seen, upstream: Upstream) -> Iterator[object]:
    data, host, mark = str(wanted.place.data), seen.host, seen.mark
    fork = parted(seen, upstream)
    if fork is None:
        if host.data is not None and not host.data.standby:
            yield Follow(data)
        return
    if mark is not None and rewound(seen, upstream):
        yield Follow(data, late=True)
        return
    if host.server is not None:
        yield Stop(wanted.title)
    if not seen.kept:
        to = mark.kept if mark is not None else str(diverged(wanted))
        yield Keep(seen.tail, fork[1], to)
    if not at_rest(seen, fork):
        yield Recover(data)
    yield Rewind(data, *fork, again=seen.kept)
    yield Follow(data)


def diverged(wanted: Wanted) -> str:
    return f"{wanted.place.data}.diverged-{wanted.stamp}"


def at_rest(seen: Seen, fork: tuple[int, str]) -> bool:
    """pg_rewind takes data that was shut down; of a standby it judges by what was replayed, not by what it has."""
    known = None if seen.host.data is None else seen.host.data.control
    if known is None or known.state == _AT_REST:
        return known is not None
    past = known.position.timeline != fork[0] or position(known.position.lsn) > position(fork[1])
    return known.state == _STANDBY_AT_REST and past


def _refusals(wanted: Wanted, seen: Seen, upstream: Upstream) -> Iterator[str]:
    place, data, server = wanted.place.data, seen.host.data, seen.host.server
    if data is None:
        yield f"{place} holds no data: have it cloned (runbook.postgres.add_replica, or pg_standby)."
    elif data.version != str(wanted.version) or data.control is None:
        found = f"data of PostgreSQL {data.version}" if data.version else f"no data ({', '.join(data.names)})"
        yield f"{place} holds {found} that cannot be read as PostgreSQL {wanted.version}'s: look what it is; {_REINIT}."
    elif data.control.system_identifier != upstream.system_identifier:
        yield (
            f"{place} holds data of another cluster, with system identifier {data.control.system_identifier} and not "
            f"{upstream.system_identifier}: look whether this is the right host and directory."
        )
    elif server is not None and server.in_recovery is not True:
        yield (
            f"A server runs on {place} that {'takes writes' if server.in_recovery is False else 'does not answer'}, "
            f"beside the primary {upstream.place}: stop instance {wanted.title} first, which only somebody may do who "
            "knows that no client uses it, and run this again."
        )
    elif not rewound(seen, upstream):
        yield from _refusals_of_history(wanted, seen, data, upstream)


def _refusals_of_history(wanted: Wanted, seen: Seen, data: Data, upstream: Upstream) -> Iterator[str]:
    place, own = wanted.place.data, branch(data)
    fork = parted(seen, upstream)
    if own is None or _streams(seen):
        return
    if fork is None:
        why = own.parting(upstream.position, "upstream", ahead_counts=not upstream.in_recovery)
        if why is not None:
            yield f"{place} cannot be rewound to follow {upstream.place}: {why}; {_REINIT}."
        return
    if own.descends_from(upstream.position):
        yield (
            f"{place} holds data of timeline {own.timeline}, out of a promotion that {upstream.place} knows nothing "
            f"of, which is still on timeline {upstream.position.timeline}: find out which one the clients use. "
            f"If it is {upstream.place}, {_REINIT}."
        )
    elif own.timeline == upstream.position.timeline:
        yield (
            f"{place} and {upstream.place} both came to timeline {own.timeline}, by different promotions at "
            f"{fork[1]}, which pg_rewind cannot tell apart: {_REINIT}."
        )
    if upstream.in_recovery:
        yield f"{upstream.place} is itself a standby, and data is rewound from a primary: name that as upstream."
    if not _tells_changes(data):
        yield (
            f"{place} has neither checksums nor wal_log_hints, without which pg_rewind does not know all that changed: "
            f"{_REINIT}."
        )
    if not seen.kept and seen.tail.bytes + SPARE_BYTES > seen.host.free_bytes:
        yield (
            f"The disk of {place} has {size(seen.host.free_bytes)} free, and the WAL that only this host has needs "
            f"{size(seen.tail.bytes)} to be kept and {size(SPARE_BYTES)} to spare: make room and run this again."
        )


def _tells_changes(data: Data) -> bool:
    return data.control is not None and (data.control.checksums or data.control.hints)
