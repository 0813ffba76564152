# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Pausing and resuming on a host: what its processes say, what a run before this one wrote down, and the commands."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, QueryFailed, Refused, Silent
from ansible_collections.runbook.postgres.plugins.module_utils._files import File, observe, put
from ansible_collections.runbook.postgres.plugins.module_utils._host_lock import LOCKS, alone
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.console import console
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.host import Host, alive, read_host
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.layout import Process
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.pausing import (
    Drop,
    Held,
    Pause,
    Pool,
    Resume,
    plan_pause,
    plan_resume,
    read,
    still_held,
    with_paused,
    written,
)
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session, compose, identifier

# A process that starts again holds nobody back, nor does a host: what says who was held back goes with /run.
NOTE = LOCKS / "paused-pools.json"
_LOCK_SECONDS = 60.0
# For a pool whose turn comes when the time is up: it is told to wait, and not waited for.
_LEAST_SECONDS = 0.1
# What PgBouncer says where all of it is paused, which no single pool shows.
_AS_A_WHOLE = "already suspended/paused"


@dataclass(frozen=True)
class Pooler:
    """The host's processes, their pools and those that we hold."""

    host: Host
    pools: tuple[Pool, ...]
    held: tuple[Held, ...]

    @contextlib.contextmanager
    def at(self, process: int, answer_seconds: float = 5.0) -> Iterator[Session]:
        which = Process(process)
        with console(which.socket_directory, self.host.port(which), answer_seconds=answer_seconds) as session:
            yield session


def look() -> Pooler:
    """A host without PgBouncer, or where it does not run, has no pools and nobody to be held back."""
    host = read_host((), None)
    silent = [each for each in host.known_processes if alive(each) and each not in host.running]
    if silent:
        raise Refused(
            f"{silent[0].unit} runs and does not answer at its console in {silent[0].socket_directory}: "
            f"look into its log, {silent[0].own_settings['logfile']}."
        )
    note = observe(NOTE)
    pooler = Pooler(host, (), () if note is None else read(note.content))
    return Pooler(host, tuple(pool for each in host.running for pool in _pools(pooler, each)), pooler.held)


def _pools(pooler: Pooler, process: Process) -> list[Pool]:
    with pooler.at(process.number) as session:
        rows = session.fetch("SHOW DATABASES")
        # What is to be closed and still at work: its pool was led elsewhere meanwhile.
        at_work = [
            row["database"]
            for row in session.fetch("SHOW SERVERS")
            if row["state"] == "active" and str(row["close_needed"]) == "1"
        ]
    return [
        Pool(process.number, row["name"], _hosts(row["host"]), str(row["paused"]) == "1", at_work.count(row["name"]))
        for row in rows
        if row["name"] != "pgbouncer"
    ]


def _hosts(told: str | None) -> tuple[str, ...]:
    return tuple(each.strip() for each in (told or "").split(",") if each.strip())


def foreseen(state: str, addresses: Sequence[str], *, drop_stuck: bool = False) -> Plan:
    pooler = look()
    if state == "paused":
        return plan_pause(pooler.pools, addresses)
    return plan_resume(pooler.pools, addresses, pooler.held, drop_stuck=drop_stuck)


def brought_about(
    state: str, addresses: Sequence[str], seconds: float, *, drop_stuck: bool = False
) -> tuple[Plan, list[str]]:
    """The plan that was carried out, and what is to be said about it."""
    with alone("pgbouncer-pools", _LOCK_SECONDS):
        pooler = look()
        if state == "resumed":
            plan = plan_resume(pooler.pools, addresses, pooler.held, drop_stuck=drop_stuck)
            _drop(pooler, [step for step in plan.changes if isinstance(step, Drop)])
            _resume(pooler, [step for step in plan.changes if isinstance(step, Resume)])
            _note(still_held(pooler.held, addresses))
            return plan, []
        plan = plan_pause(pooler.pools, addresses)
        if plan.changed:
            # First, so that one who comes after a kill lets go also what is being paused now.
            _note(with_paused(pooler.held, plan.changes))
        try:
            return plan, _pause(pooler, plan.changes, Deadline(seconds))
        except BaseException:
            # All of them or none; what cannot be let go now stands in the note.
            with contextlib.suppress(Problem):
                _resume(pooler, [Resume(step.pool) for step in plan.changes])
                _note(pooler.held)
            raise


def _pause(pooler: Pooler, steps: Sequence[Pause], deadline: Deadline) -> list[str]:
    warnings, whole = [], set()
    for step in steps:
        try:
            said = _command(pooler, "PAUSE {name}", step.pool, max(_LEAST_SECONDS, deadline.remaining()))
            if _AS_A_WHOLE in said:
                whole.add(step.pool.process)
        except Silent:
            # It hands out no more connections, and answers when the last transaction has ended.
            warnings.append(
                f"Pool {step.pool.title} still has transactions under way, which end with the server or by themselves; "
                "nobody new gets in."
            )
    known = {(each.process, each.name): each for each in look().pools} if steps else {}
    for step in steps:
        paused = known.get((step.pool.process, step.pool.name), step.pool).paused
        if not paused and step.pool.process not in whole:
            raise Problem(f"Pool {step.pool.title} was paused and is not: see who else is at PgBouncer's console.")
    warnings += [
        f"Somebody has paused {Process(each).unit} as a whole: its clients wait until they give RESUME at its console."
        for each in sorted(whole)
    ]
    return warnings


def _drop(pooler: Pooler, steps: Sequence[Drop]) -> None:
    """What this does not end is no reason to have the others wait on."""
    for step in steps:
        with contextlib.suppress(Problem):
            _command(pooler, "KILL {name}", step.pool, 5.0)


def _resume(pooler: Pooler, steps: Sequence[Resume]) -> None:
    """All that can be, before it is told which cannot."""
    failed = []
    for step in steps:
        try:
            _command(pooler, "RESUME {name}", step.pool, 5.0)
        except Problem as problem:
            failed.append(f"{step.pool.title} ({problem.sentence.rstrip('.')})")
    known = {(step.pool.process, step.pool.name) for step in steps}
    left = [each for each in look().pools if each.paused and (each.process, each.name) in known] if steps else []
    if left:
        raise Problem(
            f"Not resumed: {', '.join(failed or [each.title for each in left])}; its clients still wait: "
            "give RESUME with its name at PgBouncer's console (psql -U pgbouncer pgbouncer)."
        )


def _command(pooler: Pooler, command: str, pool: Pool, seconds: float) -> str:
    """Its refusal, which may only mean that it is so already: whether it is, is asked afterwards."""
    with pooler.at(pool.process, seconds) as session:
        try:
            session.fetch(compose(command, name=identifier(pool.name)))
        except QueryFailed as refusal:
            return refusal.sentence
    return ""


def _note(held: Sequence[Held]) -> None:
    put(File(NOTE, written(held), mode=0o600) if held else None, NOTE)


def result(plan: Plan, warnings: Sequence[str]) -> dict[str, Any]:
    return {
        "changed": plan.changed,
        "diff": plan.diff("PgBouncer's pools"),
        "steps": [step.sentence for step in plan.changes],
        "pools": list(dict.fromkeys(step.pool.name for step in plan.changes)),
        "warnings": list(warnings),
    }
