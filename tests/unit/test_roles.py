"""A role states its contract once: specs, defaults and README say the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import role_readmes
import yaml

ROLES = role_readmes.roles()


def read(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    return loaded


def options(role: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for point in role_readmes.specs(role).values():
        found.update(point.get("options") or {})
    return found


@pytest.fixture(params=ROLES, ids=[role.name for role in ROLES])
def role(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_there_are_roles() -> None:
    assert {role.name for role in ROLES} >= {"preflight", "provision", "tls", "hba", "replication", "pgbouncer"}


def test_the_readme_is_what_the_specs_say(role: Path) -> None:
    assert (role / "README.md").read_text(encoding="utf-8") == role_readmes.page(role), "run `make docs-table`"


def test_every_default_is_documented(role: Path) -> None:
    assert set(read(role / "defaults/main.yml")) <= set(options(role))


def test_a_default_that_is_a_value_is_the_documented_one(role: Path) -> None:
    defaults = read(role / "defaults/main.yml")
    plain = {name: value for name, value in defaults.items() if "{{" not in str(value)}
    documented = options(role)
    assert {name: documented[name].get("default") for name in plain} == plain


def test_a_default_that_is_computed_is_documented_in_words(role: Path) -> None:
    defaults = read(role / "defaults/main.yml")
    computed = [name for name, value in defaults.items() if "{{" in str(value)]
    assert [name for name in computed if options(role)[name].get("default") is not None] == []


def test_a_variable_bears_the_name_of_its_role(role: Path) -> None:
    shared = ("postgres_", "replication_rebuild", "replication_upstream")
    assert [name for name in options(role) if not name.startswith((f"{role.name}_", *shared))] == []


def test_no_role_names_a_group_of_the_inventory(role: Path) -> None:
    tasks = "\n".join(path.read_text(encoding="utf-8") for path in sorted(role.rglob("*.yml")))
    assert not re.search(r"groups\[", tasks)
