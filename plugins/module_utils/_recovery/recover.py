# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A recovery from what was asked for to what is reported."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._ending import Ended
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused, said
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.drilled import drilled
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.proven import Proven, proven, read
from ansible_collections.runbook.postgres.plugins.module_utils._progress import Progress, of_host
from ansible_collections.runbook.postgres.plugins.module_utils._recovery import archive as archives
from ansible_collections.runbook.postgres.plugins.module_utils._recovery import catalogue, host, target
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.apply import Apply
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.catalogue import Backup, Stanza
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.choosing import choose
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.place import RESTORING, read_state
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.plan import (
    Course,
    Step,
    done_before,
    plan_recovery,
    promotes_paused,
)
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.proof import Check, Prover
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.reading import reads
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.refusals import (
    of_archiving,
    of_keeper,
    of_stopped,
)
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.repository import Repository
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.tablespaces import Moves, observed
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.torn import damaged
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.turn import turn
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.unarchived import bytes_waiting
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.wanted import STOP, Wanted


def recovered(module: Module) -> None:
    """The instance is the cluster as it was at the target."""
    params = module.params
    wanted = _wanted(params)
    repository = Repository(params["stanza"], params["config"], params["repository"])
    place = wanted.place
    with (
        turn(f"{place.version}-{place.instance}", f"instance {wanted.title}", check=module.check_mode),
        reads(repository, float(params["timeout"]), module.warn, check=module.check_mode),
    ):
        found = host.observe(place)
        if done_before(wanted, found) and found.mark is None:
            for refusal in (of_stopped(wanted, found), of_archiving(wanted, found)):
                if refusal is not None:
                    raise Refused(refusal)
            module.report(**_result(Plan(), wanted, dict((found.state or {}).get("proof", {})), found.state))
            return
        proofs = read(params["proofs"]) if params["proofs"] else proven(wanted.stanza)
        course = _course(wanted, found, repository, proofs)
        progress = Progress(None) if module.check_mode else _progress(wanted, course)
        seconds = float(params["timeout"])
        prover = Prover(wanted.place, repository, wanted.target, wanted.timeline, _checks(params), seconds, progress)
        apply = Apply(wanted, found, course, prover, lambda: _stanza(wanted, repository, found, proofs), params["port"])
        try:
            if not module.check_mode:
                with prover.progress:
                    apply.carry_out()
        except (Problem, OSError, Ended) as problem:
            done = replace(course.plan, changes=tuple(apply.done))
            old = {"old_data": apply.old_data and str(apply.old_data)}
            module.report(**_result(done, wanted, apply.proof, old), warnings=apply.lost)
            if apply.aftermath is None and isinstance(problem, (Problem, Ended)):
                raise
            why = problem.sentence if isinstance(problem, Ended) else said(problem)
            raise Problem(" ".join(each for each in (why, apply.aftermath) if each)) from problem
        _report(module, wanted, course, apply)


def _progress(wanted: Wanted, course: Course) -> Progress:
    place, backup = wanted.place, course.backup
    return of_host(
        f"recovery-{place.version}-{place.instance}",
        id=None if backup is None else backup.label,
        work="recovery",
        method="physical",
        kind=None if backup is None else backup.kind,
        stanza=wanted.stanza,
        instance=wanted.title,
        target=str(wanted.target),
    )


def _report(module: Module, wanted: Wanted, course: Course, apply: Apply) -> None:
    state = read_state(wanted.place) if not module.check_mode else None
    result = _result(course.plan, wanted, apply.proof or (state or {}).get("proof", {}), state)
    if course.backup is not None:
        result["backup"] = course.backup.label
    if course.archive.timeline is not None:
        result["followed_timeline"] = course.archive.timeline
    if course.moves.by_name:
        result["tablespaces"] = course.moves.by_name
    module.report(**result, seconds=apply.seconds, warnings=[*course.plan.warnings, *apply.lost])


def _wanted(params: Mapping[str, Any]) -> Wanted:
    place = host.place_of(params["version"], params["instance"], params["data_directory"])
    if not place.data.is_absolute() or ".." in place.data.parts or len(place.data.parts) < 3:
        raise Refused(
            f"{place.data} cannot be a directory of an instance: give a whole path, at least two levels deep."
        )
    return Wanted(
        place,
        target.read(params["target"], params["target_value"], inclusive=params["inclusive"]),
        params["stanza"],
        params["timeline"],
        params["backup"],
        params["end"],
        params["archives"],
        params["running_server"],
        params["leave_standbys"],
        params["system_identifier"],
        params["replaces"],
        params["again"],
        {name: str(directory) for name, directory in params["tablespace_map"].items()},
        datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ"),
    )


