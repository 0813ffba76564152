"""The filter as a template meets it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.runbook.postgres.plugins.filter import health_report
from ansible_collections.runbook.postgres.plugins.module_utils._health.facts import facts
from tests.unit.plugins.rows import observed

FILTER = health_report.FilterModule().filters()["health_report"]
HEALTH = facts(observed(), [], 5)


def test_facts_become_a_page() -> None:
    assert FILTER(HEALTH).startswith("this server  PostgreSQL 15.14 primary")
    assert FILTER(HEALTH, name="pg7").startswith("pg7  ")
    assert "\x1b[" in FILTER(HEALTH, colour=True)
    assert "\x1b[" not in FILTER(HEALTH)


@pytest.mark.parametrize(
    "given",
    [
        None,
        "pg_health",
        5,
        [],
        {},
        {"ansible_facts": {"pg_health": HEALTH}},
        {**HEALTH, "metrics": []},
        {**HEALTH, "findings": None},
        {**HEALTH, "findings": [{}]},
        {**HEALTH, "server": {"version": "15"}},
        {**HEALTH, "metrics": {"storage": {"disks": [{"path": "/", "used_percent": "half", "total_bytes": 1}]}}},
    ],
)
def test_anything_else_is_refused_in_one_sentence(given: Any) -> None:
    with pytest.raises(AnsibleFilterError) as refusal:
        FILTER(given)
    assert "pg_health_facts first" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_the_documentation_names_the_real_parameters_and_defaults() -> None:
    options = yaml.safe_load(health_report.DOCUMENTATION)["options"]
    assert {name: option.get("default") for name, option in options.items() if name != "_input"} == {
        "name": "this server",
        "colour": False,
    }
    assert health_report.health_report.__defaults__ == ("this server", False)
    assert "_value" in yaml.safe_load(health_report.RETURN)
