# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The user's thresholds over the defaults, refused where they make no sense."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._health.check import Check, Levels

_NAMES = tuple(each.name for each in fields(Levels))
_RISING = ("info", "warning", "critical")


def merged(checks: Mapping[str, Check], overrides: Mapping[str, Any]) -> dict[str, Levels]:
    """The levels of every check; null in an override switches a level off."""
    unknown = sorted(set(overrides) - set(checks))
    if unknown:
        raise Refused(
            f"thresholds names {_quoted(unknown)}, which is no check: choose from {', '.join(sorted(checks))}."
        )
    return {name: _levels(check, overrides.get(name)) for name, check in checks.items()}


def _levels(check: Check, override: Any) -> Levels:
    if override is None:
        override = {}
    if not isinstance(override, Mapping):
        raise Refused(f"thresholds.{check.name} is {override!r}: give a dictionary with any of {', '.join(_NAMES)}.")
    unknown = sorted(set(override) - set(_NAMES))
    if unknown:
        raise Refused(
            f"thresholds.{check.name} names {_quoted(unknown)}, which is no level: choose from {', '.join(_NAMES)}."
        )
    given = {**asdict(check.levels), **override}
    levels = Levels(**{name: _number(check, name, value) for name, value in given.items()})
    _ordered(check, levels)
    return levels


def _number(check: Check, level: str, value: Any) -> float | None:
    if value is None or value == "":
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if math.isnan(number):
        # No value is beyond it: the level would be off without anybody having said so.
        raise Refused(
            f"thresholds.{check.name}.{level} is {value!r}: give a number ({check.unit or 'of its unit'}), "
            "or null to switch it off."
        )
    return number


def _ordered(check: Check, levels: Levels) -> None:
    """A milder level must speak up no later than a graver one, else it never would."""
    given = [(name, getattr(levels, name)) for name in _RISING if getattr(levels, name) is not None]
    for (mild, early), (grave, late) in zip(given, given[1:]):
        if (early > late) if check.above else (early < late):
            worse = "more" if check.above else "less"
            raise Refused(
                f"thresholds.{check.name} has {mild} at {early:g} beyond {grave} at {late:g}: {worse} is worse here, "
                f"so {mild} has to come first (defaults count where a level is not given)."
            )


def _quoted(names: list[Any]) -> str:
    return ", ".join(f"'{name}'" for name in names)
