# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From a scratch database with definitions to the same tables, filled, in schemas of their own in the target."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup import manifest as manifests
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore import marks, naming, tools
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.loading import Archive, list_of
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.observe import Connect
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.parts import contents
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.parts.look import Found, Table
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.parts.observe import split
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.parts.rows import Blocks
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.parts.scene import Unit
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.watch import Rows
from ansible_collections.runbook.postgres.plugins.module_utils._copy import CopyConnection
from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session, compose, identifier, literal

INDEXES = "SELECT c.relname::text AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = %s"
# Where a sequence is staged, and what it has to go on from.
Value = tuple[str, str, int, bool]

VALUE = "SELECT last_value AS value, is_called AS called FROM {sequence}"


def define(
    archive: Archive, parameters: Mapping[str, Any], connect: Connect, target: str, scratch: str, lines: Sequence[str]
) -> None:
    """The backup's definitions; where it has none but of its tables, the target's around them."""
    told = archive.backup.manifest
    if told.tables or told.content == manifests.DATA:
        _copy_definitions(archive, parameters, target, scratch)
    if told.content == manifests.DATA:
        return
    if told.tables:
        with connect(scratch) as session:
            _make_way(session, told.tables)
    with tools.in_memory("\n".join(contents.definitions(lines)) + "\n") as chosen:
        sections = ("--section=pre-data", "--section=post-data", f"--use-list={chosen}")
        archive.load(parameters, scratch, 1, sections)


def _copy_definitions(archive: Archive, parameters: Mapping[str, Any], target: str, scratch: str) -> None:
    with tools.environment(parameters) as variables, tools.in_memory() as held:
        dump = [tools.path_of("pg_dump", archive.major), "--schema-only", "--format=custom", f"--file={held}"]
        tools.run([*dump, f"--dbname={tools.conninfo(parameters, target)}"], variables)
        wanted = contents.definitions(list_of(held, archive.major))
        with tools.in_memory("".join(f"{line}\n" for line in wanted)) as chosen:
            restore = [tools.path_of("pg_restore", archive.major), "--exit-on-error", f"--use-list={chosen}"]
            tools.run([*restore, f"--dbname={tools.conninfo(parameters, scratch)}", held], variables)


def _make_way(session: Session, tables: Sequence[str]) -> None:
    """The tables of the backup will be defined as the backup has them."""
    for schema, name in split(session, tables):
        session.fetch(compose("CREATE SCHEMA IF NOT EXISTS {schema}", schema=identifier(schema)))
        session.fetch(compose("DROP TABLE IF EXISTS {name} CASCADE", name=identifier(schema, name)))


def arrange(session: Session, units: Sequence[Unit], found: Found, journal: marks.Journal) -> None:
    """In the scratch database: everything into its staging schema, under the name it will have."""
    for unit in units:
        more = [each.title for each in found.tables if each.unit == unit and each.name != unit.name]
        if more and unit.to_name != unit.name and unit.to_schema == unit.schema:
            raise Refused(f"{unit.title} has partitions, such as {more[0]}, whose names are taken: give into_schema.")
    with session.transaction():
        for schema in sorted({each.schema for each in units if each.name is not None}):
            session.fetch(compose("CREATE SCHEMA {name}", name=identifier(naming.staging(schema))))
        for table in found.tables:
            if table.unit.name is not None:
                _move(session, table)
        for each in found.sequences:
            # They moved along.
            if each.unit.to_name != each.unit.name:
                _rename(session, "SEQUENCE", naming.staging(each.unit.schema), each.name, each.unit)
        for unit in units:
            staging = identifier(naming.staging(unit.schema))
            if unit.name is None:
                session.fetch(compose("ALTER SCHEMA {name} RENAME TO {to}", name=identifier(unit.schema), to=staging))
            note = literal(marks.restoring(journal))
            session.fetch(compose("COMMENT ON SCHEMA {name} IS {note}", name=staging, note=note))


def _move(session: Session, table: Table) -> None:
    unit, staging = table.unit, naming.staging(table.unit.schema)
    move = "ALTER TABLE {name} SET SCHEMA {to}"
    session.fetch(compose(move, name=identifier(table.schema, table.name), to=identifier(staging)))
    if (table.schema, table.name) != (unit.schema, unit.name) or unit.to_name == unit.name:
        return
    rename = "ALTER TABLE {name} RENAME TO {to}"
    session.fetch(compose(rename, name=identifier(staging, table.name), to=identifier(str(unit.to_name))))
    # Beside the table whose name it had, its indexes may not have theirs either.
    for row in session.fetch(INDEXES, [table.oid]):
        _rename(session, "INDEX", staging, row["name"], unit)


def _rename(session: Session, kind: str, schema: str, name: str, unit: Unit) -> None:
    statement = "ALTER {kind} {name} RENAME TO {to}"
    to = identifier(_beside(name, unit))
    session.fetch(compose(statement, kind=compose(kind), name=identifier(schema, name), to=to))


def _beside(name: str, unit: Unit) -> str:
    return name if unit.to_name == unit.name else naming.ended(name, f"_{unit.to_name}")


