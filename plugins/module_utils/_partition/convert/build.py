# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The statements that make a partitioned table like a plain one: columns, keys, indexes, all but its name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._partition import traits
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.state import (
    CHECK,
    Index,
    Scene,
    hidden,
)
from ansible_collections.runbook.postgres.plugins.module_utils._session import compose, identifier, joined, literal


def raw(text: str) -> Any:
    """The server's own words, from its catalogue."""
    return compose(text.replace("{", "{{").replace("}", "}}"))


def names(columns: Sequence[str]) -> Any:
    return joined(", ", [identifier(each) for each in columns])


def index_name(scene: Scene, place: int) -> str:
    """What the new table's indexes are called until they take the old ones' names."""
    return f"{hidden(scene.oid)}_i{place}"


def statistics_name(scene: Scene, place: int) -> str:
    return f"{hidden(scene.oid)}_s{place}"


def parent(scene: Scene, column: str, indexes: Sequence[Index], name: Any, *, compression: bool) -> Iterator[Any]:
    """An empty partitioned table with everything that can be there before it takes the old one's place."""
    table = identifier(scene.schema, scene.name)
    like = "INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING STORAGE INCLUDING COMMENTS"
    like += " INCLUDING COMPRESSION" if compression else ""
    stored = "" if scene.traits.tablespace is None else " TABLESPACE {tablespace}"
    yield compose(
        f"CREATE TABLE {{name}} (LIKE {{table}} {like}) PARTITION BY RANGE ({{column}}){stored}",
        name=name,
        table=table,
        column=identifier(column),
        tablespace=identifier(scene.traits.tablespace or ""),
    )
    yield compose("ALTER TABLE {name} DROP CONSTRAINT IF EXISTS {check}", name=name, check=identifier(CHECK))
    for each in scene.columns:
        yield from _column(each.name, each.statistics, each.options, name)
    for place, index in enumerate(indexes):
        yield from _index(index, index_name(scene, place), name)
    for place, known in enumerate(scene.statistics):
        called = identifier(known.schema, statistics_name(scene, place))
        yield compose(
            "CREATE STATISTICS {called}{middle} FROM {name}", called=called, middle=raw(known.middle), name=name
        )
        if known.target >= 0:
            to = literal(known.target)
            yield compose("ALTER STATISTICS {called} SET STATISTICS {to}", called=called, to=to)
    identity = next((place for place, index in enumerate(indexes) if index.identity), None)
    if identity is not None:
        yield compose(
            "ALTER TABLE {name} REPLICA IDENTITY USING INDEX {index}",
            name=name,
            index=identifier(index_name(scene, identity)),
        )
    for privilege in scene.withheld:
        # While it is ours; the owner to be takes our place in this.
        yield compose(f"REVOKE {privilege} ON {{name}} FROM CURRENT_USER", name=name)
    # What a partitioned table cannot have stays with the partitions.
    yield from traits.statements(replace(scene.traits, storage=()), name)


def _column(column: str, statistics: int, options: Sequence[str], name: Any) -> Iterator[Any]:
    if statistics >= 0:
        yield compose(
            "ALTER TABLE {name} ALTER COLUMN {column} SET STATISTICS {target}",
            name=name,
            column=identifier(column),
            target=literal(statistics),
        )
    if options:
        yield compose(
            "ALTER TABLE {name} ALTER COLUMN {column} SET ({options})",
            name=name,
            column=identifier(column),
            options=storage(options),
        )


def storage(options: Sequence[str]) -> Any:
    parts = [each.partition("=") for each in options]
    return joined(", ", [compose("{n} = {v}", n=identifier(n), v=literal(v)) for n, _equals, v in parts])


def _index(index: Index, called: str, table: Any) -> Iterator[Any]:
    if index.tablespace is not None:
        yield compose("SET LOCAL default_tablespace = {tablespace}", tablespace=identifier(index.tablespace))
    if index.kind:
        yield compose(
            "ALTER TABLE {table} ADD CONSTRAINT {called} {key}",
            table=table,
            called=identifier(called),
            key=key_definition(index),
        )
    elif index.narrow is not None:
        yield compose(
            "CREATE UNIQUE INDEX {called} ON {table} ({columns})",
            called=identifier(called),
            table=table,
            columns=names(index.columns),
        )
    else:
        unique = "UNIQUE " if index.unique else ""
        yield compose(
            f"CREATE {unique}INDEX {{called}} ON {{table}} {{tail}}",
            called=identifier(called),
            table=table,
            tail=raw(index.tail),
        )
    if index.tablespace is not None:
        yield compose("SET LOCAL default_tablespace = ''")


def key_definition(index: Index) -> Any:
    kind = "PRIMARY KEY" if index.kind == "p" else "UNIQUE"
    text = kind + (" NULLS NOT DISTINCT" if index.nulls_not_distinct else "") + " ({columns})"
    text += " INCLUDE ({included})" if index.included else ""
    text += " WITH ({options})" if index.options else ""
    return compose(
        text + deferral(index),
        columns=names(index.columns),
        included=names(index.included),
        options=storage(index.options),
    )


def deferral(index: Index) -> str:
    if not index.deferrable:
        return ""
    return " DEFERRABLE INITIALLY DEFERRED" if index.deferred else " DEFERRABLE"


def built_concurrently(scene: Scene, index: Index, called: str) -> Any:
    """The old table's own index of a key that becomes wider."""
    text = "CREATE UNIQUE INDEX CONCURRENTLY {called} ON {table} ({columns})"
    text += " INCLUDE ({included})" if index.included else ""
    text += " NULLS NOT DISTINCT" if index.nulls_not_distinct else ""
    text += " WITH ({options})" if index.options else ""
    text += " TABLESPACE {tablespace}" if index.tablespace else ""
    return compose(
        text,
        called=identifier(called),
        table=identifier(scene.schema, scene.name),
        columns=names(index.columns),
        included=names(index.included),
        options=storage(index.options),
        tablespace=identifier(index.tablespace or ""),
    )
