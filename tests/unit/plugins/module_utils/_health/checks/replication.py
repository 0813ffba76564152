"""Replicas, this standby, slots and subscriptions."""

from __future__ import annotations

from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import replication as catalog
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Observed
from tests.unit.plugins.module_utils._health.checks.case import Case, present, stepped
from tests.unit.plugins.rows import observed, row

MIB = 1024**2
GIB = 1024**3


def _replicas(*states: tuple[str, str], names: str = "", role: str = "primary") -> Observed:
    """Replicas as (state, sync state), on a server that was asked for them even where it has none."""
    found = observed(
        *((catalog.REPLICAS, row(catalog.Replica, state=state, sync_state=sync)) for state, sync in states),
        synchronous_standby_names=names,
        role=role,
    )
    found.add(catalog.REPLICAS, [])
    return found


def _slot(role: str = "primary", **values: Any) -> Observed:
    found = row(catalog.ReplicationSlot, **{"name": "s1", "kind": "physical", **values})
    return observed((catalog.REPLICATION_SLOTS, found), role=role)


def _subscription(**values: Any) -> Observed:
    return observed((catalog.SUBSCRIPTIONS, row(catalog.Subscription, name="sub", database="shop", **values)))


def _standby(**values: Any) -> Observed:
    return observed((catalog.STANDBY, row(catalog.Standby, **values)))


