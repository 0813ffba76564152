"""What is made on the primary."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.lookup import (
    BODY,
    RESULT,
    State,
    plan_lookup,
)

ROLE: dict[str, Any] = {"login": True, "privileged": False, "password": False}
FUNCTION = {
    "body": BODY,
    "definer": True,
    "config": ["search_path=pg_catalog, pg_temp"],
    "volatile": "s",
    "language": "sql",
    "result": RESULT,
    "owner_superuser": True,
    "grants": ["pgbouncer"],
}
DATABASE: dict[str, Any] = {
    "connect": True,
    "schema_owner": {"name": "postgres", "superuser": True},
    "schema_grants": ["pgbouncer:USAGE"],
    "functions": [FUNCTION],
}


def sentences(state: State) -> list[str]:
    return [change.sentence for change in plan_lookup(state, "pgbouncer").changes]


def test_nothing_to_do() -> None:
    made = plan_lookup(State(ROLE, {"shop": DATABASE}), "pgbouncer")
    assert not made.changed
    assert made.before == made.after


def test_a_server_that_is_not_there_yet() -> None:
    assert sentences(State(None, {"shop": None}, reachable=False)) == [
        "make or mend role pgbouncer",
        "make the lookup in shop",
    ]


@pytest.mark.parametrize("change", [{"login": False}, {"password": True}])
def test_a_role_is_mended(change: dict[str, Any]) -> None:
    assert sentences(State({**ROLE, **change}, {})) == ["make or mend role pgbouncer"]


@pytest.mark.parametrize(
    "change",
    [
        {"body": "SELECT 1"},
        {"definer": False},
        {"config": None},
        {"config": ["search_path=public"]},
        {"volatile": "v"},
        {"owner_superuser": False},
        {"grants": ["pgbouncer", "public"]},
        {"grants": []},
        {"result": "record"},
    ],
)
def test_a_function_is_made_right(change: dict[str, Any]) -> None:
    other = {**DATABASE, "functions": [{**FUNCTION, **change}]}
    assert sentences(State(ROLE, {"shop": other, "crm": DATABASE})) == ["make the lookup in shop"]


@pytest.mark.parametrize("grants", [[], ["pgbouncer:USAGE", "public:USAGE"], ["pgbouncer:CREATE", "pgbouncer:USAGE"]])
def test_a_schema_is_made_right(grants: list[str]) -> None:
    assert sentences(State(ROLE, {"shop": {**DATABASE, "schema_grants": grants}})) == ["make the lookup in shop"]


def test_the_role_may_connect_where_nobody_else_may() -> None:
    shut = {**DATABASE, "connect": False}
    (made,) = plan_lookup(State(ROLE, {'sh"op': shut}), "pgbouncer").changes
    assert 'GRANT CONNECT ON DATABASE "sh""op" TO "pgbouncer"' in made.sql


def test_what_is_refused() -> None:
    foreign = {**DATABASE, "schema_owner": {"name": "app", "superuser": False}}
    assert "belongs to app" in plan_lookup(State(ROLE, {"shop": foreign}), "pgbouncer").refusals[0]
    strong = plan_lookup(State({**ROLE, "privileged": True}, {"shop": None}), "pgbouncer")
    assert "privileges beyond" in strong.refusals[0]
    assert not strong.changed
