# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The shape in which everything is handed to the user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._health import catalog
from ansible_collections.runbook.postgres.plugins.module_utils._health.blocking import (
    Blocked,
    blocking_forest,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import server as server_catalog
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import sessions
from ansible_collections.runbook.postgres.plugins.module_utils._health.judge import Finding, status
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import (
    Observed,
    Probe,
    Seen,
)

# Read for our own use, or shown elsewhere in another form.
_NOT_SHOWN = {server_catalog.PENDING_SETTINGS, sessions.LOCK_PARTIES}
_OWN_USE = ("monitor", "same_host", "settings_kept", "block_bytes", "now")


def facts(
    observed: Observed,
    findings: Sequence[Finding],
    duration_ms: int,
    limit: int | None = None,
    ignored: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    return {
        "status": status(observed, findings),
        "server": _server(observed),
        "metrics": _metrics(observed, limit),
        "findings": [_rounded(asdict(each)) for each in findings],
        "ignored": dict(ignored or {}),
        "unavailable": [asdict(each) for each in observed.unavailable],
        "duration_ms": duration_ms,
    }


def _server(observed: Observed) -> dict[str, Any]:
    if observed.server is None:
        return {}
    shown = {name: value for name, value in asdict(observed.server).items() if name not in _OWN_USE}
    answered = server_catalog.PENDING_SETTINGS.name in observed.rows
    pending = [seen.row.name for seen in observed.of(server_catalog.PENDING_SETTINGS)] if answered else None
    return _rounded({**shown, "settings_pending_restart": pending})


def _metrics(observed: Observed, limit: int | None) -> dict[str, dict[str, Any]]:
    """Rows by subset and probe; a probe that was not asked or not answered is not there."""
    metrics: dict[str, dict[str, Any]] = {}
    for probe in catalog.PROBES:
        if probe.name in observed.rows and probe not in _NOT_SHOWN:
            metrics.setdefault(probe.subset, {})[probe.name] = _rows(probe, observed.of(probe))
    if sessions.LOCK_PARTIES.name in observed.rows:
        forest = blocking_forest([seen.row for seen in observed.of(sessions.LOCK_PARTIES)])[:limit]
        metrics.setdefault("sessions", {})["blocking"] = [_tree(tree) for tree in forest]
    return metrics


def _rows(probe: Probe, rows: Sequence[Seen]) -> Any:
    shown = [
        _rounded({**({} if seen.database is None else {"database": seen.database}), **asdict(seen.row)})
        for seen in rows
    ]
    return (shown[0] if shown else None) if probe.single else shown


def _tree(tree: Blocked) -> dict[str, Any]:
    party = {} if tree.party is None else asdict(tree.party)
    party.pop("blocked_by", None)
    return {**_rounded(party), "pid": tree.pid, "blocks": [_tree(waiter) for waiter in tree.waiters]}


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    """Three places are more than any figure here is worth."""
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in row.items()}
