"""Roles out of globals, settings out of the catalog, and what is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._backup import properties
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore import globals as roles
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore import tools, wish
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused

GLOBALS = """\
-- Roles
CREATE ROLE postgres;
ALTER ROLE postgres WITH SUPERUSER PASSWORD 'SCRAM-SHA-256$4096:x';
CREATE ROLE "o'wn ""er";
ALTER ROLE "o'wn ""er" WITH NOSUPERUSER LOGIN PASSWORD 'SCRAM-SHA-256$4096:y';
ALTER ROLE "o'wn ""er" SET work_mem TO '1MB';
CREATE ROLE reader;
GRANT reader TO "o'wn ""er" WITH INHERIT TRUE GRANTED BY postgres;
GRANT reader TO stranger;
GRANT pg_monitor TO postgres;
CREATE TABLESPACE fast OWNER postgres LOCATION '/x';
"""


def test_only_missing_roles_are_made() -> None:
    assert roles.roles_in(GLOBALS) == {"postgres", "o'wn \"er", "reader"}
    found = list(roles.statements(GLOBALS, {"o'wn \"er"}, {"postgres", "reader"}))
    assert found == [
        'CREATE ROLE "o\'wn ""er";',
        'ALTER ROLE "o\'wn ""er" WITH NOSUPERUSER LOGIN PASSWORD \'SCRAM-SHA-256$4096:y\';',
        'ALTER ROLE "o\'wn ""er" SET work_mem TO \'1MB\';',
        'GRANT reader TO "o\'wn ""er" WITH INHERIT TRUE;',
    ]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("work_mem", "5MB", ["5MB"]),
        ("datestyle", "ISO, DMY", ["ISO, DMY"]),
        ("search_path", '"$user", public, "a ""b"", c"', ["$user", "public", 'a "b", c']),
        ("search_path", "", [""]),
    ],
)
def test_settings_that_are_lists_are_taken_apart(name: str, value: str, expected: list[str]) -> None:
    assert properties.values(properties.Setting(None, name, value)) == expected


def test_a_connection_string_holds_no_password() -> None:
    told = tools.conninfo({"host": "it's", "password": "geheim", "dbname": "x"}, "a\\b")
    assert told == "fallback_application_name='runbook.postgres' host='it\\'s' dbname='a\\\\b'"


GIVEN: dict[str, Any] = {
    "checks": None,
    "target": None,
    "replace": False,
    "again": False,
    "replaced": "keep",
    "keep_out": "during_swap",
    "roles": "refuse",
    "tablespaces": "keep",
    "jobs": 1,
    "safety_backup": True,
    "safety_repository": None,
    "safety_retention": None,
    "expected_size": None,
    "repository": "/b",
    "tables": [],
    "schemas": [],
    "into_schema": None,
    "rename_to": None,
}


def test_expected_answers_in_all_their_forms() -> None:
    forms = [1, "1", [1, None], [[1, True], ["x", 2.5]]]
    queries = [{"query": "q", "expect": each} for each in forms]
    found = wish.read_wish({**GIVEN, "checks": {"queries": queries}}, "shop").checks.queries
    assert [each.expect for each in found] == [
        (("1",),),
        (("1",),),
        (("1",), (None,)),
        (("1", "true"), ("x", "2.5")),
    ]


@pytest.mark.parametrize(
    "given",
    [
        {"jobs": 0},
        {"tables": ["a"], "schemas": ["b"]},
        {"into_schema": "x"},
        {"rename_to": "x"},
        {"tables": ["a", "b"], "rename_to": "x"},
        {"schemas": ["a", "b"], "into_schema": "x"},
    ],
)
def test_wishes_that_make_no_sense(given: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        wish.read_wish({**GIVEN, **given}, "shop")
