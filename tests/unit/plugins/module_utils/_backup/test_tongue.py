"""Which language a server's words come in."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._backup.tongue import Tongue, tongue


class Session:
    def __init__(self, spoken: str, may: bool, major: int) -> None:
        self.major = major
        self.asked = ""
        self._row = {"may": may, "spoken": spoken}

    def fetch(self, statement: str) -> list[dict[str, Any]]:
        self.asked = statement
        return [self._row]


@pytest.mark.parametrize(("major", "by"), [(13, "is_superuser"), (14, "is_superuser"), (15, "has_parameter_privilege")])
def test_who_may_choose_is_asked_as_the_release_knows_it(major: int, by: str) -> None:
    session: Any = Session("de_DE.UTF-8", True, major)
    assert tongue(session) == Tongue("-c lc_messages=C")
    assert by in session.asked


@pytest.mark.parametrize(
    ("spoken", "foreign"),
    [
        ("C", None),
        ("POSIX", None),
        ("C.UTF-8", None),
        ("en_GB.UTF-8", None),
        ("de_DE.UTF-8", "de_DE.UTF-8"),
        ("", "the language of its host"),
    ],
)
def test_who_may_not_is_understood_in_english(spoken: str, foreign: str | None) -> None:
    session: Any = Session(spoken, False, 15)
    assert tongue(session) == Tongue(foreign=foreign)
