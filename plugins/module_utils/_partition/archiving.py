# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Where planning and archiving meet: what has to be known of the partitions that are to be archived, and is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.steps import Archive
from ansible_collections.runbook.postgres.plugins.module_utils._partition.catalog import Found
from ansible_collections.runbook.postgres.plugins.module_utils._partition.plan import plan_partitions
from ansible_collections.runbook.postgres.plugins.module_utils._partition.state import Partition, Policy
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session

if TYPE_CHECKING:
    from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.archiver import Archiver


def ready(session: Session, found: Found, policy: Policy, now: int) -> tuple[Found, Policy]:
    """The same with what archiving has to know; refuses what cannot be archived."""
    if policy.archive is None:
        return found, policy
    # Where this runs modules are compiled each time anew: what is not asked for need not be.
    from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.describe import (  # noqa: PLC0415
        read_origin,
    )
    from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.preflight import (  # noqa: PLC0415
        fitted,
        refuse_unfit_store,
    )

    title = found.table.title
    refuse_unfit_store(title, policy.archive)
    system_identifier, database = read_origin(session)
    policy = replace(policy, archive=replace(policy.archive, system_identifier=system_identifier, database=database))
    due = archives(plan_partitions(found.table, policy, now))
    if not due:
        return found, policy
    # Statistics may be old or missing; whether there is room is a question for the files themselves.
    sizes = fitted(session, title, due)

    def measured(partitions: Sequence[Partition]) -> tuple[Partition, ...]:
        return tuple(replace(each, bytes=sizes.get(each.oid, each.bytes)) for each in partitions)

    table = replace(found.table, partitions=measured(found.table.partitions), marked=measured(found.table.marked))
    return replace(found, table=table), policy


def refuse_where_full(steps: Sequence[Archive]) -> None:
    if steps:
        from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.preflight import (  # noqa: PLC0415
            refuse_too_full,
        )

        refuse_too_full(steps)


def refuse_to_archive_at_once(found: Found, policy: Policy, now: int) -> None:
    """Partitions that are still to be made cannot be measured for their archives."""
    if policy.archive is not None and archives(plan_partitions(found.table, policy, now)):
        raise Refused(
            f"{found.table.title} is to be converted, and some of its partitions would be archived at once: "
            "leave on_expiry away this time, and set it when the table is partitioned."
        )


def archives(plan: Plan) -> list[Archive]:
    return [step for step in plan.changes if isinstance(step, Archive)]


def archives_told(plan: Plan, archiver: Archiver | None) -> list[dict[str, Any]]:
    """Those that were kept, or in check mode those that would be."""
    if archiver is None:
        return [_told(step, str(step.store.file(step.stem))) for step in archives(plan)]
    lines = []
    for step in archives(plan):
        kept = archiver.kept.get(step.partition.oid)
        if kept is not None:
            known = kept.manifest
            told = {"rows": known.rows, "bytes": known.bytes, "sha256": known.sha256, "verified": known.verified}
            told |= {"file_bytes": known.file_bytes, "file_sha256": known.file_sha256, "offsite": kept.offsite}
            lines.append({**_told(step, str(kept.file)), **told})
    return lines


def _told(step: Archive, file: str) -> dict[str, Any]:
    unknown = ("rows", "bytes", "sha256", "file_bytes", "file_sha256", "verified", "offsite")
    return {
        "partition": step.partition.name,
        "file": file,
        "table_bytes": step.partition.bytes,
        **dict.fromkeys(unknown),
    }
