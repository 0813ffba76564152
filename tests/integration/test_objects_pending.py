"""What is as wanted needs no call, and any one thing that is not needs exactly its own."""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.runbook.postgres.plugins.module_utils._objects.pending import KINDS
from ansible_collections.runbook.postgres.plugins.module_utils._objects.plan import narrowed, planned
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.logins import scram_secret
from tests.integration.servers import Server

MODULE = "ansible_collections.runbook.postgres.plugins.modules.pg_objects_pending"
DATABASE = "pending shop"
# Part of most names here: what is returned must not suffer from it.
PASSWORD = "pend"

LISTS: dict[str, Any] = {
    "roles": [
        {"name": "pend_owner", "login": False, "comment": "Owns"},
        {"name": "pend_readers", "login": False},
        {
            "name": "pend_app",
            "password": PASSWORD,
            "member_of": ["pend_owner", "pend_readers"],
            "connection_limit": 7,
            "valid_until": "2100-01-01 00:00:00+00",
            "attributes": ["createdb"],
        },
        {"name": "pend_plain", "password": "pässwörd"},
        {"name": "pend_gone", "state": "absent"},
    ],
    "databases": [
        {
            "name": DATABASE,
            "owner": "pend_owner",
            "encoding": "UTF8",
            "locale": "C.UTF-8",
            "connection_limit": 20,
            "comment": "A shop",
            "revoke_public_connect": True,
            "schemas": [{"name": "sales", "owner": "pend_owner", "comment": "Sold"}, {"name": "Odd one"}],
            "extensions": ["pg_trgm", {"name": "citext", "schema": "Odd one"}],
        },
        {"name": "pending gone", "state": "absent", "force": True},
    ],
    "privileges": [
        {"database": DATABASE, "type": "database", "privs": ["CONNECT", "TEMP"], "roles": ["pend_readers", "pend_app"]},
        {"database": DATABASE, "type": "schema", "objs": ["sales"], "privs": "USAGE", "roles": "pend_readers"},
        {"database": DATABASE, "objs": "ALL_IN_SCHEMA", "schema": "sales", "privs": "SELECT", "roles": "pend_readers"},
        {"database": DATABASE, "objs": "orders", "schema": "sales", "privs": "ALL", "roles": "pend_app"},
        {
            "database": DATABASE,
            "objs": "orders",
            "schema": "sales",
            "privs": "SELECT",
            "roles": "pend_plain",
            "grant_option": True,
        },
        {
            "database": DATABASE,
            "objs": "orders",
            "schema": "sales",
            "privs": "DELETE",
            "roles": "PUBLIC",
            "state": "absent",
        },
        {
            "database": DATABASE,
            "type": "sequence",
            "objs": "numbers",
            "schema": "sales",
            "privs": "USAGE",
            "roles": "PUBLIC",
        },
        {
            "database": DATABASE,
            "type": "function",
            "objs": ["twice(integer,text)"],
            "schema": "sales",
            "privs": "EXECUTE",
            "roles": "pend_app",
        },
        {
            "database": DATABASE,
            "type": "procedure",
            "objs": "work()",
            "schema": "sales",
            "privs": "EXECUTE",
            "roles": "pend_app",
        },
        {
            "database": DATABASE,
            "type": "type",
            "objs": "mood",
            "schema": "sales",
            "privs": "USAGE",
            "roles": "pend_app",
        },
    ],
    "default_privileges": [
        {
            "database": DATABASE,
            "schema": "sales",
            "objs": ["TABLES"],
            "privs": ["SELECT", "INSERT"],
            "roles": ["pend_readers"],
            "target_roles": ["pend_owner"],
        },
        {"database": DATABASE, "objs": "FUNCTIONS", "privs": "ALL", "roles": "pend_app", "target_roles": "pend_owner"},
        {"database": DATABASE, "objs": "TABLES", "privs": "SELECT", "roles": "PUBLIC", "state": "absent"},
    ],
}

