"""Every check finds its fault when the fault is there, and only then."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.integration.faults import configuration, databases, pooler, replication, sessions, tables, wal
from tests.integration.runner import CHECKS, Finding, Health
from tests.integration.servers import Server

Fault = Callable[[Server], AbstractContextManager[str | None]]
MEGABYTE = 1024**2

# What the tests of the real host prove, since a disk can only be looked at from there.
ELSEWHERE = {
    "disk_used_percent",
    "inodes_used_percent",
    "database_disk_percent",
    "backup_age_seconds",
    "backup_verified_seconds",
    "backup_problems",
    "drill_age_seconds",
    "drill_failed",
}
# What Patroni answers is stood in for by a server of its REST in the unit tests: no server here is run by it.
OF_PATRONI = {
    "patroni_unreachable",
    "patroni_paused",
    "patroni_without_leader",
    "patroni_etcd_age_seconds",
    "patroni_member_not_working",
}
NO_LEVELS = {"info": None, "warning": None, "critical": None, "floor": None}


@dataclass(frozen=True)
class Case:
    """A fault, the check that finds it, and the levels at which it does."""

    subset: str
    check: str
    fault: Fault
    levels: Mapping[str, float]
    severity: str = "warning"
    # What the finding calls the database; where it is looked at too.
    database: str | None = None
    # The least and the most that may be measured.
    value: tuple[float, float] | None = None
    since: int = 13
    standby: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.check}-{self.fault.__name__}"


CASES: Sequence[Case] = (
    # server
    Case("server", "settings_pending_restart", configuration.pending_restart, {"warning": 0}, value=(1, 1)),
    Case("server", "configuration_errors", configuration.broken_setting, {"critical": 0}, "critical"),
    Case("server", "hba_errors", configuration.broken_hba, {"critical": 0}, "critical"),
    Case("server", "collation_mismatch", configuration.other_collation_version, {"warning": 0}, database="app"),
    Case(
        "server",
        "collation_mismatch",
        configuration.other_database_collation_version,
        {"warning": 0},
        database="scratch",
        since=15,
    ),
    # sessions
    Case("sessions", "connections_percent", sessions.crowd, {"warning": 45, "critical": 70}, value=(50, 70)),
    Case("sessions", "active_connections", sessions.busy_sessions, {"warning": 2}, value=(3, 3)),
    Case("sessions", "longest_query_seconds", sessions.slow_query_anywhere, {"critical": 0.2}, "critical"),
    Case("sessions", "slow_query_seconds", sessions.slow_query, {"warning": 0.2}, database="app"),
    Case("sessions", "idle_in_transaction_seconds", sessions.idle_transaction, {"warning": 0.2}, database="app"),
    Case("sessions", "idle_session_seconds", sessions.idle_session, {"info": 0.2}, "info", database="app"),
    Case("sessions", "lock_waiting_percent", sessions.waiting, {"warning": 1, "critical": 95}, value=(40, 100)),
    Case("sessions", "blocked_seconds", sessions.blocked, {"critical": 0.2}, "critical", database="app"),
    Case("sessions", "prepared_transaction_seconds", sessions.prepared_transaction, {"warning": 0.1}, database="app"),
    # databases
    Case("databases", "cache_hit_percent", databases.cache_misses, {"warning": 99.999, "floor": 5}, database="scratch"),
    Case("databases", "deadlocks_per_hour", sessions.deadlocks, {"warning": 1}, database="scratch", value=(2, 2)),
    Case("databases", "temp_bytes_per_hour", databases.temp_files, {"warning": MEGABYTE}, database="scratch"),
    Case("databases", "checksum_failures", databases.damaged_page, {"critical": 0}, "critical", database="scratch"),
    Case("databases", "xid_used_percent", databases.old_transaction_ids, {"warning": 0}, database="scratch"),
    Case("databases", "mxid_used_percent", databases.old_transaction_ids, {"warning": 0}, database="scratch"),
    Case("databases", "xmin_horizon_transactions", databases.held_horizon, {"warning": 20}, value=(25, 40)),
    Case("databases", "xmin_horizon_transactions", databases.writing_transaction, {"warning": 20}, value=(25, 40)),
    Case("databases", "xmin_horizon_transactions", databases.old_slot, {"warning": 20}, value=(25, 40)),
    Case("databases", "xmin_horizon_transactions", databases.old_prepared_transaction, {"warning": 20}, value=(25, 40)),
    Case("databases", "invalid_database", databases.interrupted_drop, {"warning": 0}, database="scratch"),
    Case("databases", "database_bytes", databases.large_database, {"warning": 30 * MEGABYTE}, database="scratch"),
    Case(
        "databases",
        "transaction_rate_deviation_percent",
        databases.idle_against_baseline,
        {"critical": 90},
        "critical",
        options={"baseline": {"transactions_per_second": 1e6}, "sample_seconds": 0.2},
    ),
    # replication, seen from the primary
    Case("replication", "replica_lag_seconds", replication.lagging_replica, {"warning": 0.2}),
    Case("replication", "replica_lag_bytes", replication.lagging_replica, {"warning": MEGABYTE / 2}),
    Case("replication", "replica_not_streaming", replication.silent_walsender, {"warning": 0}),
    Case("replication", "replicas_connected", replication.absent_replica, {"critical": 1}, "critical", value=(0, 0)),
    Case("replication", "sync_standbys_missing", replication.missing_sync_standby, {"critical": 0}, "critical"),
    Case("replication", "slot_inactive", replication.unused_slot, {"warning": 0}),
    Case("replication", "slot_retained_bytes", replication.unused_slot, {"warning": 3 * MEGABYTE}),
    Case("replication", "slot_used_percent", replication.limited_slot, {"critical": 15}, "critical"),
    Case("replication", "slot_lost", replication.lost_slot, {"warning": 0, "critical": 1}, "critical"),
    Case("replication", "subscription_down", replication.stopped_subscription, {"warning": 0}, database="subscriber"),
    Case("replication", "subscription_down", replication.disabled_subscription, {"warning": 0}, database="subscriber"),
    Case(
        "replication",
        "subscription_errors",
        replication.conflicting_subscription,
        {"warning": 0},
        database="subscriber",
        since=15,
    ),
    # replication, seen from the standby
    Case("replication", "standby_lag_seconds", replication.paused_replay, {"warning": 0.2}, standby=True),
    Case("replication", "standby_lag_seconds", replication.lagging_cut_off_standby, {"warning": 0.2}, standby=True),
    Case("replication", "replay_paused", replication.paused_replay, {"warning": 0}, standby=True),
    Case(
        "replication", "standby_not_receiving", replication.cut_off_standby, {"critical": 0}, "critical", standby=True
    ),
    # wal
    Case("wal", "archive_failing_seconds", wal.failing_archiver, {"warning": 0, "critical": 900}),
    Case("wal", "archive_queue_files", wal.archive_queue, {"warning": 3}, value=(4, 10)),
    Case("wal", "archive_queue_seconds", wal.hung_archiver, {"warning": 0.3}),
    Case("wal", "wal_used_percent", wal.large_wal_directory, {"critical": 150}, "critical"),
    Case(
        "wal", "checkpoints_requested_percent", wal.requested_checkpoints, {"warning": 90, "floor": 5}, value=(100, 100)
    ),
    # tables
    Case("tables", "dead_rows", tables.dead_rows, {"warning": 9000, "critical": 50000}, database="app"),
    Case("tables", "dead_percent", tables.dead_rows, {"warning": 40, "floor": 9000}, database="app", value=(49, 51)),
    Case("tables", "hot_update_percent", tables.cold_updates, {"info": 50, "floor": 4000}, "info", database="app"),
    Case(
        "tables",
        "rows_per_sequential_scan",
        tables.sequential_scans,
        {"info": 15000, "floor": 10},
        "info",
        database="app",
    ),
    Case("tables", "vacuum_tables_due", tables.vacuum_backlog, {"warning": 0}, database="scratch"),
    Case("tables", "autovacuum_disabled", tables.autovacuum_off, {"critical": 0}, "critical"),
    # partitions
    Case("partitions", "partitions_ahead", tables.partitions_run_out, {"critical": 1}, "critical", database="app"),
    Case("partitions", "default_partition_rows", tables.rows_in_default_partition, {"warning": 0}, database="app"),
    Case("partitions", "detach_pending", tables.detach_pending, {"warning": 0}, database="app", since=14),
    Case("partitions", "unarchived_expiry", tables.expiry_interrupted, {"warning": 0}, database="app"),
    # indexes, bloat, sequences, statements
    Case("indexes", "invalid_index", tables.invalid_index, {"warning": 0}, database="app"),
    Case("indexes", "invalid_index", tables.unattached_index, {"warning": 0}, database="app"),
    Case("indexes", "invalid_index", tables.leftover_index, {"warning": 0}, database="app"),
    Case("indexes", "invalid_index", tables.invalid_index_beside_a_vacuum, {"warning": 0}, database="app"),
    Case("indexes", "invalid_index", tables.same_index_rebuilt_elsewhere, {"warning": 0}, database="scratch"),
    Case("indexes", "unused_index_bytes", tables.unused_index, {"info": 100000, "floor": 0}, "info", database="app"),
    Case("indexes", "duplicate_index_bytes", tables.duplicate_index, {"info": 0}, "info", database="app"),
    Case("bloat", "table_bloat_percent", tables.bloat, {"warning": 50, "floor": MEGABYTE}, database="app"),
    Case("bloat", "index_bloat_percent", tables.bloated_index, {"warning": 50, "floor": MEGABYTE}, database="app"),
    Case("sequences", "sequence_used_percent", tables.full_sequence, {"critical": 90}, "critical", database="app"),
    Case("sequences", "sequence_used_percent", tables.full_serial, {"critical": 90}, "critical", database="app"),
    Case("sequences", "sequence_used_percent", tables.full_descending_sequence, {"warning": 90}, database="app"),
    Case("statements", "statement_mean_milliseconds", databases.slow_statement, {"info": 250}, "info", database="app"),
    # pgbouncer
    Case("pgbouncer", "pool_used_percent", pooler.exhausted_pool, {"warning": 70, "critical": 95}, "critical"),
    Case("pgbouncer", "pool_waiting_clients", pooler.exhausted_pool, {"warning": 1}, value=(2, 2)),
    Case("pgbouncer", "pool_wait_seconds", pooler.exhausted_pool, {"warning": 0.1}),
    Case("pgbouncer", "pooler_clients_percent", pooler.many_pooler_clients, {"warning": 45}, value=(50, 60)),
    Case("pgbouncer", "pooler_unreachable", pooler.stopped, {"critical": 0}, "critical"),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_fault_is_found(server: Server, health: Health, case: Case) -> None:
    if server.version < case.since:
        pytest.skip(f"PostgreSQL {server.version} does not tell")

    def look() -> list[Finding]:
        report = health(
            case.subset,
            databases=[case.database or "app"],
            standby=case.standby,
            thresholds={case.check: {**NO_LEVELS, **case.levels}},
            pgbouncer=pooler.console(server) if case.subset == "pgbouncer" else None,
            limit=100,
            **case.options,
        )
        return report.findings(case.check)

    with case.fault(server) as fault:
        found = [finding for finding in look() if finding["object"] == fault]
    assert [finding["severity"] for finding in found] == [case.severity]
    assert_told(found[0], case)
    if case.check not in ALWAYS:
        assert fault not in [finding["object"] for finding in look()]


# Where the levels alone make the fault.
ALWAYS = {"transaction_rate_deviation_percent"}


def assert_told(finding: Finding, case: Case) -> None:
    """The finding says all that an operator needs."""
    assert set(finding) == {
        *("check", "severity", "value", "warning", "critical"),
        *("unit", "object", "database", "message", "remedy"),
    }
    assert finding["database"] == case.database
    assert (finding["warning"], finding["critical"]) == (case.levels.get("warning"), case.levels.get("critical"))
    assert finding["unit"]
    assert finding["remedy"].endswith(".")
    assert finding["message"]
    assert "\n" not in finding["message"]
    least, most = case.value or (float("-inf"), float("inf"))
    assert least <= finding["value"] <= most


def test_every_check_has_its_fault() -> None:
    assert {case.check for case in CASES} | ELSEWHERE | OF_PATRONI == set(importlib.import_module(CHECKS).CHECKS)
