# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One method of fencing, carried out and read back."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._fencing.block import Block
from ansible_collections.runbook.postgres.plugins.module_utils._fencing.command import Command
from ansible_collections.runbook.postgres.plugins.module_utils._fencing.evidence import (
    BLOCK,
    COMMAND,
    STOP,
    Evidence,
    Method,
)
from ansible_collections.runbook.postgres.plugins.module_utils._fencing.stop import Stop
from ansible_collections.runbook.postgres.plugins.module_utils._host_lock import alone
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module

# How long one run waits for another that fences on this host.
_TURN_SECONDS = 120.0


def carry_out(module: Module) -> None:
    method = _method(module)
    begun = time.monotonic()
    with _turn(module):
        found = method.observe()
        plan = method.plan(found)
        if plan.refusals:
            raise Refused(" ".join(plan.refusals))
        evidence = method.evidence(found)
        done: list[Any] = list(plan.changes) if module.check_mode else []
        try:
            if not module.check_mode:
                _take(method, plan, done)
                evidence = method.evidence(method.observe()) if plan.changes else evidence
                _refuse_without_proof(evidence)
        finally:
            seconds = round(time.monotonic() - begun, 1)
            module.report(**_result(module, method, plan, done, evidence), seconds=seconds)


def _take(method: Method, plan: Plan, done: list[Any]) -> None:
    for change in plan.changes:
        # Before it is over: one that fails halfway has changed something as well.
        done.append(change)
        method.take(change)


def _refuse_without_proof(evidence: Evidence) -> None:
    if not evidence.proven:
        raise Problem(" ".join(evidence.missing))


def _method(module: Module) -> Method:
    params = module.params
    if params["method"] == STOP:
        return Stop.of(params)
    if params["method"] == BLOCK:
        return Block.of(params, check_mode=module.check_mode)
    return Command.of(params)


@contextlib.contextmanager
def _turn(module: Module) -> Iterator[None]:
    """A command of the user's runs where we may have no rights, and its proof says what another run did."""
    if module.check_mode or module.params["method"] == COMMAND:
        yield
    else:
        with alone(f"fence-{module.params['method']}", _TURN_SECONDS):
            yield


def _result(module: Module, method: Method, plan: Plan, done: list[Any], evidence: Evidence) -> dict[str, Any]:
    params = module.params
    result: dict[str, Any] = {
        "changed": bool(done),
        "steps": [change.sentence for change in done],
        "evidence": {
            "host": params["host"],
            "method": params["method"],
            "state": params["state"],
            "proven": evidence.proven,
            # A dry run got this far without a refusal: the real run would do the rest.
            "foreseen": module.check_mode,
            "missing": list(evidence.missing),
            **evidence.seen,
        },
    }
    if done:
        result["diff"] = plan.diff(method.title)
    return {**result, **({"warnings": list(plan.warnings)} if plan.warnings else {})}
