# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Where a table's rows lie, and what an interrupted conversion left: asked before anything is changed."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import INTEGER, point
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.state import (
    CHECK,
    Extent,
    Leftovers,
    Progress,
    Scene,
    hidden,
)
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session, compose, identifier

# With an index each answer is its end or a small part of it; without one, all are had by reading the table once.
BY_INDEX = """
SELECT (SELECT min({column}) FROM {table} WHERE {finite})::text AS lowest,
       (SELECT max({column}) FROM {table} WHERE {finite})::text AS highest,
       (SELECT count(*) FROM {table} WHERE {column} IS NULL) AS nulls,
       (SELECT count(*) FROM {table} WHERE {before}) AS before_all,
       (SELECT count(*) FROM {table} WHERE {after}) AS after_all
"""
BY_READING = """
SELECT (min({column}) FILTER (WHERE {finite}))::text AS lowest,
       (max({column}) FILTER (WHERE {finite}))::text AS highest,
       count(*) FILTER (WHERE {column} IS NULL) AS nulls, count(*) FILTER (WHERE {before}) AS before_all,
       count(*) FILTER (WHERE {after}) AS after_all
  FROM {table}
"""

LEFT = """
SELECT (SELECT obj_description(k.oid, 'pg_constraint') FROM pg_constraint k
         WHERE k.conrelid = %(oid)s AND k.conname = %(check)s) AS said,
       (SELECT k.convalidated FROM pg_constraint k
         WHERE k.conrelid = %(oid)s AND k.conname = %(check)s) AS proved,
       ARRAY(SELECT x.relname::text FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
              WHERE i.indrelid = %(oid)s AND starts_with(x.relname, %(hidden)s)) AS indexes,
       ARRAY(SELECT x.relname::text FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
              WHERE i.indrelid = %(oid)s AND starts_with(x.relname, %(hidden)s) AND i.indisvalid) AS whole,
       EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = %(oid)s AND starts_with(t.tgname, %(check)s))
       OR EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = s.oid AND p.proname = %(hidden)s)
       OR EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = s.oid AND c.relname IN (%(hidden)s, %(log)s))
           AS copying,
       (SELECT obj_description(c.oid, 'pg_class') FROM pg_class c
         WHERE c.relnamespace = s.oid AND c.relname = %(hidden)s AND c.relkind = 'p') AS progress
  FROM pg_namespace s WHERE s.nspname = %(schema)s
"""

_UNTIL = "runbook.postgres: until "
_PROGRESS = "runbook.postgres: "


def read_extent(session: Session, scene: Scene, column: str, kind: str) -> Extent:
    indexed = any(
        each.valid and not each.special and each.columns[:1] == (column,) and each.tail.startswith("USING btree")
        for each in scene.indexes
    )
    name = identifier(column)
    if kind == INTEGER:
        ends = {"finite": compose("true"), "before": compose("false"), "after": compose("false")}
    else:
        ends = {
            "finite": compose("{c} > '-infinity' AND {c} < 'infinity'", c=name),
            "before": compose("{c} = '-infinity'", c=name),
            "after": compose("{c} = 'infinity'", c=name),
        }
    table = identifier(scene.schema, scene.name)
    row = session.fetch(compose(BY_INDEX if indexed else BY_READING, column=name, table=table, **ends))[0]
    return Extent(
        lowest=None if row["lowest"] is None else point(row["lowest"]),
        highest=None if row["highest"] is None else point(row["highest"]),
        nulls=int(row["nulls"]),
        before_all=int(row["before_all"]),
        after_all=int(row["after_all"]),
    )


def read_leftovers(session: Session, scene: Scene) -> Leftovers:
    name = hidden(scene.oid)
    values = {"oid": scene.oid, "check": CHECK, "hidden": name, "log": log_name(scene.oid), "schema": scene.schema}
    row = session.fetch(LEFT, values)[0]
    said = row["said"] or ""
    return Leftovers(
        check=row["proved"] is not None,
        until=int(said[len(_UNTIL) :]) if said.startswith(_UNTIL) else None,
        proved=bool(row["proved"]),
        indexes={each: each in row["whole"] for each in row["indexes"]},
        copying=bool(row["copying"]),
        progress=read_progress(row["progress"]),
    )


def log_name(oid: int) -> str:
    return f"{hidden(oid)}_log"


def said_until(until: int | None) -> str:
    """What our check constraint is commented with; nothing is proved for a partition without an end."""
    return f"{_UNTIL}{until}" if until is not None else "runbook.postgres: without end"


def said_progress(progress: Progress) -> str:
    return _PROGRESS + json.dumps(vars(progress))


def read_progress(said: str | None) -> Progress | None:
    if said is None or not said.startswith(_PROGRESS):
        return None
    try:
        told: dict[str, Any] = json.loads(said[len(_PROGRESS) :])
        copied = told.pop("copied")
        return Progress(**told, copied=None if copied is None else tuple(copied))
    except (ValueError, TypeError, KeyError, AttributeError):
        # Not in our words: what it is on is begun anew.
        return None
