# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the default partition holds of the periods that lack one, and whether it can be moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import Range, printed
from ansible_collections.runbook.postgres.plugins.module_utils._partition.catalog import Found
from ansible_collections.runbook.postgres.plugins.module_utils._partition.state import InDefault, Partition, Policy
from ansible_collections.runbook.postgres.plugins.module_utils._session import (
    Session,
    compose,
    identifier,
    joined,
    literal,
)

# So many rows are counted to say that there are some.
_ENOUGH = 1000

# Rows that are moved are deleted and inserted. Who follows either would be told
# something wrong, or would stop it.
REFERENCES = """
SELECT c.conrelid::regclass::text AS name FROM pg_constraint c
 WHERE c.contype = 'f' AND c.confrelid = %(oid)s AND c.conparentid = 0 ORDER BY 1 LIMIT 1
"""
PUBLICATIONS = """
SELECT p.pubname::text AS name FROM pg_publication_tables p
  JOIN pg_class c ON c.relname = p.tablename
  JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = p.schemaname
 WHERE c.oid = %(default)s OR c.oid IN (SELECT relid FROM pg_partition_ancestors(%(default)s::oid::regclass))
 ORDER BY 1 LIMIT 1
"""


def read_default(session: Session, found: Found, missing: Sequence[Range], policy: Policy) -> InDefault:
    """One look, and a count only where rows are to be moved.

    Rows of periods that have a partition cannot be in the default, so that the
    first gap's beginning and the last one's end bound what is looked for.
    """
    default = found.table.default
    if default is None:
        return InDefault()
    absent = policy.default_partition == "absent"
    others = bool(session.fetch(_outside(found, default, missing))) if absent else False
    if not missing:
        return InDefault(others=others)
    span = Range(missing[0].lower, missing[-1].upper)
    statement = compose(
        "SELECT count(*) AS rows FROM (SELECT FROM {default} WHERE {within} LIMIT {enough}) seen",
        default=identifier(default.schema, default.name),
        within=within(found, span),
        enough=literal(_ENOUGH),
    )
    seen = int(session.fetch(statement)[0]["rows"])
    if not seen or not policy.drain_default:
        return InDefault(at_least=seen, others=others)
    rows = tuple((period, _count(session, found, default, period)) for period in missing)
    return InDefault(
        rows=tuple(each for each in rows if each[1]),
        others=others,
        obstacle=_obstacle(session, found, default),
    )


def within(found: Found, period: Range) -> Any:
    """The condition that a row's key lies in this period."""
    parts = []
    if period.lower is not None:
        parts.append(compose("{key} >= {end}", key=found.key, end=literal(printed(found.table.kind, period.lower))))
    if period.upper is not None:
        parts.append(compose("{key} < {end}", key=found.key, end=literal(printed(found.table.kind, period.upper))))
    return joined(" AND ", parts or [compose("{key} IS NOT NULL", key=found.key)])


def outside(found: Found, period: Range) -> Any:
    """The condition that it does not, in the words in which the server asks for it."""
    parts = [compose("{key} IS NULL", key=found.key)]
    if period.lower is not None:
        parts.append(compose("{key} < {end}", key=found.key, end=literal(printed(found.table.kind, period.lower))))
    if period.upper is not None:
        parts.append(compose("{key} >= {end}", key=found.key, end=literal(printed(found.table.kind, period.upper))))
    return joined(" OR ", parts)


def _outside(found: Found, default: Partition, missing: Sequence[Range]) -> Any:
    table = identifier(default.schema, default.name)
    if not missing:
        return compose("SELECT 1 AS row FROM {table} LIMIT 1", table=table)
    condition = within(found, Range(missing[0].lower, missing[-1].upper))
    return compose(
        "SELECT 1 AS row FROM {table} WHERE ({condition}) IS NOT TRUE LIMIT 1", table=table, condition=condition
    )


def _count(session: Session, found: Found, default: Partition, period: Range) -> int:
    table = identifier(default.schema, default.name)
    statement = compose(
        "SELECT count(*) AS rows FROM {table} WHERE {within}", table=table, within=within(found, period)
    )
    return int(session.fetch(statement)[0]["rows"])


def _obstacle(session: Session, found: Found, default: Partition) -> str | None:
    if default.is_partitioned:
        return "it is partitioned itself or foreign"
    references = session.fetch(REFERENCES, {"oid": found.table.oid})
    if references:
        return f"a foreign key of {references[0]['name']} refers to them"
    publications = session.fetch(PUBLICATIONS, {"default": default.oid})
    if publications:
        return f"the subscribers of publication {publications[0]['name']} would lose them"
    return None
