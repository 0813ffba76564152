"""Configuration."""

from __future__ import annotations

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import server as catalog
from tests.unit.plugins.module_utils._health.checks.case import Case, present
from tests.unit.plugins.rows import observed, row

CASES = [
    Case(
        "settings_pending_restart",
        "warning",
        beyond=observed(
            *((catalog.PENDING_SETTINGS, row(catalog.PendingSetting, name=name)) for name in ("port", "wal_level"))
        ),
        within=observed(),
        message="Changed settings wait for a restart: port, wal_level.",
    ),
    *present(
        "configuration_errors",
        catalog.CONFIGURATION_ERRORS,
        "critical",
        "/etc/postgresql.conf:12 (work_mem) cannot be applied: setting could not be applied.",
        object="/etc/postgresql.conf:12",
        file="/etc/postgresql.conf",
        line=12,
        setting="work_mem",
        error="setting could not be applied",
    ),
    *present(
        "configuration_errors",
        catalog.CONFIGURATION_ERRORS,
        "critical",
        "/etc/postgresql.conf:3 cannot be applied: syntax error.",
        object="/etc/postgresql.conf:3",
        file="/etc/postgresql.conf",
        line=3,
        error="syntax error",
    ),
    *present(
        "hba_errors",
        catalog.HBA_ERRORS,
        "critical",
        "Line 7 of pg_hba.conf is not valid: invalid connection type.",
        object="line 7",
        line=7,
        error="invalid connection type",
    ),
    *present(
        "collation_mismatch",
        catalog.COLLATION_MISMATCHES,
        "warning",
        "Indexes ordered by collation de_DE were built under its version 2.31, the system now has 2.36: "
        "they may miss rows.",
        object="de_DE",
        in_database="shop",
        collation="de_DE",
        recorded_version="2.31",
        actual_version="2.36",
    ),
]
