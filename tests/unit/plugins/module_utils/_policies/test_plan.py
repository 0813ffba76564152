"""From policies as they are to those there should be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._policies.plan import plan_policies
from ansible_collections.runbook.postgres.plugins.module_utils._policies.request import wishes
from ansible_collections.runbook.postgres.plugins.module_utils._policies.state import PUBLIC, Policy, Table, Wish
from ansible_collections.runbook.postgres.plugins.module_utils._tables import Named

OWN = Policy("own", "all", True, (PUBLIC,), "(tenant = CURRENT_USER)")
READ = Policy("read", "select", True, ("auditor", "boss"), "true")
TABLE = Table(Named(7, "public", "notes", False), enabled=True, forced=False, policies=(OWN, READ))


def sentences(table: Table, wish: Wish) -> list[str]:
    return [step.sentence for step in plan_policies(table, wish).changes]


@pytest.mark.parametrize(
    ("table", "wish", "expected"),
    [
        (TABLE, Wish("notes", (READ, OWN)), []),
        (TABLE, Wish("notes", (OWN,)), []),
        (TABLE, Wish("notes", (OWN,), exclusive=True), ["drop policy read of public.notes"]),
        (
            TABLE,
            Wish("notes", (replace(OWN, using="true"), READ)),
            ["drop policy own of public.notes", "create policy own on public.notes"],
        ),
        (TABLE, Wish("notes", (OWN, READ), forced=True), ["force row level security on public.notes"]),
        (TABLE, Wish("notes", (OWN, READ), enabled=False), ["disable row level security on public.notes"]),
        (
            replace(TABLE, enabled=False, policies=()),
            Wish("notes", (OWN,)),
            ["create policy own on public.notes", "enable row level security on public.notes"],
        ),
    ],
)
def test_steps(table: Table, wish: Wish, expected: list[str]) -> None:
    plan = plan_policies(table, wish)
    assert [step.sentence for step in plan.changes] == expected
    assert plan.changed is (list(plan.before) != list(plan.after))


def test_what_came_of_a_plan_needs_none() -> None:
    wish = Wish("notes", (replace(OWN, check="true"), replace(READ, roles=("boss",))), forced=True, exclusive=True)
    after = Table(TABLE.named, wish.enabled, wish.forced, wish.policies)
    assert sentences(TABLE, wish)
    assert sentences(after, wish) == []
    assert plan_policies(TABLE, wish).after == plan_policies(after, wish).before


def test_warnings_tell_of_what_stays_and_of_what_hides_everything() -> None:
    assert "not listed and stay, read" in plan_policies(TABLE, Wish("notes", (OWN,))).warnings[0]
    hidden = plan_policies(TABLE, Wish("notes", (replace(OWN, permissive=False),), exclusive=True))
    assert "nobody but its owner" in hidden.warnings[0]


def entry(**policy: object) -> dict[str, object]:
    blank = {"name": "p", "command": "all", "roles": ["app"], "using": None, "check": None, "permissive": True}
    table = {"table": "notes", "enabled": True, "force": False, "exclusive": False, "policies": [{**blank, **policy}]}
    return {"tables": [table], "lock_timeout": 2.0, "retries": 8}


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({}, "has no expression"),
        ({"using": "  "}, "has no expression"),
        ({"command": "select", "using": "true", "check": "true"}, "writes no row to check"),
        ({"command": "insert", "using": "true"}, "move its using to check"),
        ({"using": "true", "roles": []}, "is for no role"),
        ({"using": "true", "name": "ü" * 32}, "64 bytes"),
        ({"using": "true", "name": ""}, "has no name"),
    ],
)
def test_what_cannot_be_meant_is_refused(policy: dict[str, object], words: str) -> None:
    with pytest.raises(Refused, match=words):
        wishes(entry(**policy))


def test_everybody_is_one_whatever_else_is_listed() -> None:
    assert wishes(entry(using="true", roles=["app", "public"]))[0].policies[0].roles == (PUBLIC,)
    assert wishes(entry(using="true", roles=["b", "a", "b"]))[0].policies[0].roles == ("a", "b")


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("inf"), float("nan")])
def test_a_lock_timeout_is_a_time(seconds: float) -> None:
    with pytest.raises(Refused, match="lock_timeout"):
        wishes({**entry(using="true"), "lock_timeout": seconds})
