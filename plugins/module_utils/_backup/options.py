# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The options that every method of pg_backup has, read before anything is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import LEVELS
from ansible_collections.runbook.postgres.plugins.module_utils._backup.retention import Retention
from ansible_collections.runbook.postgres.plugins.module_utils._backup.words import parse_age
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused

RETENTION: dict[str, Any] = {"type": "dict", "options": {"age": {"type": "str"}, "count": {"type": "int"}}}

SHARED_OPTIONS: dict[str, Any] = {
    "max_age": {"type": "str", "required": True},
    "verify": {"type": "str", "choices": list(LEVELS), "default": "checksum"},
    "timeout": {"type": "int", "default": 86_400},
}


def read_max_age(params: Mapping[str, Any]) -> timedelta:
    return parse_age("max_age", params["max_age"])


def read_retention(option: str, given: Mapping[str, Any] | None) -> Retention:
    if given is None:
        return Retention()
    age = None if given["age"] is None else parse_age(f"{option}: age", given["age"])
    if age is not None and not age:
        raise Refused(f"{option}: age 0 would let every backup go but the last: give an age such as '30 days'.")
    if given["count"] is not None and given["count"] < 1:
        raise Refused(f"{option}: count is {given['count']}: give 1 or more, or leave it out.")
    policy = Retention(age, given["count"])
    if policy.endless:
        raise Refused(f"{option} names neither age nor count: give one of them, or leave it out to keep all.")
    return policy
