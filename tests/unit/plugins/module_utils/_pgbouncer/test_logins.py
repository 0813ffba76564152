"""Secrets of the console's logins: as PostgreSQL makes them, and the same again where they fit."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.logins import fits, scram_secret, userlist
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.request import Login

# What PostgreSQL 15 stored for the password "pencil".
STORED = (
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
)


def test_a_secret_of_the_standard_fits() -> None:
    assert fits("pencil", STORED)
    assert not fits("pencils", STORED)


@settings(max_examples=10, deadline=None)
@given(st.text(min_size=1), st.binary(min_size=16, max_size=16))
def test_what_was_made_fits(password: str, salt: bytes) -> None:
    assert fits(password, scram_secret(password, salt, 2))


@pytest.mark.parametrize("secret", ["", "pencil", "md5abc", "SCRAM-SHA-256$x", STORED.replace("W22", "W2=")])
def test_what_is_no_secret_fits_nothing(secret: str) -> None:
    assert not fits("pencil", secret)


def test_a_second_run_writes_the_same() -> None:
    logins = [Login("monitoring", "one"), Login("probe", "two")]
    text = userlist(logins, "")
    assert userlist(logins, text) == text
    assert "one" not in text


def test_a_changed_password_changes_one_line() -> None:
    before = userlist([Login("monitoring", "one"), Login("probe", "two")], "").splitlines()
    after = userlist([Login("monitoring", "one"), Login("probe", "three")], "\n".join(before)).splitlines()
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_who_is_not_asked_for_goes() -> None:
    assert userlist([], userlist([Login("monitoring", "one")], "")) == ""


@pytest.mark.parametrize("login", [Login("", "x"), Login("a\nb", "x"), Login("a", "")])
def test_unfit_logins(login: Login) -> None:
    with pytest.raises(Refused):
        userlist([login], "")
