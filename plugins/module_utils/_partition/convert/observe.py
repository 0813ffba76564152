# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What has to be known before a table is converted, and what is then to be done: nothing is changed here."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import INTEGER, KINDS
from ansible_collections.runbook.postgres.plugins.module_utils._partition.catalog import (
    TAKEN,
    Found,
    look_up,
    read_table,
    refuse_powerless,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.catalog import read_scene
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.extent import (
    read_extent,
    read_leftovers,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.finish import is_unfinished
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.plan import (
    Conversion,
    plan_conversion,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.question import Question
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.state import (
    Extent,
    Leftovers,
    Scene,
    hidden,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.steps import Finish
from ansible_collections.runbook.postgres.plugins.module_utils._partition.request import Intent, Wish
from ansible_collections.runbook.postgres.plugins.module_utils._partition.state import Partition
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session, identifier


@dataclass(frozen=True)
class Prepared:
    """How it will be converted, and the table as it will be then; none where that is to be looked at."""

    conversion: Conversion
    found: Found | None = None
    # Where a key that is no time stands.
    now: int = 0


def prepared(session: Session, wish: Wish, intent: Intent, now: int) -> Prepared | None:
    """None when there is nothing to convert."""
    row = look_up(session, wish.table)
    if row["relkind"] == "p":
        if not is_unfinished(session, f"{row['schema']}.{row['name']}"):
            return None
        step = Finish(row["schema"], row["name"])
        word = f"{step.schema}.{step.name}: an interrupted run converted it; what it left to be done is done now."
        return Prepared(Conversion(intent, (step,), kept_as="", warnings=(word,)))
    if row["relkind"] != "r":
        return None
    refuse_powerless(wish.table, row)
    with session.transaction():
        scene = read_scene(session, row["oid"])
    kind = _kind(scene, intent.column)
    policy = wish.policy(kind)
    # What cannot be converted anyway may not even be read.
    extent = Extent() if scene.obstacles else read_extent(session, scene, intent.column, kind)
    if kind == INTEGER:
        now = (policy.start or 0) if extent.highest is None else extent.highest
    left = read_leftovers(session, scene)
    asked = Question(
        scene=scene,
        intent=intent,
        extent=extent,
        left=left,
        kind=kind,
        policy=policy,
        now=now,
        until=wish.until(kind, policy.interval),
        taken=frozenset(each["name"] for each in session.fetch(TAKEN, {"oid": scene.oid})),
        tablespace=wish.tablespace,
        laid=_laid(session, scene, left),
    )
    conversion = plan_conversion(asked)
    if conversion.refusals or conversion.becomes is None:
        raise Refused(" ".join(conversion.refusals))
    return Prepared(conversion, Found(conversion.becomes, session.major, identifier(intent.column)), now)


def _kind(scene: Scene, name: str) -> str:
    column = next((each for each in scene.columns if each.name == name), None)
    if column is None:
        raise Refused(
            f"{scene.title} has no column {name}: give convert_column as the table spells it, without quotes."
        )
    kind = KINDS.get(column.type)
    if kind is None:
        raise Refused(
            f"{scene.title} cannot be partitioned by {name}, of type {column.type}: only dates, timestamps and whole "
            "numbers have intervals."
        )
    return kind


def _laid(session: Session, scene: Scene, left: Leftovers) -> tuple[Partition, ...]:
    if left.progress is None:
        return ()
    name = f'"{scene.schema.replace(chr(34), chr(34) * 2)}"."{hidden(scene.oid)}"'
    return read_table(session, name, session.major).table.partitions
