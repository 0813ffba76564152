"""The module's options as they are when nothing was given, as Ansible fills them in."""

from __future__ import annotations

from typing import Any

from ansible_collections.runbook.postgres.plugins.modules.pg_health_facts import OPTIONS


def options(**given: Any) -> dict[str, Any]:
    defaults = {name: option.get("default") for name, option in OPTIONS.items()}
    return {**defaults, **given}
