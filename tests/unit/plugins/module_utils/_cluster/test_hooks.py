"""Files of hooks that are missing are told before their step comes."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.filter.inventory_problems import inventory_problems
from ansible_collections.runbook.postgres.plugins.module_utils._cluster.hooks import absent


def there(path: str) -> bool:
    return path == "/hooks/there.yml"


@pytest.mark.parametrize(
    "given", [None, "", "a text", {}, {"after_failover": None}, {"after_failover": "/hooks/there.yml"}]
)
def test_nothing_is_missing(given: Any) -> None:
    assert list(absent({"a": {"postgres_hooks": given}, "b": {}}, there)) == []


def test_each_file_is_told_once_with_its_hosts() -> None:
    hooks = {"after_failover": "/hooks/there.yml", "after_fencing": "/hooks/gone.yml"}
    [sentence] = absent({"a": {"postgres_hooks": hooks}, "b": {"postgres_hooks": hooks}}, there)
    assert "postgres_hooks of a, b has /hooks/gone.yml for after_fencing" in sentence


def test_a_path_that_begins_nowhere_is_no_file(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative one would be looked for beside the playbook, inside the collection."""
    (tmp_path / "hook.yml").write_text("[]")
    monkeypatch.chdir(tmp_path)
    host = {"postgres_cluster": "c", "postgres_hosts": ["a"], "postgres_address": "10.0.0.1"}
    hooked = {**host, "postgres_hooks": {"after_switchover": "hook.yml"}}
    [sentence] = inventory_problems({"a": hooked}, ["a"])
    assert "hook.yml for after_switchover" in sentence
    hooked = {**host, "postgres_hooks": {"after_switchover": str(tmp_path / "hook.yml")}}
    assert inventory_problems({"a": hooked}, ["a"]) == []
