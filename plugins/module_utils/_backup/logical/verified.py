# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""State verified of pg_backup's method logical: a backup that is there is proven, and was not long ago."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup import place
from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import moment
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.dump import Way
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.observe import system_identifier
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.prove import Prover
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.reach import (
    parameters,
    server,
    session_to,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.run import readable_of
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.scratch import left_databases
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.steps import Drop, Verify
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.tools import find_tools, let_in
from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import ALL, DATA
from ansible_collections.runbook.postgres.plugins.module_utils._backup.options import read_max_age
from ansible_collections.runbook.postgres.plugins.module_utils._backup.repository import Backup, Repository
from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._connection import conninfo
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused, Unreachable
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module


@dataclass(frozen=True)
class Wish:
    destination: Path
    which: str
    database: str | None
    content: str
    label: str
    level: str
    max_age: timedelta
    identity: Path | None
    timeout: int


def verified(module: Module) -> None:
    wish = _wish(module.params)
    backup = Repository(wish.destination).find(
        wish.which, wish.database, wish.content, lambda told: told.label == wish.label, lambda: _own(module)
    )
    _refuse_what_cannot_be(wish, backup)
    plan = _plan(wish, backup, datetime.now(timezone.utc))
    warnings: list[str] = []
    if plan.changed:
        plan, warnings = _prove(module, wish, backup, plan)
        backup = Repository(wish.destination).find(backup.id)
    entry = backup.entry()
    told = entry.told()
    result: dict[str, Any] = {
        "changed": plan.changed,
        "taken": False,
        "steps": [step.sentence for step in plan.changes],
        "removed": [],
        "warnings": warnings,
        "id": backup.id,
        "path": str(backup.directory),
        "bytes": entry.stored_bytes,
        "lsn": entry.lsn_start,
        "verified": told["verified"],
        "copies": told["copies"],
        "age_seconds": int((datetime.now(timezone.utc) - entry.started).total_seconds()),
        **dict.fromkeys(("duration", "throughput", "compression_ratio")),
    }
    if plan.changed:
        result["diff"] = plan.diff(f"backup {backup.id}")
    module.report(**result)


def _own(module: Module) -> str | None:
    """By the server that is here; where there is none, the backup has to be named by its id."""
    with contextlib.suppress(Unreachable), session_to(module, module.params["login_db"]) as session:
        return system_identifier(session)
    return None


def _wish(params: dict[str, Any]) -> Wish:
    if not params["destination"]:
        raise Refused("destination is missing: name the directory with the backup that is to be verified.")
    if params["verify"] == "none":
        raise Refused("state: verified and verify: none contradict each other: choose checksum, list or restore.")
    return Wish(
        destination=Path(params["destination"]),
        which=params["id"],
        database=params["database"],
        content=params["content"],
        # The latest is of one series: a nightly backup proves nothing of the weekly one.
        label=params["label"],
        level=params["verify"],
        max_age=read_max_age(params),
        identity=None if params["identity"] is None else Path(params["identity"]),
        timeout=params["timeout"],
    )


def _refuse_what_cannot_be(wish: Wish, backup: Backup) -> None:
    told = backup.manifest
    if wish.level != "checksum" and told.encrypted and wish.identity is None:
        raise Refused(
            f"Backup {backup.id} is encrypted, and verify: {wish.level} reads it: name the file with age's secret key "
            "(identity), or verify by checksum."
        )
    if wish.level == "restore" and (told.tables or told.content == DATA):
        raise Refused(
            f"Backup {backup.id} is of {'chosen tables' if told.tables else 'data alone'}, which need what is not in "
            f"it, and restore takes one of a whole database ({ALL}) or its schema: verify it by list."
        )


def _plan(wish: Wish, backup: Backup, now: datetime) -> Plan:
    proof = backup.state.proofs.get(wish.level)
    young = proof is not None and timedelta() <= now - moment(proof) <= wish.max_age
    if wish.max_age and young and not backup.entry().problems:
        return Plan()
    before = "not verified" if not backup.state.proofs else "verified by " + ", ".join(sorted(backup.state.proofs))
    return Plan((Verify(backup.id, wish.level),), before=[before], after=[f"verified by {wish.level} now"])


def _prove(module: Module, wish: Wish, backup: Backup, plan: Plan) -> tuple[Plan, list[str]]:
    """With what the server has to have done for it as well, and what is odd; a check run asks all that a run asks."""
    database = backup.manifest.origin.database
    with contextlib.ExitStack() as held:
        environment = held.enter_context(let_in(module.params["login_password"]))
        login = module.params["login_db"]
        target, major, there = None, backup.manifest.origin.major, {}
        if wish.level == "restore":
            session = held.enter_context(session_to(module, login))
            target, major = server(module, session), max(major, session.major)
            there = left_databases(session)
        way = Way(find_tools(major), conninfo(parameters(module, login)), environment)
        prover = Prover(way, wish.identity, float(wish.timeout), target)
        prover.refuse_hindered(backup, wish.level, sum(there.values()))
        plan = replace(plan, changes=(*map(Drop, there), *plan.changes), before=[*there, *plan.before])
        about = (wish.destination, readable_of(database), f"database {database}")
        if module.check_mode:
            prover.warnings.extend(place.foreseen(*about))
            return plan, prover.warnings
        held.enter_context(place.alone(*about))
        for name in there:
            prover.clear(name)
        try:
            prover.prove(backup, wish.level)
        except Problem:
            # The far end may not know it.
            module.report(warnings=prover.warnings)
            raise
        return plan, prover.warnings
