# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The backup of what is about to be replaced: as any other, under a label of its own, proven before it counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._backup import place
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical import preflight
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.dump import Way
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.observe import read_found
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.request import FULL, Wanted
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.run import readable_of
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.take import Taking
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.tools import find_tools, packing
from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import ALL, CUSTOM, SAFETY
from ansible_collections.runbook.postgres.plugins.module_utils._backup.repository import Backup, Repository
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore import tools
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.plan import SafetyBackup
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.whole import Server
from ansible_collections.runbook.postgres.plugins.module_utils._backup.retention import Retention
from ansible_collections.runbook.postgres.plugins.module_utils._stream.compression import GZIP

NOBODY_ELSE = (-1, -1)


def back_up(server: Server, restored: Backup) -> Callable[[SafetyBackup], str]:
    """For whom the restored one is encrypted, this one is as well."""

    def taken(step: SafetyBackup) -> str:
        wish = _wish(step, restored.manifest.recipients)
        with server.connect(step.database) as session, tools.environment(server.parameters) as environment:
            found = read_found(session, wish.tables, wish.content)
            programs = find_tools(session.major)
            packed = packing(wish.format, wish.method, wish.level, programs.major)
            preflight.refuse_unfit(wish, packed)
            preflight.refuse_too_full(wish, preflight.needed_bytes(wish, found, []))
            preflight.make_destination(wish.destination, NOBODY_ELSE)
            way = Way(programs, tools.conninfo(server.parameters, step.database), environment)
            with place.alone(wish.destination, readable_of(step.database), wish.title):
                number = Repository(wish.destination).next_number(wish.database)
                taking = Taking(wish, found, packed, way, number, NOBODY_ELSE)
                return taking.take(session).backup.id

    return taken


def _wish(step: SafetyBackup, recipients: tuple[str, ...]) -> Wanted:
    return Wanted(
        database=step.database,
        destination=Path(step.place),
        label=SAFETY,
        content=ALL,
        tables=step.tables,
        format=CUSTOM,
        jobs=1,
        method=GZIP,
        level=None,
        globals=FULL,
        count_rows=True,
        recipients=recipients,
        identity=None,
        owner=None,
        group=None,
        max_age=timedelta(0),
        verify="checksum",
        retention=Retention(),
        offsite=None,
        expected_bytes=None,
        lock_seconds=60.0,
        timeout=int(tools.LONGEST_SECONDS),
    )
