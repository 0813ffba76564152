"""What one host has as its latest backup is the latest there is, or why it may not be."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.runbook.postgres.plugins.filter import backup_doubts

DOUBTS = backup_doubts.FilterModule().filters()["backup_doubts"]


def has(*days: str, label: str = "", kind: str = "all", tables: tuple[str, ...] = ()) -> dict[str, Any]:
    one = {"label": label, "kind": kind, "tables": list(tables)}
    return {"backups": [{"id": f"b{day}", "started": f"2026-08-{day}T02:00:00Z", **one} for day in days]}


def both(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {"backups": [*one["backups"], *other["backups"]]}


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


OLD = both(has("01"), has("20", kind="schema"))


@pytest.mark.parametrize(
    ("here", "there", "asked", "doubted"),
    [
        # The restore would pass over the schema of last night, and take what is months old.
        (OLD, has("19"), {}, True),
        (OLD, has("19"), {"schemas": ["shop"]}, True),
        (OLD, has("19"), {"tables": ["orders"]}, True),
        # And what it could not take elsewhere is nothing to be missed.
        (has("19"), has("20", kind="schema"), {}, False),
        (has("19"), has("20", kind="data"), {}, False),
        (has("19"), has("20", tables=("public.orders",)), {}, False),
        (has("19"), has("20", tables=("public.orders",)), {"schemas": ["public"]}, False),
        (has("19"), has("20", tables=("public.orders",)), {"tables": ["orders"]}, True),
        (has("19"), has("20", tables=("public.orders",)), {"tables": ["orders", "items"]}, False),
        (has("19"), has("20", kind="data"), {"tables": ["orders"]}, True),
        (has("19"), has("20", kind="schema"), {"tables": ["orders"]}, False),
    ],
)
def test_what_the_restore_would_take_is_compared(here: Any, there: Any, asked: dict[str, Any], doubted: bool) -> None:
    told = {"a": {"restore_has": here}, "b": {"restore_has": there}}
    assert bool(DOUBTS(told, ["a", "b"], "a", **asked)) == doubted


@pytest.mark.parametrize("given", [None, 5, {"a": {"restore_has": {"backups": [{}]}}}])
def test_what_are_no_hosts_is_refused_in_one_sentence(given: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="pass hostvars"):
        DOUBTS(given, ["a"], "a")
