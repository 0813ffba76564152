"""Backups and drills, as they were written down."""

from __future__ import annotations

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import backups as catalog
from tests.unit.plugins.module_utils._health.checks.case import Case, present, stepped

DAY = 86400.0

CASES: list[Case] = [
    *stepped(
        "backup_age_seconds",
        catalog.BACKUPS,
        "backup_seconds",
        [("warning", DAY, DAY + 60), ("critical", 3 * DAY, 3 * DAY + 60)],
        "The latest backup is 1 d old of cluster orders; it can be recovered from A to B.",
        object="orders",
        cluster="orders",
        recoverable_from="A",
        recoverable_to="B",
    ),
    *stepped(
        "backup_verified_seconds",
        catalog.BACKUPS,
        "verified_seconds",
        [("warning", 8 * DAY, None)],
        "A backup of cluster orders was never verified.",
        object="orders",
        cluster="orders",
    ),
    *stepped(
        "backup_problems",
        catalog.BACKUPS,
        "problems",
        [("warning", 0, 1)],
        "Backups of cluster orders have problems: WAL segment 3 is missing in repository 1.",
        object="orders",
        cluster="orders",
        told="WAL segment 3 is missing in repository 1.",
    ),
    *stepped(
        "drill_age_seconds",
        catalog.DRILLS,
        "passed_seconds",
        [("warning", 35 * DAY, 36 * DAY)],
        "The last recovery drill that passed was 36 d ago for cluster orders.",
        object="orders",
        cluster="orders",
    ),
    *present(
        "drill_failed",
        catalog.DRILLS,
        "critical",
        "The recovery drill of cluster orders at noon did not pass: RTO was 2 h. RPO was 3 h.",
        object="orders",
        cluster="orders",
        at="noon",
        passed=False,
        faults="RTO was 2 h. RPO was 3 h.",
    ),
]
