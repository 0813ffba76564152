"""The filter as a template meets it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.runbook.postgres.plugins.filter import restart_plan, tuning

TUNING = tuning.FilterModule().filters()["tuning"]
PLAN = restart_plan.FilterModule().filters()["restart_plan"]
MACHINE = {"memory_bytes": 8 * 1024**3, "cores": 4, "disk_bytes": None, "rotational": None}


def test_numbers_may_come_as_text() -> None:
    assert TUNING(MACHINE, "oltp", "200", "17", "", "8") == TUNING(MACHINE, "oltp", 200, 17, None, 8)


@pytest.mark.parametrize("given", [(None,), ("x",), ({},), (MACHINE, "games"), (MACHINE, "oltp", "many")])
def test_anything_else_is_refused_in_one_sentence(given: tuple[Any, ...]) -> None:
    with pytest.raises(AnsibleFilterError) as refusal:
        TUNING(*given)
    assert "\n" not in str(refusal.value)


def test_the_documentation_names_the_real_defaults() -> None:
    for module, function in ((tuning, tuning.tuning), (restart_plan, restart_plan.restart_plan)):
        options = yaml.safe_load(module.DOCUMENTATION)["options"]
        told = tuple(option.get("default") for name, option in options.items() if name != "_input")
        assert told == function.__defaults__
        assert "_value" in yaml.safe_load(module.RETURN)


WAITS = {"shared_buffers": {"running": "1", "wanted": "2"}}


def host(cluster: str, role: str, waiting: Any = None) -> dict[str, Any]:
    seen = None if waiting is None else {"role": role, "waiting": waiting}
    return {"cluster": cluster, "seen": seen, "instance": {"role": role, "settings": {"max_connections": 100}}}


def test_clusters_are_planned_one_by_one() -> None:
    hosts = {
        "a1": host("a", "primary", WAITS),
        "a2": host("a", "standby", WAITS),
        "b1": host("b", "primary", WAITS),
        "c1": host("c", "primary", {}),
        "d1": host("d", "primary"),
    }
    result = PLAN(hosts, allow_primary=True)
    assert result == {"order": ["a2", "a1", "b1"], "held": [], "refusals": []}
    assert PLAN(hosts)["order"] == ["a2"]
    assert len(PLAN(hosts)["held"]) == 2


@pytest.mark.parametrize("given", [None, "x", {"a": None}, {"a": {"seen": {"waiting": {"x": {}}}}}])
def test_what_is_no_plan_is_refused(given: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="pg_restart"):
        PLAN(given)
