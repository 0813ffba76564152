# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Files of tasks that somebody wants run at a step of a playbook: they are there before the step comes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Callable

HOOKS = "postgres_hooks"


def absent(inventory: Mapping[str, Mapping[str, Any]], there: Callable[[str], bool]) -> Iterator[str]:
    """A sentence for each file that is missing; which steps there are is the specification's to say."""
    where: dict[tuple[str, str], list[str]] = {}
    for host, variables in inventory.items():
        hooks = variables.get(HOOKS)
        for step, path in hooks.items() if isinstance(hooks, Mapping) else ():
            if path is not None and not there(str(path)):
                where.setdefault((str(step), str(path)), []).append(host)
    for (step, path), hosts in where.items():
        yield (
            f"{HOOKS} of {', '.join(hosts)} has {path} for {step}, which is no file on the controller: "
            "give its whole path, such as one that begins with {{ inventory_dir }}."
        )
