# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Storage parameters of tables, such as those of autovacuum: as they are, as they should be, and what lies between."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused

SETTINGS_OPTIONS: dict[str, Any] = {
    "tables": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "table": {"type": "str", "required": True},
            "settings": {"type": "dict", "required": True},
        },
    },
    "lock_timeout": {"type": "float", "default": 2},
    "retries": {"type": "int", "default": 8},
}

_NAME = re.compile(r"(toast\.)?[a-z_][a-z0-9_]*")
_TRUE, _FALSE = ("true", "on", "yes", "1"), ("false", "off", "no", "0")

# What a parameter should be; None takes it back to the server's own.
Wanted = Mapping[str, Optional[str]]


@dataclass(frozen=True)
class Storage:
    """A table that holds rows, and the parameters that were set for it."""

    schema: str
    name: str
    settings: Mapping[str, str]

    @property
    def title(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Alter:
    """The parameters of one table that differ from what is wanted."""

    storage: Storage
    settings: Wanted

    @property
    def sentence(self) -> str:
        return f"set {', '.join(self.settings)} of {self.storage.title}"


def wanted_settings(options: Mapping[str, Any]) -> list[tuple[str, Wanted]]:
    # Python takes 'inf' and 'nan' for numbers, the server does not.
    if not 0 < options["lock_timeout"] <= 3600 or options["retries"] < 0:
        raise Refused("lock_timeout takes more than zero and at most 3600 seconds, and retries zero or more.")
    return [(each["table"], _settings(each["table"], each["settings"])) for each in options["tables"]]


def _settings(table: str, given: Mapping[str, Any]) -> Wanted:
    for name, value in given.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise Refused(f"{table}: {name!r} is no name of a storage parameter: use those of CREATE TABLE.")
        if isinstance(value, (list, dict)):
            raise Refused(f"{table}: {name} has several values: give it one.")
    return {name: _written(value) for name, value in given.items()}


def _written(value: Any) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value).strip()


def plan_settings(found: Sequence[Storage], wanted: Wanted) -> Plan:
    """One step for each table that differs; parameters that are not named stay as they are."""
    steps = [Alter(each, _differing(each.settings, wanted)) for each in found]
    steps = [step for step in steps if step.settings]
    return Plan(
        changes=tuple(steps),
        before=[line for step in steps for line in _listing(step.storage, step.storage.settings)],
        after=[line for step in steps for line in _listing(step.storage, _after(step))],
    )


def _differing(current: Mapping[str, str], wanted: Wanted) -> Wanted:
    return {name: value for name, value in wanted.items() if not _alike(current.get(name), value)}


def _alike(current: str | None, wanted: str | None) -> bool:
    if current is None or wanted is None:
        return current is wanted
    return _meaning(current) == _meaning(wanted)


def _meaning(text: str) -> float | str:
    """The server keeps what was typed: 0.10 is 0.1, and on is true."""
    try:
        return float(text)
    except ValueError:
        word = text.lower()
        return 1.0 if word in _TRUE else 0.0 if word in _FALSE else word


def _after(step: Alter) -> dict[str, str]:
    merged = {**step.storage.settings, **step.settings}
    return {name: value for name, value in merged.items() if value is not None}


def _listing(storage: Storage, settings: Mapping[str, str]) -> list[str]:
    return [f"{storage.title}: {name} = {settings[name]}" for name in sorted(settings)]
