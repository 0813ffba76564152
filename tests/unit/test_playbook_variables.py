"""What playbooks take and what roles take is told apart by preflight, which refuses a name that nobody takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import role_readmes
import yaml

from ansible_collections.runbook.postgres.plugins.module_utils._cluster.specs import OF_PLAYBOOKS, known

ROOT = Path(__file__).resolve().parents[2]
TAKES = known({role.name: role_readmes.specs(role).values() for role in role_readmes.roles()})
# What playbooks and roles tell each other and no inventory sets.
HANDED_ON = {
    "preflight_member",
    "preflight_seen",
    "provision_packages_installed",
    "replication_rejoined",
    "replication_stopped_before",
    "patroni_seen",
}


def belongs_to_a_role(name: str) -> bool:
    return any(name.startswith(f"{prefix}_") for prefix in TAKES.prefixes)


def taken() -> set[str]:
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "playbooks").rglob("*.yml")))
    words = re.findall(r"(?<![\w.])[a-z][a-z0-9_]*(?!\w)", text)
    return {word for word in words if belongs_to_a_role(word) and not word.startswith("postgres_")}


def test_what_playbooks_take_is_not_taken_for_a_misspelling() -> None:
    assert taken() - HANDED_ON <= TAKES.names


def test_what_is_known_of_playbooks_is_what_they_take() -> None:
    assert taken() >= OF_PLAYBOOKS


def test_the_example_sets_nothing_that_preflight_would_refuse() -> None:
    for path in sorted((ROOT / "inventories").rglob("*.yml")):
        found: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        strange = {name for name in found if belongs_to_a_role(name)} - TAKES.names
        assert not strange, path