def _checks(params: Mapping[str, Any]) -> list[Check]:
    return [Check(each["name"] or each["query"][:60], each["database"], each["query"]) for each in params["checks"]]


def _stanza(wanted: Wanted, repository: Repository, found: host.Host, proofs: Proven) -> Stanza:
    size = found.data.segment_bytes if found.data is not None else catalogue.SEGMENT_BYTES
    known = catalogue.read(repository.info(), wanted.stanza, wanted.place.version, repository.number, size)
    torn = damaged(proofs.damaged_wal, known.archives, size)
    return replace(catalogue.judged(known, drilled(wanted.stanza), proofs.problems), damaged=torn)


def _course(wanted: Wanted, found: host.Host, repository: Repository, proofs: Proven) -> Course:
    if promotes_paused(wanted, found):
        otherwise = of_archiving(wanted, found)
        if otherwise is not None:
            raise Refused(otherwise)
        if found.promoters:
            raise Refused(" ".join(of_keeper(wanted, found)))
        stands = found.server is not None and found.server.in_recovery
        what = "promote" if stands else "end what was begun of the promotion of"
        since = "is" if stands else "was"
        step = Step("promote", f"{what} instance {wanted.title}, which {since} paused at {wanted.target}")
        return Course(Plan((step,), before=["paused"], after=["promoted"]))
    if not found.installed:
        raise Refused(
            f"PostgreSQL {wanted.place.version} is not installed on this host: install "
            f"postgresql-{wanted.place.version} first."
        )
    stanza = _stanza(wanted, repository, found, proofs)
    archive = archives.ask(
        repository, stanza, wanted.target, wanted.timeline, wanted.place.version, _asks_as(wanted, found, stanza)
    )
    choice = choose(wanted.target, stanza, archive, wanted.label)
    now = found.server.now if found.server is not None and found.server.now is not None else time.time()
    if choice.backup is not None and _brings(wanted, found, stanza):
        found = replace(found, unarchived_bytes=bytes_waiting(wanted.place, stanza, choice.backup.first))
    moves = _moves(wanted, found, repository, choice.backup)
    course = plan_recovery(wanted, found, stanza, archive, choice, now, moves)
    if course.plan.refusals:
        raise Refused(" ".join(course.plan.refusals))
    return course


def _brings(wanted: Wanted, found: host.Host, stanza: Stanza) -> bool:
    """Whether WAL of the data here goes into the recovery: that of this cluster, once no server runs on it."""
    control = None if found.data is None else found.data.control
    ours = control is not None and control.system_identifier == stanza.system_identifier
    return ours and (found.server is None or wanted.running_server == STOP)


def _moves(wanted: Wanted, found: host.Host, repository: Repository, backup: Backup | None) -> Moves:
    if not wanted.tablespace_map or backup is None:
        return Moves()
    mark = found.mark
    ours = mark.request.get("tablespace_map", {}) if mark is not None and found.restored else {}
    return observed(wanted.tablespace_map, repository.manifest(backup), wanted.place, set(ours.values()))


def _asks_as(wanted: Wanted, found: host.Host, stanza: Stanza) -> Path | None:
    """A data directory of the cluster: pgbackrest hands out WAL only to one of those."""
    control = found.data.control if found.data is not None else None
    if control is not None and control.system_identifier == stanza.system_identifier:
        return wanted.place.data
    mark = found.mark
    whole = (wanted.place.restored / "global/pg_control").exists()
    if whole and mark is not None and mark.phase != RESTORING and mark.system_identifier == stanza.system_identifier:
        return wanted.place.restored
    return None


def _result(
    plan: Plan, wanted: Wanted, proof: Mapping[str, Any], state: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    result: dict[str, Any] = {
        "changed": plan.changed,
        "target": str(wanted.target),
        "archives": wanted.archives,
        "steps": [step.sentence for step in plan.changes],
        "old_data": (state or {}).get("old_data"),
        **{key: proof.get(key) for key in ("stopped_at_lsn", "stopped_at_time", "next_transaction_at", "timeline")},
        "checks": list(proof.get("checks", ())),
        "backup": proof.get("backup"),
        "followed_timeline": proof.get("followed_timeline"),
    }
    if plan.changed:
        result["diff"] = plan.diff(f"{wanted.title} on this host")
    return result
