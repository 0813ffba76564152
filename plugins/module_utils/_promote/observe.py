# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What one server is before and after it becomes primary: one question, and what this host says beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils import _promoters
from ansible_collections.runbook.postgres.plugins.module_utils._controldata import parsed, printed
from ansible_collections.runbook.postgres.plugins.module_utils._debian import Socket
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._history import ancestors, later, position
from ansible_collections.runbook.postgres.plugins.module_utils._postmaster import Postmaster
from ansible_collections.runbook.postgres.plugins.module_utils._slots.keeping import IDLE, LIMIT
from ansible_collections.runbook.postgres.plugins.module_utils._timeline import TIMELINE

_ASK = (
    """
SELECT json_build_object(
  'in_recovery', pg_is_in_recovery(),
  'system_identifier', (SELECT system_identifier::text FROM pg_control_system()),
  'timeline', {timeline},
  'received', pg_last_wal_receive_lsn(),
  'replayed', pg_last_wal_replay_lsn(),
  'current', CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_lsn() END,
  'paused', CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() END,
  'upstream', (SELECT json_build_object('host', sender_host, 'port', sender_port, 'lsn', latest_end_lsn,
      'heard_seconds', extract(epoch FROM clock_timestamp() - last_msg_receipt_time)::int)
      FROM pg_stat_wal_receiver WHERE status = 'streaming'),
  'slots', (SELECT coalesce(json_agg(slot_name), '[]') FROM pg_replication_slots WHERE NOT temporary),
  'idle_slots', (SELECT coalesce(json_agg(slot_name), '[]') FROM pg_replication_slots WHERE {idle}),
  'settings', (SELECT json_object_agg(name, setting::bigint) FROM pg_settings
      WHERE name IN ('recovery_min_apply_delay', 'wal_segment_size', 'max_replication_slots', 'max_wal_senders',
        'max_connections', 'max_worker_processes', 'max_prepared_transactions', 'max_locks_per_transaction',
        '{limit}'))
)
""".replace("{timeline}", TIMELINE)
    .replace("{idle}", IDLE)
    .replace("{limit}", LIMIT)
)


@dataclass(frozen=True)
class Upstream:
    """Who sends WAL to a standby at this moment, and how far it said that it has come."""

    place: str
    lsn: str | None
    heard_seconds: int


@dataclass(frozen=True)
class Server:
    in_recovery: bool
    system_identifier: str
    timeline: int
    received: str | None = None
    replayed: str | None = None
    current: str | None = None
    paused: bool = False
    upstream: Upstream | None = None
    slots: frozenset[str] = frozenset()
    # Those of them that serve nobody and keep no WAL.
    idle_slots: frozenset[str] = frozenset()
    settings: Mapping[str, int] = field(default_factory=dict)

    @property
    def reach(self) -> str:
        """All of its WAL: what was restored from an archive was never received."""
        return later(self.received, self.replayed, self.current)

    @property
    def to_replay(self) -> int:
        return max(position(self.reach) - position(later(self.replayed)), 0) if self.in_recovery else 0


@dataclass(frozen=True)
class Seen:
    """The server, and what counts on its host."""

    title: str
    server: Server
    promoters: tuple[str, ...] = ()
    # What is left for WAL.
    free_bytes: int = 0
    # The highest timeline that this host has heard of.
    newest_timeline: int = 0
    # What its primary ran with; a standby that has less stops replaying.
    primary_settings: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """An instance whose server runs."""

    version: int
    instance: str
    data: Path
    postmaster: Postmaster

    @property
    def title(self) -> str:
        return f"{self.version}/{self.instance}"

    def socket(self, seconds: float = 30.0, *, read_only: bool = False) -> Socket:
        return self.postmaster.socket(seconds=seconds, read_only=read_only)


def place(version: int, instance: str, data: Path | None, server: Postmaster | None) -> Place:
    """`data` is None where there is no such instance, `server` where none runs."""
    if data is None:
        raise Refused(f"There is no instance {version}/{instance} on this host: nothing can be promoted here.")
    if server is None:
        raise Refused(f"Instance {version}/{instance} does not run: start it, and see that it is a standby.")
    return Place(version, instance, data, server)


def ask(place: Place) -> Server:
    return told(place.socket(read_only=True).json(_ASK))


def told(answer: Mapping[str, Any]) -> Server:
    upstream = answer["upstream"]
    return Server(
        answer["in_recovery"],
        answer["system_identifier"],
        answer["timeline"],
        answer["received"],
        answer["replayed"],
        answer["current"],
        bool(answer["paused"]),
        upstream and Upstream(f"{upstream['host']}:{upstream['port']}", upstream["lsn"], upstream["heard_seconds"]),
        frozenset(answer["slots"]),
        frozenset(answer["idle_slots"]),
        answer["settings"],
    )


def look(place: Place) -> Seen:
    server = ask(place)
    wal = place.data / "pg_wal"
    figures = os.statvfs(wal)
    return Seen(
        place.title,
        server,
        tuple(_promoters.running()),
        figures.f_bavail * figures.f_frsize,
        max([server.timeline, *(int(each.stem, 16) for each in wal.glob("[0-9A-F]" * 8 + ".history"))]),
        _of_primary(place) if server.paused else {},
    )


def _of_primary(place: Place) -> Mapping[str, int]:
    control = parsed(printed(place.version, place.data))
    return {} if control is None else control.settings


def forked(place: Place, timeline: int) -> tuple[int, str] | None:
    """The timeline from which this one came at last, and where it left it."""
    file = place.data / "pg_wal" / f"{timeline:08X}.history"
    try:
        found = ancestors(file.read_text(errors="replace"))
    except OSError:
        return None
    return found[-1] if found else None
