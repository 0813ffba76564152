# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What was asked for: the options, checked and turned into values before anything is contacted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._health.sql_text import is_query, single_statement
from ansible_collections.runbook.postgres.plugins.module_utils._patroni_api import Api

SUBSETS = (
    "server",
    "sessions",
    "databases",
    "replication",
    "wal",
    "storage",
    "backups",
    "tables",
    "partitions",
    "indexes",
    "bloat",
    "sequences",
    "statements",
    "progress",
    "pgbouncer",
    "patroni",
    "custom",
)


@dataclass(frozen=True)
class CustomQuery:
    """A question of the user's own: named SQL, in one database."""

    name: str
    query: str
    database: str | None
    # Whether more is worse.
    above: bool = True


@dataclass(frozen=True)
class WantedDumps:
    """Of this database there have to be some in this directory, while the server is one of those that take them."""

    directory: str
    database: str
    on: str = "primary"


@dataclass(frozen=True)
class Scope:
    """How much is looked at, and how long that may take."""

    subsets: frozenset[str]
    databases: tuple[str, ...] = ()
    limit: int = 10
    query_seconds: float = 5.0
    total_seconds: float = 30.0
    connect_seconds: float = 5.0
    floors: Mapping[str, float] = field(default_factory=dict)
    queries: tuple[CustomQuery, ...] = ()
    pooler: Mapping[str, Any] | None = None
    patroni: Api | None = None
    transaction_rate_baseline: float | None = None
    sample_seconds: float = 5.0
    # What of backups there has to be, besides what is found: clusters by the names of their stanzas, and dumps.
    stanzas: tuple[str, ...] = ()
    dumps: tuple[WantedDumps, ...] = ()


def wanted_dumps(expected: Sequence[Mapping[str, Any]]) -> tuple[WantedDumps, ...]:
    """Each once, however many labels and contents are kept of it."""
    return tuple(dict.fromkeys(WantedDumps(each["directory"], each["database"], each["on"]) for each in expected))


def chosen_subsets(words: Sequence[str]) -> frozenset[str]:
    """The subsets that gather_subset names, read as setup reads it.

    A name adds, !name leaves out, and only exclusions mean everything else.
    What is named stays also beside !all, which is how one asks for little.
    """
    for word in words:
        if word.lstrip("!") not in (*SUBSETS, "all") or word.startswith("!!"):
            raise Refused(
                f"gather_subset names '{word.lstrip('!')}', which does not exist: choose from all, "
                f"{', '.join(SUBSETS)}, each with ! before it to leave it out."
            )
    added = {word for word in words if not word.startswith("!")}
    dropped = {word[1:] for word in words if word.startswith("!")}
    everything = "all" in added or not (added or "all" in dropped)
    chosen = frozenset((set(SUBSETS) if everything else added) - dropped)
    if not chosen:
        raise Refused(
            f"gather_subset {list(words)} leaves nothing to look at: name what to look at, such as [all, '!bloat']."
        )
    return chosen


def custom_queries(checks: Sequence[Mapping[str, Any]]) -> tuple[CustomQuery, ...]:
    """The user's own queries; two of one name or two statements in one are refused."""
    names = [check["name"] for check in checks]
    for name in names:
        if names.count(name) > 1:
            raise Refused(f"checks names '{name}' twice: give each check a name of its own.")
    for check in checks:
        if not single_statement(check["query"]):
            raise Refused(
                f"The query of check '{check['name']}' holds more than one statement: "
                "a check is one SELECT, run in a read-only transaction."
            )
        if not is_query(check["query"]):
            raise Refused(
                f"The query of check '{check['name']}' returns no rows: "
                "a check is one SELECT (or WITH, VALUES, TABLE, SHOW), run in a read-only transaction."
            )
    return tuple(
        CustomQuery(check["name"], check["query"], check.get("database"), check.get("worse", "above") == "above")
        for check in checks
    )


def positive(options: Mapping[str, Any], *names: str) -> None:
    """Refuse limits of zero and less, and without an end: they would either do nothing or never end."""
    for name in names:
        if not 0 < options[name] < math.inf:
            raise Refused(f"{name} is {options[name]:g}: give a number above zero.")
