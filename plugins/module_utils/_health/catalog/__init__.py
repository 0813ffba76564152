# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Every question the module can ask, room by room."""

from __future__ import annotations

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import (
    backups,
    bloat,
    custom,
    databases,
    indexes,
    keeper,
    pooler,
    progress,
    replication,
    sequences,
    server,
    sessions,
    statements,
    storage,
    tables,
    wal,
)

CUSTOM_VALUES = custom.CUSTOM_VALUES

PROBES = (
    *server.PROBES,
    *sessions.PROBES,
    *databases.PROBES,
    *replication.PROBES,
    *wal.PROBES,
    *storage.PROBES,
    *backups.PROBES,
    *tables.PROBES,
    *indexes.PROBES,
    *bloat.PROBES,
    *sequences.PROBES,
    *statements.PROBES,
    *progress.PROBES,
    *pooler.PROBES,
    *keeper.PROBES,
    *custom.PROBES,
)
