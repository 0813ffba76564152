# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Where recovery is to stop, what the server is told of it, and whether it did stop there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._history import position

KINDS = ("latest", "immediate", "time", "lsn", "xid", "name")
_LSN = re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}")
_ZONE = re.compile(r"(.*:\d\d(?:\.\d+)?)\s*(?:([Zz])|([+-]\d{2}):?(\d{2})?)")
# The server keeps names of restore points in 63 bytes.
_NAME_BYTES = 63


@dataclass(frozen=True)
class Target:
    """The point that the cluster is to be at; `value` is as the server takes it."""

    kind: str
    value: str = ""
    inclusive: bool = True

    @property
    def moment(self) -> datetime | None:
        return datetime.fromisoformat(self.value) if self.kind == "time" else None

    @property
    def undated(self) -> bool:
        """Where in the WAL it is, only the replay tells."""
        return self.kind in ("xid", "name")

    def __str__(self) -> str:
        if self.kind in ("latest", "immediate"):
            return {"latest": "the end of the archive", "immediate": "the end of the backup"}[self.kind]
        word = "transaction" if self.kind == "xid" else "restore point" if self.kind == "name" else self.kind
        return f"{word} {self.value}{'' if self.inclusive or self.kind == 'name' else ', itself excluded'}"

    def settings(self, timeline: int | None, action: str) -> dict[str, str]:
        """What the server is told; without a target it ends where the WAL does."""
        told = {"recovery_target_timeline": "latest" if timeline is None else str(timeline)}
        if self.kind == "latest":
            return told
        key = "recovery_target" if self.kind == "immediate" else f"recovery_target_{self.kind}"
        told[key] = "immediate" if self.kind == "immediate" else self.value
        if self.kind in ("time", "lsn", "xid"):
            told["recovery_target_inclusive"] = "on" if self.inclusive else "off"
        return {**told, "recovery_target_action": action}


def read(kind: str, value: str | None, *, inclusive: bool) -> Target:
    """The target as asked for; what cannot be one is refused with what it has to look like."""
    given = (value or "").strip()
    if kind in ("latest", "immediate"):
        if given:
            raise Refused(f"Target {kind} takes no value, and '{given}' is given: leave target_value out.")
        return Target(kind)
    if not given:
        raise Refused(f"Target {kind} needs target_value, and none is given.")
    return Target(kind, {"time": _time, "lsn": _lsn, "xid": _xid, "name": _name}[kind](given), inclusive)


def _time(given: str) -> str:
    match = _ZONE.fullmatch(given)
    try:
        if match is None:
            raise ValueError
        text = match[1] + ("+00:00" if match[2] else f"{match[3]}:{match[4] or '00'}")
        # Before 3.11 only three or six digits of a second are understood.
        text = re.sub(r"\.(\d+)", lambda found: "." + found[1][:6].ljust(6, "0"), text)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(
            f"'{given}' does not say one moment: give the time with its offset, as 2026-01-31T14:05:00+01:00."
        ) from None
    return moment.astimezone(timezone.utc).isoformat(sep=" ")


def _lsn(given: str) -> str:
    if not _LSN.fullmatch(given):
        raise Refused(f"'{given}' is no position in WAL: give it as 16/B374D848, without quotes around it.")
    return given.upper()


def _xid(given: str) -> str:
    if not given.isdigit() or not 3 <= int(given) < 1 << 64:
        raise Refused(f"'{given}' is no transaction's number: give what pg_current_xact_id() told of it.")
    return given


def _name(given: str) -> str:
    if len(given.encode()) > _NAME_BYTES or any(ord(letter) < 32 for letter in given):
        raise Refused(f"'{given}' cannot be a restore point: its name has at most {_NAME_BYTES} bytes on one line.")
    return given


@dataclass(frozen=True)
class Stop:
    """What the restored server says of where it is."""

    in_recovery: bool
    paused: bool
    lsn: str | None
    # Of the last transaction that it replayed; None if there was none since the backup.
    moment: datetime | None
    # What became of the transaction that the target names.
    xid_status: str | None = None
    # From the WAL itself: when the first transaction ended that it did not replay.
    next_moment: datetime | None = None

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Stop:
        seen = said.get("moment")
        return cls(
            bool(said["in_recovery"]),
            bool(said["paused"]),
            said["lsn"],
            None if seen is None else datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=int(seen)),
            said.get("xid_status"),
        )

    @property
    def place(self) -> str:
        at = "" if self.moment is None else f", its last transaction of {self.moment.isoformat(sep=' ')}"
        return f"WAL position {self.lsn or 'unknown'}{at}"


def misses(target: Target, stop: Stop, archive_from: str | None = None) -> str | None:
    """Why the server is not where it was to be, None when it is; `archive_from` begins the last segment there is."""
    found = next(_faults(target, stop, archive_from), None)
    return None if found is None else f"The restored server stopped at {stop.place}, and that is not {target}: {found}"


def _faults(target: Target, stop: Stop, archive_from: str | None) -> Iterator[str]:
    if target.kind == "latest":
        if stop.in_recovery:
            yield "it still replays WAL"
        elif archive_from is not None and position(stop.lsn or "0/0") <= position(archive_from):
            yield f"the archive goes on beyond {archive_from}, so WAL in between is missing or damaged"
        return
    if not (stop.in_recovery and stop.paused):
        yield "it did not pause there"
        return
    if target.kind == "time":
        yield from _faults_of_time(target, stop)
    elif target.kind == "lsn" and target.inclusive and position(stop.lsn or "0/0") < position(target.value):
        yield "it is before it"
    elif target.kind == "xid":
        yield from _faults_of_xid(target, stop)


def _faults_of_time(target: Target, stop: Stop) -> Iterator[str]:
    wanted = target.moment
    if wanted is None:
        return
    late = stop.moment is not None and (stop.moment > wanted if target.inclusive else stop.moment >= wanted)
    if late:
        yield "it replayed a transaction that ended later"
    following = stop.next_moment
    if following is not None and (following <= wanted if target.inclusive else following < wanted):
        yield f"the next transaction in the WAL ended at {following.isoformat(sep=' ')}, which is not past the target"


def _faults_of_xid(target: Target, stop: Stop) -> Iterator[str]:
    ended = stop.xid_status in ("committed", "aborted")
    if target.inclusive and not ended:
        yield f"there that transaction is {stop.xid_status or 'not known'}"
    elif not target.inclusive and ended:
        yield f"there that transaction is {stop.xid_status} already"
