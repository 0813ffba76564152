"""Whom commits wait for, as PostgreSQL reads the setting."""

from __future__ import annotations

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._synchronous import confirmers


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("", set()),
        ("  ", set()),
        ("s1, S2", {"s1", "s2"}),
        ("*", {"*"}),
        ("2 (s1, s2)", {"s1", "s2"}),
        ('ANY 1 ("db-1", "db 2", db3)', {"db-1", "db 2", "db3"}),
        (' first 2("a, b" , "c""d")', {"a, b", 'c"d'}),
        ('ANY 1 ("any 1 (x)")', {"any 1 (x)"}),
    ],
)
def test_names(names: str, expected: set[str]) -> None:
    assert confirmers(names) == expected
