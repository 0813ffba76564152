# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Do the followers follow?"""

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
)
