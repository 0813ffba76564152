"""What libpq is told, and what is refused because it would be logged or reach the driver."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._connection import (
    CONNECTION_OPTIONS,
    KEEPALIVES,
    libpq_parameters,
    where,
)
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused

DEFAULTS = {name: option.get("default") for name, option in CONNECTION_OPTIONS.items()}
PLAIN = {**KEEPALIVES, "port": 5432, "user": "postgres", "dbname": "postgres", "sslmode": "prefer"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, PLAIN),
        ({"login_host": "pg1"}, {**PLAIN, "host": "pg1"}),
        ({"login_unix_socket": "/run"}, {**PLAIN, "host": "/run"}),
        ({"login_host": "localhost", "login_unix_socket": "/run"}, {**PLAIN, "host": "/run"}),
        ({"login_host": "localhost"}, {**PLAIN, "host": "localhost"}),
        ({"login_host": "pg1", "login_unix_socket": "/run"}, {**PLAIN, "host": "pg1"}),
        ({"login_password": "p w'\\"}, {**PLAIN, "password": "p w'\\"}),
        ({"login_password": ""}, PLAIN),
        ({"login_user": 'ops "é', "login_db": "a'b"}, {**PLAIN, "user": 'ops "é', "dbname": "a'b"}),
        (
            {"ssl_mode": "verify-full", "ca_cert": "/ca", "ssl_cert": "/c", "ssl_key": "/k"},
            {**PLAIN, "sslmode": "verify-full", "sslrootcert": "/ca", "sslcert": "/c", "sslkey": "/k"},
        ),
        ({"connect_params": {"passfile": "/p", "port": 6000}}, {**PLAIN, "passfile": "/p", "port": 6000}),
        ({"connect_params": {"host": "pg9"}, "login_host": "pg1"}, {**PLAIN, "host": "pg9"}),
        ({"connect_params": {"keepalives": True, "sslsni": False}}, {**PLAIN, "keepalives": 1, "sslsni": 0}),
        ({"connect_params": {"keepalives_idle": 300}}, {**PLAIN, "keepalives_idle": 300}),
        ({"connect_params": {"passfile": None}}, PLAIN),
        ({"connect_params": None}, PLAIN),
    ],
)
def test_options_become_keywords_of_libpq(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert libpq_parameters({**DEFAULTS, **given}) == expected


@pytest.mark.parametrize("name", ["password", "sslpassword", "dsn", "async", "async_", "cursor_factory"])
def test_what_would_be_logged_or_is_the_drivers_own_is_refused(name: str) -> None:
    with pytest.raises(Refused) as refusal:
        libpq_parameters({**DEFAULTS, "connect_params": {name: "host=x password=hunter2"}})
    assert "connect_params" in refusal.value.sentence
    assert "hunter2" not in refusal.value.sentence


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"host": "pg1", "port": 6000, "dbname": "shop"}, "pg1 port 6000, database shop"),
        ({"dbname": "shop"}, "the local socket port 5432, database shop"),
        ({"host": "pg1", "password": "hunter2", "user": "u", "dbname": "shop"}, "pg1 port 5432, database shop"),
    ],
)
def test_a_server_is_named_without_secrets(parameters: dict[str, Any], expected: str) -> None:
    assert where(parameters) == expected
