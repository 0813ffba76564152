# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Every check the module knows, room by room."""

from __future__ import annotations

from ansible_collections.runbook.postgres.plugins.module_utils._health.check import Check
from ansible_collections.runbook.postgres.plugins.module_utils._health.checks import (
    backups,
    bloat,
    databases,
    indexes,
    keeper,
    others,
    partitions,
    pooler,
    replication,
    server,
    sessions,
    slots,
    storage,
    tables,
    wal,
)

CHECKS: dict[str, Check] = {
    check.name: check
    for check in (
        *server.CHECKS,
        *sessions.CHECKS,
        *databases.CHECKS,
        *replication.CHECKS,
        *slots.CHECKS,
        *wal.CHECKS,
        *storage.CHECKS,
        *backups.CHECKS,
        *tables.CHECKS,
        *partitions.CHECKS,
        *indexes.CHECKS,
        *bloat.CHECKS,
        *others.CHECKS,
        *pooler.CHECKS,
        *keeper.CHECKS,
    )
}
