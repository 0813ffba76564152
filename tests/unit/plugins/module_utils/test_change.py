"""The diff, the check mode's answer and the run come from one list."""

from __future__ import annotations

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan


def test_an_empty_plan_changes_nothing() -> None:
    plan = Plan(before=("a",), after=("a",))
    assert not plan.changed
    assert plan.diff("t")["before"] == plan.diff("t")["after"] == "a\n"


def test_a_diff_shows_both_states_in_full() -> None:
    plan = Plan(changes=(object(),), before=("a", "b"), after=("b", "c"))
    assert plan.changed
    assert plan.diff("t") == {"before_header": "t", "after_header": "t", "before": "a\nb\n", "after": "b\nc\n"}


def test_nothing_at_all_is_an_empty_page() -> None:
    assert Plan().diff("t")["before"] == ""
