# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The variables that this collection's roles take, as their own specifications say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

SHARED = "postgres"


@dataclass(frozen=True)
class Known:
    """Names of variables, and the first words of names that belong to the roles."""

    names: frozenset[str]
    prefixes: frozenset[str]


def known(specifications: Mapping[str, Iterable[Mapping[str, Any]]]) -> Known:
    """From each role's name and its entry points."""
    names = {name for points in specifications.values() for point in points for name in point.get("options") or {}}
    return Known(frozenset(names), frozenset({*specifications, SHARED}))
