"""Without a server: what is said where nothing can be read, and which passwords can be told."""

from __future__ import annotations

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._objects.pending import _password, everything
from ansible_collections.runbook.postgres.plugins.module_utils._objects.plan import planned
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.logins import scram_secret

SALT = b"0" * 16


def test_where_nothing_can_be_read_everything_is_pending() -> None:
    plan = planned({"roles": [{"name": "a"}, {"name": "b"}, {"name": "c", "state": "absent"}]})
    pending = everything(plan)
    assert (pending["roles"], pending["removed_roles"], pending["databases"]) == ([True, True], [True], [])


@pytest.mark.parametrize(
    ("wanted", "secret", "there"),
    [
        (None, None, True),
        (None, "anything", True),
        ("", None, True),
        ("", scram_secret("a", SALT), False),
        ("a", None, False),
        ("a", scram_secret("a", SALT), True),
        ("a", scram_secret("b", SALT), False),
        (12345, scram_secret("12345", SALT), True),
        ("a", "md5" + "0" * 32, False),
        (scram_secret("a", SALT), scram_secret("a", SALT), True),
        ("pässwörd", scram_secret("pässwörd", SALT), True),
        # The server leaves it out, `fits` does not.
        ("a\N{SOFT HYPHEN}", scram_secret("a\N{SOFT HYPHEN}", SALT), False),
    ],
)
def test_a_password_is_there_or_cannot_be_told(wanted: object, secret: str | None, there: bool) -> None:
    assert _password(wanted, secret) is there
