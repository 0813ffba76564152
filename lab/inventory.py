"""An Ansible inventory of a cluster in the lab, as the demo, the tests and the bench write it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .checkout import LAB_ID, subnet_of
from .nodes import container_name


def connection(name: str) -> dict[str, Any]:
    """How the controller gets into a node."""
    return {
        "ansible_connection": "community.docker.docker",
        "ansible_host": container_name(name),
        "ansible_user": "root",
        "ansible_become_method": "ansible.builtin.sudo",
        "ansible_python_interpreter": "/usr/bin/python3",
    }


def write(
    directory: Path,
    servers: Mapping[str, int],
    poolers: Mapping[str, int],
    variables: Mapping[str, Any],
    *,
    cluster: str = "lab",
    hosts: Mapping[str, Mapping[str, Any]] | None = None,
) -> Path:
    """Write `directory`/hosts.yml: nodes by name with the last number of their addresses.

    `variables` are the cluster's, `hosts` those of single nodes. The file is JSON, which YAML contains.
    """

    def group(members: Mapping[str, int]) -> dict[str, Any]:
        return {
            "hosts": {
                name: {
                    **connection(name),
                    "postgres_address": f"{subnet_of(LAB_ID)}.{number}",
                    **(hosts or {}).get(name, {}),
                }
                for name, number in members.items()
            }
        }

    own = {
        "postgres_cluster": cluster,
        "postgres_hosts": list(servers),
        "postgres_poolers": list(poolers),
        "postgres_first_primary": first(list(servers)),
        **variables,
    }
    whole = {
        "postgres": group(servers),
        "pgbouncer": group(poolers),
        cluster: {"children": {"postgres": {}, "pgbouncer": {}}, "vars": own},
    }
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "hosts.yml"
    path.write_text(json.dumps(whole, indent=2), encoding="utf-8")
    return path


def first(names: Sequence[str]) -> str:
    return names[0] if names else ""
