"""Whether a server may be restarted that changed since its restart was decided on."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._instance.restarting import (
    Server,
    refuse_another_role,
    refuse_during_a_backup,
)

WAITING: dict[str, dict[str, Any]] = {"shared_buffers": {"running": "16384", "wanted": "32768"}}


def server(role: str, waiting: dict[str, dict[str, Any]]) -> Server:
    return Server(role, waiting, receives=False, streaming=frozenset())


def test_a_standby_that_was_promoted_meanwhile_is_not_restarted() -> None:
    with pytest.raises(Refused, match="15/main is a primary by now and was to be restarted as a standby") as refusal:
        refuse_another_role("15/main", server("primary", WAITING), "standby")
    assert "run this again" in refusal.value.sentence


@pytest.mark.parametrize(
    ("role", "waiting", "expected"),
    [
        ("primary", WAITING, "primary"),
        ("standby", WAITING, "standby"),
        # Whoever calls the module for one server need not say what it is.
        ("primary", WAITING, None),
        # Nothing would be restarted anyway.
        ("primary", {}, "standby"),
    ],
)
def test_one_that_is_what_it_was_is(role: str, waiting: dict[str, dict[str, Any]], expected: str | None) -> None:
    refuse_another_role("15/main", server(role, waiting), expected)


def test_a_base_backup_is_not_broken_off() -> None:
    copied = Server("primary", WAITING, receives=False, streaming=frozenset(), backups=("10.0.0.9",))
    with pytest.raises(Refused, match="A base backup runs from instance 15/main"):
        refuse_during_a_backup("15/main", copied)
    refuse_during_a_backup("15/main", server("primary", WAITING))
    refuse_during_a_backup("15/main", Server("primary", {}, receives=False, streaming=frozenset(), backups=("x",)))