MADE = (
    "CREATE SCHEMA sales AUTHORIZATION pend_owner",
    "COMMENT ON SCHEMA sales IS 'Sold'",
    'CREATE SCHEMA "Odd one"',
    "CREATE EXTENSION pg_trgm",
    'CREATE EXTENSION citext SCHEMA "Odd one"',
    "CREATE TABLE sales.orders (number int)",
    "CREATE VIEW sales.seen AS SELECT FROM sales.orders",
    "CREATE SEQUENCE sales.numbers",
    "CREATE FUNCTION sales.twice(int, text) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "REVOKE ALL ON FUNCTION sales.twice FROM PUBLIC",
    "CREATE PROCEDURE sales.work() LANGUAGE sql AS 'SELECT 1'",
    "CREATE TYPE sales.mood AS ENUM ('good')",
    "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    f'REVOKE ALL ON DATABASE "{DATABASE}" FROM PUBLIC',
    f'GRANT CONNECT, TEMPORARY ON DATABASE "{DATABASE}" TO pend_readers, pend_app',
    "GRANT USAGE ON SCHEMA sales TO pend_readers",
    "GRANT SELECT ON ALL TABLES IN SCHEMA sales TO pend_readers",
    "GRANT ALL ON sales.orders TO pend_app",
    "GRANT SELECT ON sales.orders TO pend_plain WITH GRANT OPTION",
    "GRANT USAGE ON SEQUENCE sales.numbers TO PUBLIC",
    "GRANT EXECUTE ON FUNCTION sales.twice TO pend_app",
    "GRANT EXECUTE ON PROCEDURE sales.work TO pend_app",
    "GRANT USAGE ON TYPE sales.mood TO pend_app",
    "ALTER DEFAULT PRIVILEGES FOR ROLE pend_owner IN SCHEMA sales GRANT SELECT, INSERT ON TABLES TO pend_readers",
    "ALTER DEFAULT PRIVILEGES FOR ROLE pend_owner GRANT EXECUTE ON FUNCTIONS TO pend_app",
    # What a call with state absent leaves behind: it takes all kinds at once.
    "ALTER DEFAULT PRIVILEGES REVOKE ALL ON FUNCTIONS FROM PUBLIC",
    "ALTER DEFAULT PRIVILEGES REVOKE ALL ON TYPES FROM PUBLIC",
)


@pytest.fixture
def finished(server: Server) -> Iterator[Server]:
    """A server on which all of it is as wanted."""
    clean(server)
    secret = {each["name"]: scram_secret(each["password"], b"0" * 16) for each in LISTS["roles"] if "password" in each}
    server.run(
        "CREATE ROLE pend_owner",
        "COMMENT ON ROLE pend_owner IS 'Owns'",
        "CREATE ROLE pend_readers",
        "CREATE ROLE pend_app LOGIN CREATEDB CONNECTION LIMIT 7 VALID UNTIL '2100-01-01 00:00:00+00'"
        f" PASSWORD '{secret['pend_app']}'",
        f"CREATE ROLE pend_plain LOGIN PASSWORD '{secret['pend_plain']}'",
        "GRANT pend_owner, pend_readers TO pend_app",
        f"CREATE DATABASE \"{DATABASE}\" OWNER pend_owner TEMPLATE template0 ENCODING 'UTF8'"
        " LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8' CONNECTION LIMIT 20",
        f"COMMENT ON DATABASE \"{DATABASE}\" IS 'A shop'",
        database="postgres",
    )
    server.run(*MADE, database=DATABASE)
    yield server
    clean(server)


def clean(server: Server) -> None:
    server.run(f'DROP DATABASE IF EXISTS "{DATABASE}" WITH (FORCE)', database="postgres")
    server.run("DROP ROLE IF EXISTS pend_owner, pend_readers, pend_app, pend_plain", database="postgres")


def asked(server: Server, lists: Mapping[str, Any], user: str = "postgres", **options: Any) -> dict[str, Any]:
    parameters = server.parameters("postgres", user)
    arguments = {
        "login_host": parameters["host"],
        "login_port": int(parameters["port"]),
        "login_user": user,
        "login_password": parameters["password"],
        "plan": planned(lists, None, exact_memberships=bool(options.get("exact_memberships"))),
        "passwords": {each["name"]: each["password"] for each in lists["roles"] if "password" in each},
        **options,
    }
    out = io.StringIO()
    module = importlib.import_module(MODULE)
    with patch_module_args(arguments), contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        module.main()
    result = dict(json.loads(out.getvalue()))
    assert not result.get("failed"), result
    assert not result["changed"]
    return result


