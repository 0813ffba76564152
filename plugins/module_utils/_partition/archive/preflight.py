# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What must be true before the first partition is touched: place, room, programs, keys, and rows we may read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._command import find
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.describe import FITNESS
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.steps import Archive, size
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.store import Store
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session
from ansible_collections.runbook.postgres.plugins.module_utils._stream.compression import PLAIN, ZSTD
from ansible_collections.runbook.postgres.plugins.module_utils._stream.keys import try_recipients
from ansible_collections.runbook.postgres.plugins.module_utils._stream.placing import writable


def refuse_unfit_store(title: str, store: Store) -> None:
    """Whether archives can be made here as asked, though none may be due today."""
    try:
        if store.compression == ZSTD:
            find("zstd", "zstd")
        if store.offsite is not None:
            find("rclone", "rclone")
        if store.recipients:
            try_recipients("archive recipients", store.recipients)
        existing(store.destination)
    except Refused as error:
        raise Refused(f"{title}: {error.sentence}") from error


def existing(destination: Path) -> Path:
    return writable("archive destination", destination)


def fitted(session: Session, title: str, steps: Sequence[Archive]) -> dict[int, int]:
    """The true sizes of the partitions by oid, or the reason why they cannot be archived."""
    rows = session.fetch(FITNESS, {"oids": [step.partition.oid for step in steps]})
    known = {row["oid"]: row for row in rows}
    for step in steps:
        name, row = step.partition.name, known.get(step.partition.oid)
        if row is None:
            raise Refused(f"{title}: {name} went away while we looked at it: run this again.")
        if row["relkind"] != "r":
            raise Refused(f"{title}: {name} is no plain table, and only those are archived: detach it yourself.")
        if not row["owned"]:
            raise Refused(f"{title}: {name} belongs to role {row['owner']}: connect as that role or a member of it.")
        if row["filtered"]:
            raise Refused(
                f"{title}: row-level security hides rows of {name} from this role, and what is hidden would be lost: "
                "connect as a role with BYPASSRLS."
            )
    return {oid: int(row["bytes"]) for oid, row in known.items()}


def refuse_too_full(steps: Sequence[Archive]) -> None:
    """Compressed files are smaller than their tables, by how much nobody knows: there the largest must fit."""
    needs: dict[int, list[Archive]] = {}
    for step in steps:
        needs.setdefault(existing(step.store.destination).stat().st_dev, []).append(step)
    for each in needs.values():
        plain = sum(step.partition.bytes for step in each if step.store.compression == PLAIN)
        packed = max((step.partition.bytes for step in each if step.store.compression != PLAIN), default=0)
        destination = each[0].store.destination
        there = os.statvfs(existing(destination))
        free = there.f_bavail * there.f_frsize
        if plain + packed > free:
            raise Refused(
                f"archive destination {destination} has {size(free)} free and needs {size(plain + packed)} for "
                f"{len(each)} {'partition' if len(each) == 1 else 'partitions'}: make room, "
                "or choose another destination."
            )


def sized(step: Archive, sizes: dict[int, int]) -> Archive:
    return replace(step, partition=replace(step.partition, bytes=sizes[step.partition.oid]))
