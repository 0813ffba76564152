# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Why a standby is behind, and whether readers go elsewhere: pure, from what the servers said.

Behind is whoever has not replayed, after some seconds of looking, what the primary had
before. How far in time is told by its last transaction, which says nothing of a standby
that has all there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._history import position

# Whom replay waits for, as a server calls that.
_CONFLICTS = ("Lock:", "BufferPin:", "IPC:RecoveryConflict", "Activity:RecoveryConflict")
_DELAY = "RecoveryApplyDelay"


@dataclass(frozen=True)
class Limits:
    """Readers leave a standby that is further behind than `over`, and come back when it is less than `back`."""

    over: float
    back: float


@dataclass(frozen=True)
class Lag:
    """Of one standby."""

    seconds: float
    size: int
    cause: str | None
    sentence: str
    # Whether readers are to be away from it, and whether they are.
    away: bool
    was_away: bool

    @property
    def moves(self) -> bool:
        return self.away != self.was_away


def judge(name: str, standby: Mapping[str, Any], primary: Mapping[str, Any], limits: Limits, *, away: bool) -> Lag:
    """`away` is whether readers were sent elsewhere before."""
    size = max(0, position(standby["target"]) - position(standby["replayed"] or "0/0"))
    seconds = _seconds(standby)
    cause, why = _cause(standby, primary) if not standby["caught_up"] else (None, "")
    # In between everything stays as it is, or readers would go to and fro.
    wanted = seconds > limits.over or (away and seconds > limits.back)
    if cause is None:
        sentence = f"{name} has replayed all that {primary['name']} had {standby['watched']:g} s before."
    else:
        sentence = f"{name} is {_time(seconds)} and {_bytes(size)} behind {primary['name']}: {why}"
    return Lag(round(seconds, 1), 0 if cause is None else size, cause, sentence, wanted, away)


def _seconds(standby: Mapping[str, Any]) -> float:
    if standby["caught_up"]:
        return float(standby["watched"])
    return max(float(standby["age"] or 0.0), float(standby["watched"]))


def _cause(standby: Mapping[str, Any], primary: Mapping[str, Any]) -> tuple[str, str]:
    waits = standby["replay_waits"]
    if standby["paused"]:
        return "paused", "replay is paused; once whoever paused it agrees, SELECT pg_wal_replay_resume() there."
    if any(_DELAY in each for each in waits):
        return "apply_delay", f"recovery_min_apply_delay is {standby['delay']}, which is what keeps it behind."
    if any(each.startswith(_CONFLICTS) for each in waits):
        return "conflict", _conflict(standby)
    if not standby["streams"]:
        return _not_streaming(standby, primary)
    received = standby["received"] or "0/0"
    if position(received) < position(standby["target"]) and _idle(standby):
        return _not_received(standby, primary)
    if _mostly(waits, "IO:"):
        return (
            "disk",
            f"its replay waits for its disk ({_most(waits)}): look at what else uses that, and at its health.",
        )
    done = position(standby["replayed"] or "0/0") - position(standby["replayed_before"] or "0/0")
    rate = _bytes(int(done / max(0.1, standby["watched"])))
    return (
        "replay",
        f"it has the WAL and replays {rate} a second, with one process: let it, or have the primary write less.",
    )


def _conflict(standby: Mapping[str, Any]) -> str:
    longest = standby["longest"]
    patience = standby["patience"]
    limit = "without a limit" if patience == "-1" else f"up to {patience}"
    if longest is None:
        return f"its replay waits for a reader to end ({_most(standby['replay_waits'])}), {limit}."
    who = f"{longest['user']} in {longest['database']}" + (
        f" by {longest['application']}" if longest["application"] else ""
    )
    return (
        f"its replay waits for a reader; a transaction of {who} (PID {longest['pid']}) is open for "
        f"{_time(longest['seconds'])}, and max_standby_streaming_delay lets it wait {limit}: end that with "
        f"SELECT pg_terminate_backend({longest['pid']}) there, or let it end."
    )


def _not_streaming(standby: Mapping[str, Any], primary: Mapping[str, Any]) -> tuple[str, str]:
    has = max(standby["received"] or "0/0", standby["replayed"] or "0/0", key=position)
    oldest = primary.get("oldest_wal")
    if primary.get("slot") in primary.get("lost", ()) or (oldest and position(has) < position(oldest)):
        why = (
            f"it has WAL up to {has}, {primary['name']} keeps it from {oldest} on only, and unless an archive has the "
            "rest it cannot go on: name it in replication_rebuild to have it copied again."
        )
        return "missing_wal", why
    why = "it receives no WAL: see its log for why, and the way to its upstream, its slot there and pg_hba.conf."
    return "not_receiving", why


def _not_received(standby: Mapping[str, Any], primary: Mapping[str, Any]) -> tuple[str, str]:
    """It replays what it gets, and does not get enough."""
    if _mostly(standby["receiver_waits"], "IO:"):
        return "disk", f"it waits for the disk that its WAL is on ({_most(standby['receiver_waits'])}): look at that."
    received = standby["received"] or "0/0"
    sent = (primary.get("sent") or {}).get(primary.get("slot"))
    way = f"was sent {sent} and has received {received}" if sent else f"has received {received}"
    return "network", f"it {way} of {standby['target']}, and has replayed that: look at the network between the two."


def _idle(standby: Mapping[str, Any]) -> bool:
    """It has nothing left to replay, or nearly."""
    return position(standby["received"] or "0/0") - position(standby["replayed"] or "0/0") < 1 << 20


def _mostly(waits: Mapping[str, int], kind: str) -> bool:
    return 2 * sum(number for name, number in waits.items() if name.startswith(kind)) > sum(waits.values())


def _most(waits: Mapping[str, int]) -> str:
    return max(waits, key=lambda name: waits[name]).partition(":")[2] or "none"


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"


def _bytes(number: int) -> str:
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= size:
            return f"{number / size:.0f} {unit}"
    return f"{number} bytes"