def due(server: Server, lists: Mapping[str, Any] = LISTS, **options: Any) -> list[str]:
    """What is pending, each by its kind and its place in the list."""
    pending = asked(server, lists, **options)["pending"]
    return [f"{kind} {place}" for kind, answers in pending.items() for place, answer in enumerate(answers) if answer]


def test_what_is_as_wanted_needs_no_call(finished: Server) -> None:
    assert due(finished) == []
    plan = planned(LISTS)
    left = narrowed(plan, asked(finished, LISTS)["pending"])
    assert not any(left[kind] for kind in KINDS), left


# The two of PUBLIC come first among the privileges.
DRIFTS = (
    ("ALTER ROLE pend_readers LOGIN", "roles 1"),
    ("ALTER ROLE pend_owner SUPERUSER", "roles 0"),
    ("ALTER ROLE pend_app NOCREATEDB", "roles 2"),
    ("ALTER ROLE pend_app CONNECTION LIMIT 8", "roles 2"),
    ("ALTER ROLE pend_app VALID UNTIL '2100-01-02'", "roles 2"),
    ("ALTER ROLE pend_app PASSWORD 'other'", "roles 2"),
    ("ALTER ROLE pend_app PASSWORD NULL", "roles 2"),
    ("ALTER ROLE pend_plain PASSWORD 'other'", "roles 3"),
    ("COMMENT ON ROLE pend_owner IS NULL", "roles 0"),
    ("REVOKE pend_readers FROM pend_app", "memberships 0"),
    (f'ALTER DATABASE "{DATABASE}" CONNECTION LIMIT -1', "databases 0"),
    (f'ALTER DATABASE "{DATABASE}" OWNER TO postgres', "databases 0"),
    (f"COMMENT ON DATABASE \"{DATABASE}\" IS 'x'", "databases 0"),
    ("ALTER SCHEMA sales OWNER TO postgres", "schemas 0"),
    ("COMMENT ON SCHEMA sales IS NULL", "schemas 0"),
    ('DROP SCHEMA "Odd one" CASCADE', "schemas 1, extensions 1"),
    ("DROP EXTENSION pg_trgm", "extensions 0"),
    ("GRANT CREATE ON SCHEMA public TO PUBLIC", "privileges 0"),
    (f'GRANT TEMPORARY ON DATABASE "{DATABASE}" TO PUBLIC', "privileges 1"),
    (f'REVOKE TEMPORARY ON DATABASE "{DATABASE}" FROM pend_app', "privileges 2"),
    ("REVOKE USAGE ON SCHEMA sales FROM pend_readers", "privileges 3"),
    ("CREATE TABLE sales.later ()", "privileges 4"),
    ("REVOKE TRUNCATE ON sales.orders FROM pend_app", "privileges 5"),
    ("REVOKE GRANT OPTION FOR SELECT ON sales.orders FROM pend_plain", "privileges 6"),
    ("GRANT DELETE ON sales.orders TO PUBLIC", "privileges 7"),
    ("GRANT UPDATE (number) ON sales.orders TO PUBLIC", "privileges 7"),
    ("REVOKE USAGE ON SEQUENCE sales.numbers FROM PUBLIC", "privileges 8"),
    ("REVOKE EXECUTE ON FUNCTION sales.twice FROM pend_app", "privileges 9"),
    ("DROP FUNCTION sales.twice", "privileges 9"),
    ("REVOKE EXECUTE ON PROCEDURE sales.work FROM pend_app", "privileges 10"),
    ("REVOKE USAGE ON TYPE sales.mood FROM pend_app", "privileges 11"),
    (
        "ALTER DEFAULT PRIVILEGES FOR ROLE pend_owner IN SCHEMA sales REVOKE INSERT ON TABLES FROM pend_readers",
        "default_privileges 0",
    ),
    (
        "ALTER DEFAULT PRIVILEGES FOR ROLE pend_owner IN SCHEMA sales GRANT DELETE ON TABLES TO pend_readers",
        "default_privileges 0",
    ),
    ("ALTER DEFAULT PRIVILEGES FOR ROLE pend_owner REVOKE EXECUTE ON FUNCTIONS FROM pend_app", "default_privileges 1"),
    ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC", "default_privileges 2"),
)


@pytest.mark.parametrize(("drift", "expected"), DRIFTS, ids=[drift[:60] for drift, _ in DRIFTS])
def test_what_differs_needs_its_own_call_and_no_other(finished: Server, drift: str, expected: str) -> None:
    finished.run(drift, database=DATABASE)
    assert ", ".join(due(finished)) == expected


