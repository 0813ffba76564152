# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Where the server keeps its files. How full those disks are is asked of the host, not of SQL."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Probe


@dataclass(frozen=True)
class StoragePath:
    purpose: str
    path: str


STORAGE_PATHS = Probe(
    name="storage_paths",
    subset="storage",
    row=StoragePath,
    sql={
        13: """
SELECT 'data directory' AS purpose, current_setting('data_directory') AS path
UNION ALL
SELECT 'WAL', current_setting('data_directory') || '/pg_wal'
UNION ALL
SELECT 'tablespace ' || spcname, pg_tablespace_location(oid)
  FROM pg_tablespace
 WHERE pg_tablespace_location(oid) <> ''
"""
    },
    advice="make the role a member of pg_monitor",
)


@dataclass(frozen=True)
class Disk:
    """A file system that holds some of the server's files."""

    purpose: str
    path: str
    total_bytes: int
    used_bytes: int
    # What is left to the server; some of what is free may be kept for root.
    available_bytes: int
    used_percent: float
    inodes_used_percent: float | None


# Not asked of the server: observe.py measures the paths above on the host.
DISKS = Probe(name="disks", subset="storage", row=Disk, sql={})


@dataclass(frozen=True)
class TablespaceSize:
    tablespace: str
    bytes: int


TABLESPACE_SIZES = Probe(
    name="tablespace_sizes",
    subset="storage",
    row=TablespaceSize,
    sql={
        13: """
SELECT spcname::text AS tablespace, pg_tablespace_size(oid) AS bytes
  FROM pg_tablespace
 WHERE spcname <> 'pg_global'
 ORDER BY 2 DESC
"""
    },
    advice="make the role a member of pg_monitor",
)

PROBES = (STORAGE_PATHS, DISKS, TABLESPACE_SIZES)