def name_of(table: Table) -> str:
    renamed = (table.schema, table.name) == (table.unit.schema, table.unit.name)
    return str(table.unit.to_name) if renamed and table.unit.name is not None else table.name


class Carrier:
    """Definitions and rows from where they are into the target."""

    def __init__(self, archive: Archive, parameters: Mapping[str, Any], target: str, units: Sequence[Unit]) -> None:
        self._archive, self._parameters, self._target = archive, parameters, target
        self._schemas = sorted({naming.staging(each.schema) for each in units})

    def dump(self, scratch: str, held: str) -> None:
        argv = [tools.path_of("pg_dump", self._archive.major), "--schema-only", "--format=custom", f"--file={held}"]
        argv += [f"--schema={_pattern(each)}" for each in self._schemas]
        with tools.environment(self._parameters) as variables:
            tools.run([*argv, f"--dbname={tools.conninfo(self._parameters, scratch)}"], variables)

    def make(self, held: str, section: str, *options: str) -> None:
        argv = [tools.path_of("pg_restore", self._archive.major), "--exit-on-error", f"--section={section}", *options]
        with tools.environment(self._parameters) as variables:
            where = f"--dbname={tools.conninfo(self._parameters, self._target)}"
            tools.run([*argv, where, held], variables, seconds=self._archive.seconds)


def fill(
    archive: Archive, found: Found, lines: Sequence[str], copy: Callable[[], CopyConnection]
) -> dict[tuple[str, str], int]:
    """Rows straight from the dump into the staged tables; returns how many, by the tables' own names."""
    tables = [each for each in found.tables if not each.partitioned and each.header is not None]
    entries = contents.chosen(lines, "TABLE DATA", [(each.schema, each.name, each.owner) for each in tables])
    counted: dict[tuple[str, str], int] = {}
    watched = Rows(archive.progress, _expected(archive, tables))
    if not entries:
        return counted
    with (
        tools.in_memory("".join(f"{entry[0]}\n" for entry in entries)) as chosen,
        archive.printed(["--data-only", f"--use-list={chosen}"]) as program,
        copy() as connection,
    ):
        blocks = Blocks(program.stdout.read1)
        read = watched.through(blocks.read)
        for entry in entries:
            table = tables[entry[1]]
            blocks.begin(str(table.header), table.title)
            statement = "COPY {name} (" + str(table.columns).replace("{", "{{").replace("}", "}}")
            statement += ") FROM STDIN (ENCODING {encoding})"
            place = identifier(naming.staging(table.unit.schema), name_of(table))
            encoding = literal(archive.backup.manifest.origin.encoding)
            query = compose(statement, name=place, encoding=encoding)
            counted[table.schema, table.name] = connection.copy_in(query, read, program.kill)
    return counted


def _expected(archive: Archive, tables: Sequence[Table]) -> int | None:
    """How many rows there are to come, where the backup has counted them."""
    mine = {(each.schema, each.name) for each in tables}
    rows = archive.backup.manifest.rows
    return None if rows is None else sum(each.rows for each in rows if (each.schema, each.table) in mine)


def continue_sequences(
    archive: Archive, scratch: Session, parameters: Mapping[str, Any], found: Found, lines: Sequence[str], database: str
) -> list[Value]:
    """Values of the sequences that come along: set in the scratch database by the dump, and read there."""
    wanted = [(each.schema, each.name, each.owner) for each in found.sequences]
    entries = contents.chosen(lines, "SEQUENCE SET", wanted)
    if entries:
        with tools.in_memory("".join(f"{entry[0]}\n" for entry in entries)) as chosen:
            archive.load(parameters, database, 1, ("--data-only", f"--use-list={chosen}"))
    told = []
    for each in found.sequences:
        row = scratch.fetch(compose(VALUE, sequence=identifier(each.schema, each.name)))[0]
        place, name = naming.staging(each.unit.schema), _beside(each.name, each.unit)
        told.append((place, name, int(row["value"]), bool(row["called"])))
    return told


def set_sequences(target: Session, values: Sequence[Value]) -> None:
    for value in values:
        target.fetch("SELECT setval(format('%%I.%%I', %s::text, %s::text)::regclass, %s, %s)", list(value))


def refresh(target: Session, schemas: Sequence[str]) -> None:
    """Materialized views of a schema that came whole, those first that others may be made of."""
    query = """SELECT n.nspname::text AS schema, c.relname::text AS name FROM pg_class c
                 JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE c.relkind = 'm' AND n.nspname = ANY (%(schemas)s::name[]) ORDER BY c.oid"""
    for row in target.fetch(query, {"schemas": list(schemas)}):
        try:
            name = identifier(row["schema"], row["name"])
            target.fetch(compose("REFRESH MATERIALIZED VIEW {name}", name=name))
        except QueryFailed as error:
            raise QueryFailed(f"materialized view {row['name']} cannot be filled: {error.sentence}") from error


def _pattern(name: str) -> str:
    """In quotes nothing in a name is taken for a wildcard."""
    return '"' + name.replace('"', '""') + '"'
