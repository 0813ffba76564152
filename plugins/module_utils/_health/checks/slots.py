# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is kept for those that read from a slot or subscribe, and do they read?"""

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