def test_who_loses_what_an_owner_has_is_granted_it_anew(finished: Server) -> None:
    lists = copy.deepcopy(LISTS)
    lists["databases"][0]["schemas"][0]["owner"] = "pend_app"
    lists["privileges"].append(
        {"database": DATABASE, "type": "schema", "objs": "sales", "privs": "USAGE", "roles": "pend_owner"}
    )
    assert due(finished, lists) == ["schemas 0", "privileges 12"]


def test_a_new_extension_brings_what_is_granted_on_it(finished: Server) -> None:
    lists = copy.deepcopy(LISTS)
    lists["databases"][0]["extensions"].append({"name": "pg_buffercache", "schema": "sales"})
    assert due(finished, lists) == ["extensions 2", "privileges 4"]


def test_memberships_beyond_the_list_count_where_the_list_is_all(finished: Server) -> None:
    finished.run("GRANT pend_plain TO pend_app", database="postgres")
    assert due(finished) == []
    assert due(finished, exact_memberships=True) == ["memberships 0"]


def test_what_is_to_go_is_due_while_it_is_there(finished: Server) -> None:
    lists = copy.deepcopy(LISTS)
    lists["roles"][4]["name"] = "pend_plain"
    lists["databases"][1]["name"] = "postgres"
    lists["roles"].pop(3)
    assert due(finished, lists) == ["removed_databases 0", "removed_roles 0"]


def test_what_no_database_can_change_is_told(finished: Server) -> None:
    lists = copy.deepcopy(LISTS)
    lists["databases"][0]["encoding"] = "LATIN1"
    lists["roles"][2]["password"] = "not part of any name"
    told = asked(finished, lists)["unchangeable"]
    assert told == [{"name": DATABASE, "encoding": "UTF8", "lc_collate": "C.UTF-8", "lc_ctype": "C.UTF-8"}]
    assert due(finished, lists) == ["roles 2", "databases 0"]


@pytest.mark.parametrize(
    "entry",
    [
        {"type": "table", "objs": "nowhere", "schema": "sales", "privs": "SELECT", "roles": "pend_app"},
        {"type": "table", "objs": "ALL_IN_SCHEMA", "schema": "nowhere", "privs": "SELECT", "roles": "pend_app"},
        {"type": "table", "objs": "orders", "schema": "sales", "privs": "EXECUTE", "roles": "pend_app"},
        {"type": "table", "objs": "orders", "schema": "sales", "privs": "ALL", "roles": "nobody_here"},
        {"type": "table", "objs": "orders", "schema": "sales", "privs": "ALL", "roles": "CURRENT_USER"},
        {"type": "function", "objs": "twice", "schema": "sales", "privs": "EXECUTE", "roles": "pend_app"},
        {"type": "function", "objs": "twice(no such)", "schema": "sales", "privs": "EXECUTE", "roles": "pend_app"},
        {"type": "function", "objs": "work()", "schema": "sales", "privs": "EXECUTE", "roles": "pend_app"},
        {"type": "type", "objs": "ALL_IN_SCHEMA", "schema": "sales", "privs": "USAGE", "roles": "pend_app"},
    ],
)
def test_what_cannot_be_told_is_left_to_who_does_it(finished: Server, entry: dict[str, Any]) -> None:
    lists = {**LISTS, "privileges": [{"database": DATABASE, **entry}]}
    # After the two of PUBLIC.
    assert due(finished, lists) == ["privileges 2"]


def test_what_nobody_can_read_is_due(finished: Server) -> None:
    """Who is no superuser sees no passwords."""
    plan = planned(LISTS)
    assert due(finished, user="plain") == [f"{kind} {place}" for kind in KINDS for place in range(len(plan[kind]))]


@pytest.mark.parametrize("lists", [{}, {"roles": [{"name": "x", "valid_until": "no time"}]}])
def test_a_list_that_is_empty_or_no_time_at_all(finished: Server, lists: dict[str, Any]) -> None:
    finished.run("DROP ROLE IF EXISTS x", "CREATE ROLE x LOGIN", database="postgres")
    assert due(finished, {"roles": [], **lists}) == (["roles 0"] if lists else [])
    finished.run("DROP ROLE x", database="postgres")
