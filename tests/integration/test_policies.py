"""pg_policies: tenants see their own rows, and a second run finds nothing to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from psycopg2 import sql

from tests.integration.objects import DATABASE, Calls, database
from tests.integration.servers import Server
from tests.integration.test_partition_names import HOSTILE

OWN = {"name": "own", "using": "tenant = current_user"}


@pytest.fixture
def policies(server: Server) -> Iterator[Calls]:
    with database(server, "pg_policies") as calls:
        calls.run(
            "CREATE TABLE notes (tenant name DEFAULT current_user, words text, level int)",
            "INSERT INTO notes VALUES ('plain', 'mine', 1), ('monitor', 'theirs', 2)",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO plain, monitor",
        )
        yield calls


def test_tenants_see_their_own_rows(policies: Calls, server: Server) -> None:
    result = policies.done({"table": "notes", "policies": [OWN]})
    assert result["tables"][0]["created"] == ["own"]
    assert policies.rows("SELECT words FROM notes", "plain") == [("mine",)]
    assert policies.rows("SELECT words FROM notes", "monitor") == [("theirs",)]
    with (
        server.connect(DATABASE, "plain") as connection,
        connection.cursor() as cursor,
        pytest.raises(psycopg2.Error, match="row-level security"),
    ):
        cursor.execute("INSERT INTO notes VALUES ('monitor', 'smuggled')")
    assert policies.rows("SELECT count(*) FROM notes") == [(2,)]


@pytest.mark.parametrize(
    "using",
    [
        "tenant=CURRENT_USER and level in (1,2,3)",
        "level between 1 and 5 or (words like 'a%' -- so it is\n)",
        "EXISTS (SELECT FROM notes n WHERE n.tenant = notes.tenant AND n.level > notes.level)",
        "EXISTS (SELECT 1 FROM members m WHERE m.name = tenant::text)",
        "words <> '{} %s %(x)s {0}' and words <> E'\\\\ \\n it''s'",
        "coalesce(current_setting('app.tenant', true), '')=tenant::text",
        "(((true)))",
        "level = ANY (ARRAY[1, 2]) AND NOT words IS NULL",
        "CASE WHEN level > 1 THEN true ELSE pg_has_role(current_user, 'plain', 'USAGE') END",
    ],
)
def test_an_expression_is_recognised_however_it_is_written(policies: Calls, using: str) -> None:
    policies.run("CREATE TABLE members (name text)")
    policies.done({"table": "notes", "policies": [{"name": "some", "using": using, "check": using}]})


def test_only_what_differs_is_replaced_and_shown(policies: Calls) -> None:
    reads = {"name": "reads", "command": "select", "roles": ["plain", "monitor"], "using": "level > 1"}
    policies.done({"table": "public.notes", "policies": [OWN, reads]})
    result = policies.done({"table": "public.notes", "policies": [OWN, {**reads, "using": "level > 2"}]})
    assert result["tables"][0]["replaced"] == ["reads"]
    [diff] = result["diff"]
    gone = set(diff["before"].splitlines()) - set(diff["after"].splitlines())
    assert gone == {"policy reads for select to monitor, plain using (level > 1)"}
    for change in ({"roles": ["plain"]}, {"permissive": False}, {"command": "update"}, {"check": "level > 3"}):
        changed = {**reads, "using": "level > 2", "command": "all", **change}
        assert policies.done({"table": "public.notes", "policies": [OWN, changed]})["changed"]


def test_policies_that_are_not_listed_stay_unless_it_is_exclusive(policies: Calls) -> None:
    policies.run("CREATE POLICY by_hand ON notes USING (false)")
    result = policies.done({"table": "notes", "policies": [OWN]})
    assert "by_hand" in result["tables"][0]["warnings"][0]
    assert policies.value("SELECT count(*) FROM pg_policy") == 2
    result = policies.done({"table": "notes", "policies": [OWN], "exclusive": True})
    assert result["tables"][0]["dropped"] == ["by_hand"]
    assert policies.value("SELECT polname::text FROM pg_policy") == "own"


def test_the_owner_counts_where_forced(policies: Calls) -> None:
    policies.run("ALTER TABLE notes OWNER TO plain")
    policies.done({"table": "notes", "policies": [OWN]})
    assert len(policies.rows("SELECT FROM notes", "plain")) == 2
    policies.done({"table": "notes", "policies": [OWN], "force": True})
    assert len(policies.rows("SELECT FROM notes", "plain")) == 1
    policies.done({"table": "notes", "policies": [OWN], "enabled": False})
    assert len(policies.rows("SELECT FROM notes", "plain")) == 2


def test_a_table_without_policies_shows_nothing(policies: Calls) -> None:
    result = policies.done({"table": "notes"})
    assert "no permissive policy" in result["tables"][0]["warnings"][0]
    assert policies.rows("SELECT FROM notes", "plain") == []


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_names(policies: Calls, name: str) -> None:
    role = name.encode()[:60].decode(errors="ignore") + " r"
    parts = {"name": sql.Identifier(name), "role": sql.Identifier(role)}
    policies.run(
        sql.SQL("CREATE SCHEMA {name}").format(**parts),
        sql.SQL("CREATE TABLE {name}.{name} ({name} text)").format(**parts),
        sql.SQL("CREATE ROLE {role}").format(**parts),
    )
    quoted = '"' + name.replace('"', '""') + '"'
    try:
        entry = {"name": name, "roles": [role], "using": f"{quoted} = 'x'", "check": f"{quoted} IS NOT NULL"}
        policies.done({"table": f"{quoted}.{quoted}", "policies": [entry]})
        assert policies.value("SELECT polname::text FROM pg_policy") == name
    finally:
        policies.run(sql.SQL("DROP SCHEMA {name} CASCADE").format(**parts), sql.SQL("DROP ROLE {role}").format(**parts))


def test_a_lock_on_the_table_is_waited_for_no_longer_than_asked(policies: Calls, server: Server) -> None:
    policies.done({"table": "notes", "policies": [OWN]})
    # Readers and writers are in nobody's way, also when expressions are to be compared.
    with server.connect(DATABASE) as other, other.cursor() as cursor:
        cursor.execute("BEGIN; UPDATE notes SET level = level + 1")
        same = policies({"table": "notes", "policies": [{**OWN, "using": "CURRENT_USER=tenant"}]}, check=True)
        assert not same.get("failed"), same
        result = policies({"table": "notes", "policies": []}, lock_timeout=0.1, retries=0)
        assert not result.get("failed"), result
        result = policies({"table": "notes", "policies": [], "exclusive": True}, lock_timeout=0.1, retries=1)
        assert "another session held a lock on it through 2 attempts" in result["msg"]
        assert result["changed"] is False


def test_an_expression_cannot_do_more_than_be_one(policies: Calls) -> None:
    for using in (
        "true); COMMIT; DROP TABLE notes; --",
        "true); DROP TABLE notes; SELECT (1",
        "true); CREATE POLICY other ON pg_temp.notes USING (true",
        "true) WITH CHECK (true",
    ):
        said = policies({"table": "notes", "policies": [{"name": "p", "using": using}]})
        if not said.get("failed"):
            # One statement all the same: it is what the server made of it that was applied.
            assert policies.value("SELECT count(*) FROM pg_policy") == 1
        assert policies.value("SELECT count(*) FROM notes") == 2
        policies.run("DROP POLICY IF EXISTS p ON notes")


def test_what_cannot_be_is_refused_with_a_sentence(policies: Calls) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"table": "nowhere"}, "There is no table nowhere in this database"),
        ({"table": "pg_stat_activity"}, "is no table"),
        ({"table": "notes", "policies": [{**OWN, "roles": ["nobody"]}]}, "There is no role nobody on this server"),
        (
            {"table": "notes", "policies": [{**OWN, "using": "tenant ="}]},
            "policy own cannot be made of its expressions",
        ),
        ({"table": "notes", "policies": [{**OWN, "using": "nothing = 1"}]}, 'column "nothing" does not exist'),
        ({"table": "notes", "policies": [OWN, OWN]}, "stands there twice"),
        ({"table": "notes", "policies": [{**OWN, "name": "n" * 64}]}, "64 bytes"),
    ]
    for entry, words in cases:
        assert words in policies.refused(entry)
    assert "belongs to role postgres" in policies.refused({"table": "notes"}, user="plain")
    assert "twice" in policies.refused({"table": "notes"}, {"table": "public.notes"})


def test_a_standby_is_refused(policies: Calls, server: Server) -> None:
    port = int(server.parameters(standby=True)["port"])
    assert "standby" in policies({"table": "notes"}, login_port=port, login_db="postgres")["msg"]