CASES = [
    *stepped(
        "replica_lag_seconds",
        catalog.REPLICAS,
        "replay_lag_seconds",
        [("warning", 5, 5.1), ("critical", 30, 30.1)],
        "Replica pg2 at 10.0.0.2 is 5.1 s behind.",
        object="pg2",
        name="pg2",
        client="10.0.0.2",
    ),
    *stepped(
        "replica_lag_bytes",
        catalog.REPLICAS,
        "replay_lag_bytes",
        [("warning", 128 * MIB, 129 * MIB), ("critical", GIB, GIB + 1), ("warning", None, GIB)],
        "Replica pg2 at 10.0.0.2 has 129 MiB of WAL yet to replay.",
        object="pg2",
        name="pg2",
        client="10.0.0.2",
    ),
    *stepped(
        "replica_not_streaming",
        catalog.REPLICAS,
        "state",
        [("warning", "streaming", "catchup")],
        "Replica pg2 at local is in state catchup.",
        object="pg2",
        name="pg2",
        client="local",
    ),
    Case(
        "replicas_connected",
        "critical",
        beyond=_replicas(("catchup", "async"), ("streaming", "async")),
        within=_replicas(("streaming", "async"), ("streaming", "async")),
        message="1 replica streams from this server.",
        thresholds={"critical": 2},
    ),
    Case(
        "replicas_connected",
        "critical",
        beyond=_replicas(),
        within=observed(),
        message="0 replicas stream from this server.",
        thresholds={"critical": 1},
    ),
    Case(
        "sync_standbys_missing",
        "critical",
        beyond=_replicas(("streaming", "quorum"), ("catchup", "quorum"), names="ANY 2 (pg2, pg3)"),
        within=_replicas(("streaming", "quorum"), ("streaming", "quorum"), names="ANY 2 (pg2, pg3)"),
        message="synchronous_standby_names = 'ANY 2 (pg2, pg3)' wants 2 to confirm each commit and 1 can: "
        "commits that ask for it hang.",
    ),
    Case(
        "sync_standbys_missing",
        "critical",
        beyond=_replicas(("streaming", "async"), names="pg2"),
        within=_replicas(("streaming", "async"), names="pg2", role="standby"),
        message="synchronous_standby_names = 'pg2' wants 1 to confirm each commit and 0 can: "
        "commits that ask for it hang.",
    ),
    Case(
        "sync_standbys_missing",
        "critical",
        beyond=_replicas(names="*"),
        within=observed(synchronous_standby_names="*"),
        message="synchronous_standby_names = '*' wants 1 to confirm each commit and 0 can: "
        "commits that ask for it hang.",
    ),
    *stepped(
        "standby_lag_seconds",
        catalog.STANDBY,
        "replay_lag_seconds",
        [("warning", 5, 5.1), ("critical", 30, 30.1)],
        "This standby shows data from 5.1 s ago.",
    ),
    Case(
        "standby_not_receiving",
        "critical",
        beyond=_standby(configured=True),
        within=_standby(configured=True, receiving=True),
        message="This standby has a primary_conninfo but receives no WAL through it.",
    ),
    # One that restores from the archive only has nothing to receive.
    Case("standby_not_receiving", "critical", beyond=_standby(configured=True), within=_standby(configured=False)),
    Case(
        "replay_paused",
        "warning",
        beyond=_standby(paused=True, received_lag_bytes=3 * MIB),
        within=_standby(received_lag_bytes=3 * MIB),
        message="Replay is paused on this standby with 3.0 MiB waiting.",
    ),
    Case(
        "slot_inactive",
        "warning",
        beyond=_slot(inactive_seconds=300.0),
        within=_slot(active=True),
        message="Nobody reads from physical replication slot s1 since 5 min.",
        object="s1",
    ),
    Case(
        "slot_inactive",
        "warning",
        beyond=_slot(kind="logical", database="shop"),
        within=_slot(active=True),
        message="Nobody reads from logical replication slot s1.",
        object="s1",
        database="shop",
    ),
    Case(
        "slot_inactive",
        "warning",
        beyond=_slot(role="standby", wal_status="extended"),
        within=_slot(role="standby", wal_status="reserved"),
        object="s1",
    ),
    Case("slot_inactive", "warning", beyond=_slot(), within=_slot(role="standby"), object="s1"),
    *stepped(
        "slot_retained_bytes",
        catalog.REPLICATION_SLOTS,
        "retained_bytes",
        [("warning", GIB, 2 * GIB), ("critical", 10 * GIB, 10 * GIB + 1), ("critical", None, 11 * GIB)],
        "Replication slot s1 keeps 2.0 GiB of WAL from being removed.",
        object="s1",
        name="s1",
    ),
    Case(
        "slot_used_percent",
        "warning",
        beyond=_slot(retained_bytes=710 * MIB, safe_bytes=290 * MIB),
        within=_slot(retained_bytes=700 * MIB, safe_bytes=300 * MIB),
        message="Replication slot s1 takes 71 % of the WAL that may be kept for it: "
        "after another 290 MiB it may lose what it needs.",
        object="s1",
    ),
    Case(
        "slot_used_percent",
        "critical",
        beyond=_slot(retained_bytes=91, safe_bytes=9),
        within=_slot(retained_bytes=90, safe_bytes=10),
        object="s1",
    ),
    # Nothing is safe any more; and a small limit of which nothing is used.
    Case(
        "slot_used_percent",
        "critical",
        beyond=_slot(retained_bytes=10, safe_bytes=-10),
        within=_slot(retained_bytes=0, safe_bytes=64 * MIB),
        message="Replication slot s1 takes 100 % of the WAL that may be kept for it: "
        "after another 0 B it may lose what it needs.",
        object="s1",
    ),
    Case(
        "slot_used_percent",
        "critical",
        beyond=_slot(retained_bytes=11, safe_bytes=-1),
        within=_slot(retained_bytes=GIB),
        object="s1",
    ),
    Case(
        "slot_lost",
        "warning",
        beyond=_slot(wal_status="unreserved"),
        within=_slot(wal_status="extended"),
        message="Replication slot s1 is about to lose WAL its reader still needs.",
        object="s1",
    ),
    Case(
        "slot_lost",
        "critical",
        beyond=_slot(wal_status="lost"),
        within=_slot(wal_status="unreserved"),
        message="Replication slot s1 has lost WAL its reader still needs.",
        object="s1",
    ),
    Case(
        "subscription_down",
        "warning",
        beyond=_subscription(enabled=True),
        within=_subscription(enabled=True, running=True),
        message="Subscription sub in shop is enabled but has no worker.",
        object="sub",
        database="shop",
    ),
    *present(
        "subscription_down",
        catalog.SUBSCRIPTIONS,
        "warning",
        "Subscription sub in shop is disabled.",
        object="sub",
        name="sub",
        database="shop",
    ),
    Case(
        "subscription_errors",
        "warning",
        beyond=_subscription(apply_errors=2, sync_errors=1),
        within=_subscription(apply_errors=0, sync_errors=None),
        message="Subscription sub in shop failed 3 times to apply or copy changes since it was made.",
        object="sub",
        database="shop",
    ),
    Case(
        "subscription_errors",
        "warning",
        beyond=_subscription(sync_errors=1, errors_since_seconds=7200.0),
        within=_subscription(),
        message="Subscription sub in shop failed 1 time to apply or copy changes in the last 2 h.",
        object="sub",
        database="shop",
    ),
]
