# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Backups and drills: not asked of the server but read from what was written down on its host.

/var/lib/runbook-postgres holds a file for each cluster, readable for everyone and without secrets:
drill-<cluster>.json, and backup-<cluster>.json with `cluster`, `last_backup_at`, `last_verified_at`,
`recoverable_from` and `recoverable_to`, each time in ISO 8601 with its offset or null, and in `repositories` the
`problems` of each, in sentences. Dumps are looked at where they lie: each has a manifest.json with what it is of, and
verified.json with the proofs that held and the last one that did not.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Probe

STATE_DIRECTORY = "/var/lib/runbook-postgres"


@dataclass(frozen=True)
class Backup:
    """Ages are in seconds; null is never."""

    cluster: str
    last_backup_at: str | None
    backup_seconds: float | None
    last_verified_at: str | None
    verified_seconds: float | None
    recoverable_from: str | None
    recoverable_to: str | None
    # What is wrong with backups that are kept and with the WAL between them; how many, and in sentences.
    problems: int
    told: str

    @property
    def subject(self) -> str:
        return f"cluster {self.cluster}"

    @property
    def named(self) -> str:
        return self.cluster


@dataclass(frozen=True)
class Dump:
    """The latest whole dump of a database that is backed up into a directory; ages are in seconds, null is never."""

    database: str
    directory: str
    last_backup_at: str | None
    backup_seconds: float | None
    last_verified_at: str | None
    verified_seconds: float | None
    # What is wrong with those that are kept; how many, and in sentences.
    problems: int
    told: str

    @property
    def subject(self) -> str:
        return f"database {self.database} in {self.directory}"

    @property
    def named(self) -> str:
        return self.database


@dataclass(frozen=True)
class Drill:
    """The last recovery drill, and when one passed last."""

    cluster: str
    at: str | None
    passed: bool
    passed_at: str | None
    passed_seconds: float | None
    rto_seconds: float | None
    rpo_seconds: float | None
    # Why it did not pass, in sentences.
    faults: str


BACKUPS = Probe(name="backups", subset="backups", row=Backup, sql={})
DUMPS = Probe(name="dumps", subset="backups", row=Dump, sql={})
DRILLS = Probe(name="drills", subset="backups", row=Drill, sql={})

PROBES = (BACKUPS, DUMPS, DRILLS)
