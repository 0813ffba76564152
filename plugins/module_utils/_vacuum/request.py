# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The options of pg_vacuum, read before any server is contacted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused

VACUUM_OPTIONS: dict[str, Any] = {
    "databases": {"type": "list", "elements": "str", "default": []},
    "tables": {"type": "list", "elements": "str", "default": []},
    "max_age": {"type": "str", "default": "6 days"},
    "analyze": {"type": "bool", "default": True},
    "truncate": {"type": "bool", "default": False},
    "cost_delay": {"type": "float"},
    "max_seconds": {"type": "float"},
}


@dataclass(frozen=True)
class Wish:
    databases: tuple[str, ...] = ()
    # In the database that is logged in to; no others are looked at then.
    tables: tuple[str, ...] = ()
    max_age: str = "6 days"
    analyze: bool = True
    truncate: bool = False
    cost_delay: float | None = None
    max_seconds: float | None = None


def wish(options: Mapping[str, Any]) -> Wish:
    delay, seconds = options["cost_delay"], options["max_seconds"]
    # Python takes 'inf' and 'nan' for numbers, the server does not.
    if delay is not None and not 0 <= delay <= 100:
        raise Refused("cost_delay takes zero to 100 milliseconds.")
    if seconds is not None and not seconds > 0:
        raise Refused("max_seconds takes more than zero seconds; leave it out for no limit.")
    if options["databases"] and options["tables"]:
        raise Refused("tables are those of login_db: leave databases out, or tables.")
    return Wish(
        tuple(dict.fromkeys(options["databases"])),
        tuple(dict.fromkeys(options["tables"])),
        options["max_age"].strip(),
        options["analyze"],
        options["truncate"],
        delay,
        seconds,
    )
