# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Patroni's own view of the cluster that it keeps: whether it can be asked for another leader, and for whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._failover.decision import Refusal

NAME = "Patroni"
_CONFIRMS = ("sync_standby", "quorum_standby")
_WORKS = ("running", "streaming")
# As people write it in its settings.
_OFF = ("", "none", "false", "off", "no", "0")


@dataclass(frozen=True)
class Kept:
    """A member as Patroni knows it."""

    role: str
    state: str
    lag_bytes: int | None
    nofailover: bool

    @property
    def confirms(self) -> bool:
        return self.role in _CONFIRMS


@dataclass(frozen=True)
class Keeper:
    leader: str | None = None
    paused: bool = False
    # Commits wait for a standby, and only one of those may take over.
    synchronous: bool = False
    # When it is to switch over by itself; empty for never.
    scheduled: str = ""
    members: Mapping[str, Kept] | None = None
    # Why it does not tell; None where it does.
    silent: str | None = None
    name: str = NAME

    def stands(self, primary: str, member: str) -> Iterator[Refusal]:
        """What stands against asking it, whoever is to take over from `primary`, which it calls `member`."""
        if self.silent is not None:
            why = self.silent.strip().rstrip(".") or "it gives no reason"
            yield Refusal(
                "patroni_silent",
                f"Patroni runs on a member and the one on {primary} does not tell of its cluster ({why}): see to that "
                "first, or switch over with patronictl.",
                primary,
            )
            return
        if self.paused:
            yield Refusal(
                "patroni_paused",
                "Patroni is paused and leaves the cluster alone: have it go on with patronictl resume when whoever "
                "paused it is done, and run this again.",
            )
        if self.leader is None:
            yield Refusal(
                "patroni_no_leader",
                f"Patroni has no leader although {primary} takes writes: see with patronictl list what it waits for, "
                "and whether etcd has a majority.",
            )
        elif self.leader != member:
            yield Refusal(
                "patroni_other_leader",
                f"Patroni names {self.leader} as its leader and {primary} takes writes: see with patronictl list "
                "whether it is about to change that, and run this again.",
                primary,
            )
        if self.scheduled:
            yield Refusal(
                "patroni_scheduled",
                f"Patroni is to switch over by itself at {self.scheduled}: wait for that, or take it back with "
                "patronictl flush.",
            )

    def against(self, node: str, member: str) -> Iterator[Refusal]:
        """What stands against one candidate."""
        known = (self.members or {}).get(member)
        if known is None:
            yield Refusal(
                "patroni_stranger",
                f"Patroni knows no member {member}, so that {node} cannot be its leader: have runbook.postgres.patroni "
                "hand it over first, or choose another.",
                node,
            )
            return
        if known.state not in _WORKS:
            yield Refusal(
                "patroni_not_working",
                f"{node} is {known.state or 'in no state'} by Patroni's word and does not stream: see journalctl -u "
                "patroni there, or choose another.",
                node,
            )
        if known.nofailover:
            yield Refusal(
                "patroni_nofailover",
                f"{node} has Patroni's tag nofailover and is never to be leader: take the tag out of its "
                "configuration, or choose another.",
                node,
            )
        if self.synchronous and not known.confirms:
            yield Refusal(
                "patroni_not_synchronous",
                f"Commits do not wait for {node}, so that Patroni does not let it take over: choose one that "
                "patronictl list shows as a sync standby.",
                node,
            )

    def rank(self, member: str) -> tuple[bool, int]:
        """Those that confirm commits first, then those that lack least."""
        known = (self.members or {}).get(member)
        if known is None or known.lag_bytes is None:
            return (not (known and known.confirms), 1 << 64)
        return (not known.confirms, known.lag_bytes)


def asked(infos: Mapping[str, Mapping[str, Any] | None], primary: str | None) -> Keeper:
    """From what pg_patroni_info returned on each member: the primary's word counts, whose Patroni is to be asked."""
    info = infos.get(primary or "") or {}
    told = info.get("patroni")
    if told is None:
        return Keeper(silent=str(info.get("problem") or "it was not set up by runbook.postgres.patroni"))
    mode = str((told.get("settings") or {}).get("synchronous_mode") or "").strip().lower()
    return Keeper(
        told.get("leader"),
        bool(told.get("paused")),
        mode not in _OFF,
        _when(told.get("scheduled_switchover")),
        {str(each["name"]): _kept(each) for each in told.get("members") or ()},
    )


def _when(scheduled: Mapping[str, Any] | None) -> str:
    return str(scheduled.get("at") or "a time that it does not tell") if scheduled else ""


def _kept(row: Mapping[str, Any]) -> Kept:
    nofailover = str((row.get("tags") or {}).get("nofailover") or "").lower() not in _OFF
    return Kept(str(row.get("role") or ""), str(row.get("state") or ""), row.get("lag_bytes"), nofailover)
