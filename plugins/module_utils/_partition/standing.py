# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a table is just before it is archived or dropped: somebody may have wanted it back meanwhile."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._partition.marks import awaited_bound
from ansible_collections.runbook.postgres.plugins.module_utils._partition.state import Partition

Fetch = Callable[..., "list[dict[str, Any]]"]

# The named table, which may be another one by now.
STANDING = """
SELECT c.oid::bigint AS oid, c.relispartition AS attached, obj_description(c.oid, 'pg_class') AS comment
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = %(schema)s AND c.relname = %(name)s
"""


class Meddled(Problem):
    """Somebody has other intentions with the table, which is left as it is."""


def standing(fetch: Fetch, partition: Partition) -> dict[str, Any]:
    return next(iter(fetch(STANDING, {"schema": partition.schema, "name": partition.name})), {})


def still_leaves(found: dict[str, Any], partition: Partition) -> bool:
    """Whether it is the table that was planned for, and detached; that it is to go, its comment says."""
    return found.get("oid") == partition.oid and not found["attached"]


def refuse_meddled(fetch: Fetch, partition: Partition, title: str, sentence: str) -> None:
    """What is to be archived is still what was detached for that."""
    found = standing(fetch, partition)
    if not still_leaves(found, partition) or awaited_bound(str(found.get("comment") or ""), title) is None:
        raise Meddled(f"Did not {sentence}: somebody attached, renamed or commented it meanwhile.")
