# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What stands against a promotion of this server; each thing has a code that stays the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._history import later, position
from ansible_collections.runbook.postgres.plugins.module_utils._promote.observe import Seen, Server
from ansible_collections.runbook.postgres.plugins.module_utils._promoters import through

# A primary writes to a segment, prepares the next and keeps what its standbys lack.
SEGMENTS = 4
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Wish:
    """What the caller knows of the old primary, and what is accepted; no switch implies another."""

    system_identifier: str | None = None
    timeline: int | None = None
    primary_lsn: str | None = None
    # Who is to stream from here, each with a slot.
    slots: Sequence[str] = ()
    max_lag_bytes: int = 16 * _MIB
    # The old primary takes no writes and will not.
    fenced: bool = False
    resume_replay: bool = False
    allow_apply_delay: bool = False
    allow_data_loss: bool = False
    # What may go wrong later and loses nothing.
    force: bool = False


@dataclass(frozen=True)
class Refusal:
    code: str
    sentence: str


def loss(server: Server, wish: Wish) -> int | None:
    """What the old primary is known to have written and this one lacks; None where its end is not known.

    What an upstream said last is no end: it may have gone on without saying so.
    """
    return None if wish.primary_lsn is None else _lacks(server, wish)


def _lacks(server: Server, wish: Wish) -> int:
    said = later(wish.primary_lsn, server.upstream.lsn if server.upstream else None)
    return max(position(said) - position(server.reach), 0)


def _another_cluster(seen: Seen, wish: Wish) -> Iterator[Refusal]:
    found = seen.server.system_identifier
    if wish.system_identifier not in (None, found):
        yield Refusal(
            "system_identifier_differs",
            f"Instance {seen.title} has system identifier {found} and {wish.system_identifier} was expected: it is of "
            "another cluster; look at the inventory.",
        )


def _another_timeline(seen: Seen, wish: Wish) -> Iterator[Refusal]:
    found = seen.server.timeline
    if wish.timeline not in (None, found):
        yield Refusal(
            "timeline_differs",
            f"Instance {seen.title} is on timeline {found} and {wish.timeline} was expected: it missed a promotion, or "
            "went another way; find out which before anything is promoted.",
        )


def _somebody_else_decides(seen: Seen, _wish: Wish) -> Iterator[Refusal]:
    if seen.promoters:
        yield Refusal(
            "promoter_runs",
            f"{' and '.join(seen.promoters)} runs on this host and decides by itself who is primary: "
            f"{through(seen.promoters)}, or stop it on every member first.",
        )


def _upstream_lives(seen: Seen, wish: Wish) -> Iterator[Refusal]:
    upstream = seen.server.upstream
    if upstream is not None and not wish.fenced:
        yield Refusal(
            "upstream_alive",
            f"Instance {seen.title} streams from {upstream.place}, heard of {upstream.heard_seconds} s ago, and beside "
            "a primary that lives there would be two: stop that one and keep it from starting, then say fenced.",
        )


def _replays_nothing(seen: Seen, wish: Wish) -> Iterator[Refusal]:
    server = seen.server
    if not server.paused:
        return
    low = [
        f"{name} is {server.settings[name]} and was {value} there"
        for name, value in seen.primary_settings.items()
        if name in server.settings and server.settings[name] < value
    ]
    if low:
        yield Refusal(
            "settings_too_low",
            f"Replay stands still on instance {seen.title} because it has less than its primary ({', '.join(low)}), "
            "and would end if it were let go on: raise that here and restart it.",
        )
    elif not wish.resume_replay:
        yield Refusal(
            "replay_paused",
            f"Replay is paused on instance {seen.title} with {server.to_replay} bytes to go, and somebody may want it "
            "so: say resume_replay to let it go on.",
        )


def _replays_late(seen: Seen, wish: Wish) -> Iterator[Refusal]:
    delay = seen.server.settings.get("recovery_min_apply_delay", 0)
    if delay and not wish.allow_apply_delay:
        yield Refusal(
            "apply_delay",
            f"Instance {seen.title} replays {delay} ms late (recovery_min_apply_delay), to be there after a mistake; a "
            "promotion would replay all of it at once: choose another, or say allow_apply_delay.",
        )


def _far_behind(seen: Seen, wish: Wish) -> Iterator[Refusal]:
    server, limit = seen.server, wish.max_lag_bytes
    if server.to_replay > limit:
        yield Refusal(
            "replay_behind",
            f"Instance {seen.title} has {server.to_replay} bytes to replay before it takes a write and {limit} are "
            "allowed: let it catch up, or raise max_lag_bytes.",
        )
    if _lacks(server, wish) > limit:
        yield Refusal(
            "lag_over_limit",
            f"Instance {seen.title} ends at {server.reach} and lacks {_lacks(server, wish)} bytes of its primary, and "
            f"{limit} are allowed: choose one that has more, or raise max_lag_bytes.",
        )


def _loses(seen: Seen, wish: Wish) -> Iterator[Refusal]:
    if wish.allow_data_loss:
        return
    lost = loss(seen.server, wish)
    if lost is None:
        yield Refusal(
            "loss_unknown",
            f"Instance {seen.title} ends at {seen.server.reach} and nobody says where its primary did: give "
            "primary_lsn, as pg_controldata tells it there, or say allow_data_loss.",
        )
    elif lost:
        yield Refusal(
            "data_loss",
            f"Instance {seen.title} ends at {seen.server.reach}, its primary went on to {wish.primary_lsn} or further, "
            f"and {lost} bytes would be lost: choose one that has them, or say allow_data_loss.",
        )


def _no_room(seen: Seen, wish: Wish) -> Iterator[Refusal]:
    needed = SEGMENTS * seen.server.settings.get("wal_segment_size", 16 * _MIB)
    if seen.free_bytes < needed and not wish.force:
        yield Refusal(
            "no_room",
            f"{seen.free_bytes // _MIB} MiB are left for the WAL of instance {seen.title}, and a primary that runs out "
            f"stops: have at least {needed // _MIB} MiB there, or force it.",
        )


def _no_slots(seen: Seen, wish: Wish) -> Iterator[Refusal]:
    server = seen.server
    if wish.force:
        return
    missing = len(set(wish.slots) - server.slots)
    free = server.settings.get("max_replication_slots", missing) - len(server.slots)
    if missing > max(free, 0):
        yield Refusal(
            "no_free_slots",
            f"Instance {seen.title} has {max(free, 0)} replication slots free and needs {missing} for those that are "
            "to follow: drop slots that nobody uses, raise max_replication_slots, or force it.",
        )
    senders = server.settings.get("max_wal_senders", len(wish.slots))
    if senders < len(wish.slots):
        yield Refusal(
            "no_free_senders",
            f"Instance {seen.title} sends WAL to {senders} at most and {len(wish.slots)} are to follow: raise "
            "max_wal_senders, or force it.",
        )


# In the order in which they are told.
_CHECKS = (
    _another_cluster,
    _another_timeline,
    _somebody_else_decides,
    _upstream_lives,
    _replays_nothing,
    _replays_late,
    _far_behind,
    _loses,
    _no_room,
    _no_slots,
)


def against_standby(seen: Seen, wish: Wish) -> Iterator[Refusal]:
    for check in _CHECKS:
        yield from check(seen, wish)


def against_primary(seen: Seen, wish: Wish) -> Iterator[Refusal]:
    """One that is primary already is asked only whether it is the one that is meant."""
    yield from _another_cluster(seen, wish)
