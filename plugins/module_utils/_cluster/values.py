# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether variables have values that the roles can take, as their own specifications say.

Each role looks at its own when its turn comes, and by then others have built servers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

Option = Mapping[str, Any]


def unfit(
    hosts: Iterable[str], inventory: Mapping[str, Mapping[str, Any]], options: Mapping[str, Option]
) -> Iterator[str]:
    """A sentence for each variable, with the hosts that it is about; what is not to be judged is None."""
    where: dict[tuple[str, str], list[str]] = defaultdict(list)
    for host in hosts:
        for name, value in inventory[host].items():
            if name in options and value is not None and not _switches_off(value, options[name]):
                complaint = "; ".join(_complaints(name, value, options[name]))
                if complaint:
                    where[name, complaint].append(host)
    for (name, complaint), several in where.items():
        yield f"Variable {name} ({', '.join(several)}) has a value that no role can take: {complaint}."


def _switches_off(value: Any, option: Option) -> bool:
    """Nothing where a group says something, as INI has to write it."""
    return value == "" and option.get("type") in ("list", "dict")


def _complaints(name: str, value: Any, option: Option) -> list[str]:
    # Whether it has to be there is not asked of a variable that is.
    checked = ArgumentSpecValidator({name: {**option, "required": False}}).validate({name: value})
    return [str(message).strip().rstrip(".") for message in checked.error_messages]
