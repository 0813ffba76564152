"""What one host has as its latest backup is the latest there is, or why it may not be."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.runbook.postgres.plugins.filter import backup_doubts

DOUBTS = backup_doubts.FilterModule().filters()["backup_doubts"]


def has(*days: str, label: str = "") -> dict[str, Any]:
    return {"backups": [{"id": f"b{day}", "started": f"2026-08-{day}T02:00:00Z", "label": label} for day in days]}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"a": has("02", "01"), "b": has("01")}, []),
        ({"a": has("02"), "b": has()}, []),
        # A directory that both see.
        ({"a": has("02"), "b": has("02")}, []),
        ({"a": has(), "b": has()}, []),
        ({"a": has("01"), "b": has("03", "02")}, ["b has backup b03, and a has b01 as its latest"]),
        ({"a": has(), "b": has("02")}, ["b has backup b02, and a has none"]),
        ({"a": has("01"), "b": has("02", label="safety")}, []),
        ({"a": has("02", label="safety"), "b": has("01")}, ["b has backup b01, and a has none"]),
        # Not the order in which they are told, but when they were taken.
        ({"a": has("01", "05"), "b": has("04")}, []),
        ({"a": has("02"), "b": {"unreachable": True}}, ["b cannot be asked for a newer backup"]),
        ({"a": has("02"), "b": None, "c": {"failed": True}}, ["b and c cannot be asked for a newer backup"]),
    ],
)
def test_where_the_latest_is(told: dict[str, Any], expected: list[str]) -> None:
    hostvars = {host: {} if said is None else {"restore_has": said} for host, said in told.items()}
    assert DOUBTS(hostvars, list(told), "a") == expected


@pytest.mark.parametrize("given", [None, 5, {"a": {"restore_has": {"backups": [{}]}}}])
def test_what_are_no_hosts_is_refused_in_one_sentence(given: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="pass hostvars"):
        DOUBTS(given, ["a"], "a")
