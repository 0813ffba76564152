# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Do the followers follow, and what is kept for those that do not?"""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import replication as seen_by
from ansible_collections.runbook.postgres.plugins.module_utils._health.check import (
    Check,
    Levels,
    Measure,
    shown_bytes,
    shown_count,
    shown_seconds,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Observed
from ansible_collections.runbook.postgres.plugins.module_utils._synchronous import required_standbys


def _replica_seconds(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.REPLICAS):
        row = seen.row
        yield Measure(
            row.replay_lag_seconds,
            f"Replica {row.name} at {row.client} is {shown_seconds(row.replay_lag_seconds)} behind.",
            row.name,
        )


def _replica_bytes(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.REPLICAS):
        row = seen.row
        if row.replay_lag_bytes is not None:
            yield Measure(
                row.replay_lag_bytes,
                f"Replica {row.name} at {row.client} has {shown_bytes(row.replay_lag_bytes)} of WAL yet to replay.",
                row.name,
            )


def _not_streaming(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.REPLICAS):
        row = seen.row
        if row.state != "streaming":
            yield Measure(1, f"Replica {row.name} at {row.client} is in state {row.state}.", row.name)


def _connected(observed: Observed) -> Iterable[Measure]:
    """Judged where the server could be asked: no replica at all is the case that matters most."""
    if observed.server is not None and seen_by.REPLICAS.name in observed.rows:
        count = sum(1 for seen in observed.of(seen_by.REPLICAS) if seen.row.state == "streaming")
        yield Measure(count, f"{shown_count(count, 'replica streams', 'replicas stream')} from this server.")


def _sync_missing(observed: Observed) -> Iterable[Measure]:
    if observed.server is None or observed.server.role != "primary" or seen_by.REPLICAS.name not in observed.rows:
        return
    names = observed.server.synchronous_standby_names
    required = required_standbys(names)
    present = sum(
        1
        for seen in observed.of(seen_by.REPLICAS)
        if seen.row.sync_state in ("sync", "quorum") and seen.row.state == "streaming"
    )
    yield Measure(
        max(0, required - present),
        f"synchronous_standby_names = '{names}' wants {required} to confirm each commit and {present} can: "
        "commits that ask for it hang.",
    )


def _standby(observed: Observed) -> Iterable[seen_by.Standby]:
    for seen in observed.of(seen_by.STANDBY):
        yield seen.row


def _standby_seconds(observed: Observed) -> Iterable[Measure]:
    for row in _standby(observed):
        yield Measure(
            row.replay_lag_seconds,
            f"This standby shows data from {shown_seconds(row.replay_lag_seconds)} ago.",
        )


def _not_receiving(observed: Observed) -> Iterable[Measure]:
    for row in _standby(observed):
        if row.configured and not row.receiving:
            yield Measure(1, "This standby has a primary_conninfo but receives no WAL through it.")


def _paused(observed: Observed) -> Iterable[Measure]:
    for row in _standby(observed):
        if row.paused:
            yield Measure(1, f"Replay is paused on this standby with {shown_bytes(row.received_lag_bytes)} waiting.")


def _slot_inactive(observed: Observed) -> Iterable[Measure]:
    """On a standby slots wait for a failover, and cost nothing until they keep more WAL than there would be anyway."""
    standby = observed.server is not None and observed.server.role == "standby"
    for seen in observed.of(seen_by.REPLICATION_SLOTS):
        row = seen.row
        if not row.active and not (standby and row.wal_status in (None, "reserved")):
            since = "" if row.inactive_seconds is None else f" since {shown_seconds(row.inactive_seconds)}"
            yield Measure(
                1, f"Nobody reads from {row.kind} replication slot {row.name}{since}.", row.name, row.database
            )


def _slot_retained(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.REPLICATION_SLOTS):
        row = seen.row
        if row.retained_bytes is not None:
            yield Measure(
                row.retained_bytes,
                f"Replication slot {row.name} keeps {shown_bytes(row.retained_bytes)} of WAL from being removed.",
                row.name,
                row.database,
            )


def _slot_used(observed: Observed) -> Iterable[Measure]:
    """How much of what max_slot_wal_keep_size allows is taken; past that the next checkpoint may remove it."""
    for seen in observed.of(seen_by.REPLICATION_SLOTS):
        row = seen.row
        if row.safe_bytes is not None and row.retained_bytes is not None:
            allowed = row.retained_bytes + row.safe_bytes
            percent = 100.0 * row.retained_bytes / allowed if allowed > 0 else 100.0
            yield Measure(
                percent,
                f"Replication slot {row.name} takes {percent:.0f} % of the WAL that may be kept for it: "
                f"after another {shown_bytes(max(0, row.safe_bytes))} it may lose what it needs.",
                row.name,
                row.database,
            )


_WAL_STATUS = {"unreserved": (1, "is about to lose"), "lost": (2, "has lost")}


def _slot_lost(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.REPLICATION_SLOTS):
        row = seen.row
        if row.wal_status in _WAL_STATUS:
            value, what = _WAL_STATUS[row.wal_status]
            yield Measure(
                value,
                f"Replication slot {row.name} {what} WAL its reader still needs.",
                row.name,
                row.database,
            )


def _subscription_down(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.SUBSCRIPTIONS):
        row = seen.row
        if not row.running:
            why = "is enabled but has no worker" if row.enabled else "is disabled"
            yield Measure(1, f"Subscription {row.name} in {row.database} {why}.", row.name, row.database)


def _subscription_errors(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.SUBSCRIPTIONS):
        row = seen.row
        errors = (row.apply_errors or 0) + (row.sync_errors or 0)
        # The server counts since it was told to start again, and does not say when the last one was.
        since = row.errors_since_seconds
        span = "since it was made" if since is None else f"in the last {shown_seconds(since)}"
        yield Measure(
            errors,
            f"Subscription {row.name} in {row.database} failed {shown_count(errors, 'time')} to apply or copy changes "
            f"{span}.",
            row.name,
            row.database,
        )


CHECKS = (
    Check(
        name="replica_lag_seconds",
        subset="replication",
        unit="s",
        measure=_replica_seconds,
        remedy="Look at the replica's network, disk and long queries; move its reads to the primary meanwhile.",
        levels=Levels(warning=5, critical=30),
    ),
    Check(
        name="replica_lag_bytes",
        subset="replication",
        unit="bytes",
        measure=_replica_bytes,
        remedy="Look at the replica's network, disk and long queries; move its reads to the primary meanwhile.",
        levels=Levels(warning=128 * 1024**2, critical=1024**3),
    ),
    Check(
        name="replica_not_streaming",
        subset="replication",
        unit="replicas",
        measure=_not_streaming,
        remedy="Wait if it catches up; otherwise read the replica's log.",
        levels=Levels(warning=0),
    ),
    Check(
        name="replicas_connected",
        subset="replication",
        unit="replicas",
        above=False,
        measure=_connected,
        remedy="Look at the missing replica's service, network and log.",
    ),
    Check(
        name="sync_standbys_missing",
        subset="replication",
        unit="standbys",
        measure=_sync_missing,
        remedy="Bring the standby back, or take it out of synchronous_standby_names and accept the risk.",
        levels=Levels(critical=0),
    ),
    Check(
        name="standby_lag_seconds",
        subset="replication",
        unit="s",
        measure=_standby_seconds,
        remedy="Look at its network, disk and long queries; move its reads to the primary meanwhile.",
        levels=Levels(warning=5, critical=30),
    ),
    Check(
        name="standby_not_receiving",
        subset="replication",
        unit="standbys",
        measure=_not_receiving,
        remedy="Look at primary_conninfo, the primary's pg_hba.conf and the standby's log.",
        levels=Levels(critical=0),
    ),
    Check(
        name="replay_paused",
        subset="replication",
        unit="standbys",
        measure=_paused,
        remedy="SELECT pg_wal_replay_resume() on the standby, once whoever paused it agrees.",
        levels=Levels(warning=0),
    ),
    Check(
        name="slot_inactive",
        subset="replication",
        unit="slots",
        measure=_slot_inactive,
        remedy="Bring its reader back, or SELECT pg_drop_replication_slot() if it has none any more.",
        levels=Levels(warning=0),
    ),
    Check(
        name="slot_retained_bytes",
        subset="replication",
        unit="bytes",
        measure=_slot_retained,
        remedy="Bring its reader back, or drop the slot before the disk is full.",
        levels=Levels(warning=1024**3, critical=10 * 1024**3),
    ),
    Check(
        name="slot_used_percent",
        subset="replication",
        unit="%",
        measure=_slot_used,
        remedy="Let its reader catch up, or raise max_slot_wal_keep_size while the disk has room.",
        levels=Levels(warning=70, critical=90),
    ),
    Check(
        name="slot_lost",
        subset="replication",
        unit="slots",
        measure=_slot_lost,
        remedy="Its reader must be built anew from a base backup; drop the slot.",
        levels=Levels(warning=0, critical=1),
    ),
    Check(
        name="subscription_down",
        subset="replication",
        unit="subscriptions",
        measure=_subscription_down,
        remedy="ALTER SUBSCRIPTION ... ENABLE, or read the server log for why its worker ends.",
        levels=Levels(warning=0),
    ),
    Check(
        name="subscription_errors",
        subset="replication",
        unit="errors",
        measure=_subscription_errors,
        remedy="The server log names the conflicting row; correct it or skip the transaction, "
        "then SELECT pg_stat_reset_subscription_stats() to count anew.",
        levels=Levels(warning=0),
    ),
)
