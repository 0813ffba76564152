"""Names are names, whatever they hold."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg2 import sql

from tests.integration.partitions import Partitions

HOSTILE = [
    "Mixed Case",
    'quo"te',
    "apo'strophe",
    "per%cent %s %(x)s",
    "bra{ce}s {} {0}",
    "back\\slash",
    "ünï¢ødé 表 🐘",
    "select",
    "user",
    '"; DROP TABLE bystander; --',
    "dot.ted",
    " leading and trailing ",
    "new\nline",
    "n" * 63,
    "ü" * 31,
    "$1",
    "--comment",
]


def statements(name: str, *templates: str) -> list[sql.Composed]:
    parts = {
        "name": sql.Identifier(name),
        "table": sql.Identifier(name, name),
        "role": sql.Identifier(role(name)),
        "words": sql.Literal(name),
    }
    return [sql.SQL(template).format(**parts) for template in templates]


def role(name: str) -> str:
    """Roles are the whole server's: none that has one already."""
    return name if len(name) == 63 else f"{name}~"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def wish(name: str, **more: object) -> dict[str, object]:
    """Names that can be a template are one."""
    template = None if len(name.encode()) > 25 else name.replace("{", "(").replace("}", ")") + "{lower}"
    title = f"{quoted(name)}.{quoted(name)}"
    return {"table": title, "interval": "10", "ahead": 1, "name_template": template, **more}


@pytest.fixture
def hostile(partitions: Partitions) -> Iterator[None]:
    """Of schema, table, key, owner, grantee and policy at once."""
    partitions.run("CREATE TABLE bystander ()")
    for name in HOSTILE:
        partitions.run(*statements(name, "CREATE ROLE {role}"))
    try:
        for name in HOSTILE:
            partitions.run(
                *statements(
                    name,
                    "CREATE SCHEMA {name}",
                    "GRANT ALL ON SCHEMA {name} TO {role}",
                    "CREATE TABLE {table} ({name} bigint NOT NULL, PRIMARY KEY ({name})) PARTITION BY RANGE ({name})",
                    "CREATE INDEX ON {table} ({name}, ({name} + 1))",
                    "CREATE POLICY {name} ON {table} TO {role} USING ({name} > 0)",
                    "GRANT SELECT ({name}) ON {table} TO {role}",
                    "ALTER TABLE {table} OWNER TO {role}",
                    "GRANT INSERT ON {table} TO plain",
                    "COMMENT ON COLUMN {table}.{name} IS {words}",
                )
            )
        yield
    finally:
        for name in HOSTILE:
            partitions.run(*statements(name, "DROP OWNED BY {role} CASCADE", "DROP ROLE {role}"))


@pytest.mark.usefixtures("hostile")
def test_hostile_names_everywhere(partitions: Partitions) -> None:
    """Made, filled, detached, marked and dropped."""
    partitions.done(*(wish(name) for name in HOSTILE))
    for name in HOSTILE:
        partitions.run(*statements(name, "INSERT INTO {table} VALUES (1), (11)"))
    partitions.done(*(wish(name, ahead=5) for name in HOSTILE))
    for name in HOSTILE:
        partitions.run(*statements(name, "INSERT INTO {table} VALUES (31)"))
    keep = {"retention": "1 partition", "on_expiry": "drop"}
    result = partitions.done(*(wish(name, **keep) for name in HOSTILE))
    assert [len(table["dropped"]) for table in result["tables"]] == [2] * len(HOSTILE)
    for name in HOSTILE:
        assert partitions.value(statements(name, "SELECT count(*) FROM {table}")[0]) == 1
    assert partitions.value("SELECT to_regclass('bystander')::text") == "bystander"


@pytest.mark.parametrize("name", ['"; DROP TABLE bystander', "a..b", "", "'", "a.b.c.d", 'x"'])
def test_what_is_no_name_is_refused(partitions: Partitions, name: str) -> None:
    partitions.run("CREATE TABLE bystander ()")
    sentence = partitions.refused({"table": name, "interval": "10"})
    assert "no name of a table" in sentence or "There is no table" in sentence
    assert partitions.value("SELECT to_regclass('bystander')::text") == "bystander"
