# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a drill restores, and whether it may: all that speaks against it is told before anything is done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, Callable

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._progress import Progress, of_host
from ansible_collections.runbook.postgres.plugins.module_utils._recovery import archive as archives
from ansible_collections.runbook.postgres.plugins.module_utils._recovery import catalogue
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.choosing import choose
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.drill import scratch, untried
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.drill.dumps import Dump, Unpacking
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.drill.evidence import (
    Evidence,
    Objectives,
    Restored,
)
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.drill.rehearsal import (
    LATEST,
    Rehearsal,
)
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.drill.traces import left_by_a_drill
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.place import Place, read_mark
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.proof import Check
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.repository import Repository
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.rivals import contested
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.tablespaces import Moves, observed

# The latest backup of what is described, or the sentence that says why there is none.
FindDump = Callable[[Mapping[str, Any]], Dump]


@dataclass(frozen=True)
class Drill:
    """What is to be restored, either way."""

    physical: Rehearsal | None
    logical: Sequence[Unpacking]
    stamp: str
    # Copies of which it says nothing.
    untried: Sequence[str] = ()

    @property
    def system_identifier(self) -> str | None:
        if self.physical is not None:
            return self.physical.stanza.system_identifier
        return next((each.dump.system_identifier for each in self.logical), None)

    @property
    def steps(self) -> list[str]:
        steps = []
        if self.physical is not None:
            steps.append(f"restore backup {self.physical.backup.label} into {self.physical.place.restored}")
            named = self.physical.timeline
            line = "" if named is None else f" on timeline {named}"
            steps.append(f"replay{line} to the end of the archive, ask the server and examine it")
            steps.append("remove what was restored")
        for each in self.logical:
            steps.append(f"restore backup {each.dump.id} on a new server in {each.place.restored}, and ask it")
            steps.append("remove that server")
        return [*steps, "write the evidence"]

    def run(self, evidence: Evidence) -> None:
        evidence.untried = list(self.untried)
        if self.physical is not None:
            with _progress(self.physical) as progress:
                replace(self.physical, progress=progress).run(evidence)
        for each in self.logical:
            evidence.logical.append(Restored(each.dump.database, evidence.began, each.objectives))
            each.run(evidence.logical[-1])


def _progress(held: Rehearsal) -> Progress:
    """Of what takes longest; a logical backup's restore tells where that backup is."""
    about = {"id": held.backup.label, "work": "drill", "method": "physical", "kind": held.backup.kind}
    return of_host(f"drill-{held.place.version}", **about, stanza=held.stanza.name)


def prepared(params: Mapping[str, Any], places: Sequence[Place], find: FindDump) -> Drill:
    """All that speaks against it is told before anything is done."""
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    settings = {name: str(value) for name, value in params["settings"].items()}
    physical: Rehearsal | None = None
    against: list[str] = []
    if params["stanza"]:
        physical, against = _rehearsal(params, places[0], settings, stamp)
    meant = {"system_identifier": params["system_identifier"]}
    logical = [
        _unpacking(each, find({**each, **meant}), params, places[1], settings, stamp) for each in params["logical"]
    ]
    for each in logical:
        against += _against(params, each)
    if against:
        raise Refused(" ".join(dict.fromkeys(against)))
    return Drill(physical, logical, stamp, list(_untried(params, physical, logical)))


def _untried(params: Mapping[str, Any], physical: Rehearsal | None, logical: Sequence[Unpacking]) -> Iterator[str]:
    if physical is not None:
        yield from untried.physical(physical.stanza, physical.backup, untried.configuration(params["config"]))
    for given, each in zip(params["logical"], logical):
        yield from untried.logical(each.dump.database, given["repository"])


def _unpacking(
    given: Mapping[str, Any], dump: Dump, params: Mapping[str, Any], place: Place, settings: Mapping[str, str], at: str
) -> Unpacking:
    checks = [Check(each["name"] or each["query"][:60], dump.database, each["query"]) for each in given["checks"]]
    objectives = _objectives(params, given)
    return Unpacking(place, dump, settings, checks, objectives, float(params["timeout"]), at)


def _against(params: Mapping[str, Any], one: Unpacking) -> Iterator[str]:
    dump, place = one.dump, one.place
    yield from _not_meant(params, dump.system_identifier, f"Backup {dump.id} is of")
    if dump.major > place.version:
        yield f"Backup {dump.id} is from PostgreSQL {dump.major}, and {place.version} is to take it: give that version."
    leftover = left_by_a_drill(read_mark(place))
    production = params["production_machine_ids"]
    yield from scratch.refusals(place, dump.system_identifier or "", None, production, leftover=leftover)


def _not_meant(params: Mapping[str, Any], found: str | None, what: str) -> Iterator[str]:
    if params["system_identifier"] not in (None, found):
        yield (
            f"{what} the cluster with system identifier {found}, and {params['system_identifier']} is meant: look "
            "whether it is the right one."
        )


def repository(params: Mapping[str, Any]) -> Repository:
    return Repository(params["stanza"], params["config"], params["repository"])


def _rehearsal(
    params: Mapping[str, Any], place: Place, settings: Mapping[str, str], stamp: str
) -> tuple[Rehearsal | None, list[str]]:
    source = repository(params)
    stanza = catalogue.read(source.info(), params["stanza"], place.version, source.number)
    timeline = params["timeline"]
    archive = archives.ask(source, stanza, LATEST, timeline, place.version, None)
    # The latest is what a drill is about; what is wrong with it shows.
    choice = choose(LATEST, stanza, archive, None, faulty=True)
    dead = contested(LATEST, stanza, archive, None) if timeline is None and choice.backup is not None else None
    against = [*choice.refusals, *([dead] if dead is not None else [])]
    against += _not_meant(params, stanza.system_identifier, f"Stanza '{stanza.name}' holds")
    if choice.backup is None:
        return None, against
    mark = read_mark(place)
    leftover = left_by_a_drill(mark)
    ours = mark.proof.get("tablespaces", ()) if leftover and mark is not None else ()
    moves = Moves()
    if params["tablespace_map"]:
        given = {name: str(directory) for name, directory in params["tablespace_map"].items()}
        moves = observed(given, source.manifest(choice.backup), place, ours)
        against += moves.refusals
    here = replace(choice.backup, bytes=choice.backup.bytes - moves.bytes_elsewhere)
    production = params["production_machine_ids"]
    against += scratch.refusals(place, stanza.system_identifier, here, production, leftover=leftover)
    heartbeat = params["heartbeat"]
    beat = None if heartbeat is None else Check("heartbeat", heartbeat["database"], heartbeat["query"])
    checks = [Check(each["name"] or each["query"][:60], each["database"], each["query"]) for each in params["checks"]]
    seconds = float(params["timeout"])
    held = Rehearsal(place, source, stanza, choice.backup, settings, beat, checks, seconds, stamp, timeline, moves)
    return held, against


def _objectives(params: Mapping[str, Any], given: Mapping[str, Any]) -> Objectives:
    own = given["rto_minutes"]
    return Objectives((params["rto_minutes"] if own is None else own) * 60.0, given["rpo_minutes"] * 60.0)
