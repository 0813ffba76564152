# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The module's three steps in one place: observe, judge, report. There is nothing to apply."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._connection import libpq_parameters
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused, Unreachable
from ansible_collections.runbook.postgres.plugins.module_utils._health.check import Check, Levels
from ansible_collections.runbook.postgres.plugins.module_utils._health.checks import CHECKS
from ansible_collections.runbook.postgres.plugins.module_utils._health.checks.others import custom_check
from ansible_collections.runbook.postgres.plugins.module_utils._health.facts import facts
from ansible_collections.runbook.postgres.plugins.module_utils._health.judge import Accepted, judge, matches, set_aside
from ansible_collections.runbook.postgres.plugins.module_utils._health.observe import observe
from ansible_collections.runbook.postgres.plugins.module_utils._health.request import (
    Scope,
    chosen_subsets,
    custom_queries,
    positive,
    wanted_dumps,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.thresholds import merged
from ansible_collections.runbook.postgres.plugins.module_utils._patroni_api import Api, Keys


@dataclass(frozen=True)
class Examination:
    """What is wanted, refused or accepted as a whole before the server hears of it."""

    connection: Mapping[str, Any]
    scope: Scope
    checks: Mapping[str, Check]
    levels: Mapping[str, Levels]
    accepted: tuple[Accepted, ...]

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Examination:
        positive(options, "limit", "query_timeout", "timeout", "connect_timeout", "sample_seconds")
        subsets = chosen_subsets(options["gather_subset"])
        checks = {**CHECKS, **_own_checks(options["checks"])}
        levels = merged(checks, options["thresholds"])
        scope = Scope(
            subsets=subsets,
            databases=tuple(options["databases"]),
            limit=options["limit"],
            query_seconds=options["query_timeout"],
            total_seconds=options["timeout"],
            connect_seconds=options["connect_timeout"],
            # A floor that was switched off is still asked for by name in the SQL.
            floors={name: level.floor or 0.0 for name, level in levels.items()},
            queries=custom_queries(options["checks"]),
            pooler=_pooler(options["pgbouncer"]),
            patroni=_patroni(options["patroni"]),
            transaction_rate_baseline=_baseline(options["baseline"]),
            sample_seconds=options["sample_seconds"],
            stanzas=tuple(dict.fromkeys(options["expected_stanzas"])),
            dumps=wanted_dumps(options["expected_dumps"]),
        )
        return cls(libpq_parameters(options), scope, checks, levels, _accepted(options["ignore"], checks))

    def facts(self) -> dict[str, Any]:
        started = time.monotonic()
        observed = observe(self.connection, self.scope)
        ignored = set_aside(observed, self.checks, self.levels, self.accepted)
        findings = judge(observed, self.checks, self.levels, self.accepted, self.scope.limit)
        return facts(observed, findings, round((time.monotonic() - started) * 1000), self.scope.limit, ignored)


def examine(options: Mapping[str, Any]) -> dict[str, Any]:
    """The health of the server that the options lead to."""
    health = Examination.from_options(options).facts()
    if health["status"] == "down" and options["on_unreachable"] == "fail":
        raise Unreachable(health["findings"][0]["message"])
    return health


def _own_checks(checks: Sequence[Mapping[str, Any]]) -> dict[str, Check]:
    for each in checks:
        if each["name"] in CHECKS:
            raise Refused(f"checks names '{each['name']}', which is a check of the module's own: choose another name.")
    return {each["name"]: custom_check(each) for each in checks}


def _pooler(options: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The admin console is reached like a database of that name."""
    return None if options is None else libpq_parameters({**options, "login_db": "pgbouncer"})


def _patroni(options: Mapping[str, Any] | None) -> Api | None:
    """To look takes no certificate of ours."""
    return None if options is None else Api(options["address"], Keys(options["ca_cert"]), options["api_port"])


def _baseline(options: Mapping[str, Any] | None) -> float | None:
    if options is None:
        return None
    positive(options, "transactions_per_second")
    return float(options["transactions_per_second"])


def _accepted(rules: Sequence[Mapping[str, Any]], checks: Mapping[str, Check]) -> tuple[Accepted, ...]:
    """A rule that names no check would accept nothing, and its author believe otherwise."""
    for rule in rules:
        if not any(matches(name, rule["check"]) for name in checks):
            raise Refused(
                f"ignore names '{rule['check']}', which is no check: choose from {', '.join(sorted(checks))}."
            )
    return tuple(Accepted(rule["check"], rule["object"], rule["database"]) for rule in rules)
