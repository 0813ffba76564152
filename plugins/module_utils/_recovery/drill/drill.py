# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A drill from what was asked for to what is written down."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils import _files
from ansible_collections.runbook.postgres.plugins.module_utils._debian import bin_directory
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._host_lock import alone
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._recovery import catalogue
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.choosing import Archive, choose
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.drill import scratch
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.drill.evidence import Evidence, Objectives
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.drill.page import page
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.drill.rehearsal import (
    LATEST,
    Rehearsal,
    left_by_a_drill,
    remove,
)
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.place import STATE, Place, read_mark
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.proof import Check
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.repository import Repository

_NAME = "drill"
_CLUSTER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def drilled(module: Module) -> None:
    """The evidence of a drill that was held now."""
    params = module.params
    if not _CLUSTER.fullmatch(params["cluster"] or params["stanza"]):
        raise Refused("cluster becomes part of the evidence's file names: use letters, digits, dots, dashes and _.")
    place = Place(params["version"], _NAME, Path(params["directory"]) / "data")
    repository = Repository(params["stanza"], params["config"], params["repository"])
    if not (bin_directory(place.version) / "postgres").exists():
        raise Refused(f"PostgreSQL {place.version} is not installed on this host: install postgresql-{place.version}.")
    if module.check_mode:
        rehearsal = _rehearsal(params, place, repository)
        module.report(changed=True, passed=None, steps=_steps(rehearsal))
        return
    with alone(f"drill-{place.version}", params["timeout"]):
        mark = read_mark(place)
        if left_by_a_drill(mark) and mark is not None:
            remove(place, mark.stamp)
        rehearsal = _rehearsal(params, place, repository)
        evidence = _evidence(params, rehearsal)
        rehearsal.run(evidence)
        written = _write(params, evidence, rehearsal.stamp)
    module.report(changed=True, **written, **evidence.document, steps=_steps(rehearsal))
    if not evidence.passed:
        raise Problem(
            f"The drill of {evidence.cluster} did not pass: {' '.join(evidence.faults)} Its evidence is in "
            f"{written['page_file']}{'' if place.growing.exists() else ', what was restored was removed'}."
        )


def _rehearsal(params: Mapping[str, Any], place: Place, repository: Repository) -> Rehearsal:
    stanza = catalogue.read(repository.info(), params["stanza"], place.version, repository.number)
    # The latest is what a drill is about; what is wrong with it shows.
    choice = choose(LATEST, stanza, Archive(None), None, faulty=True)
    against = list(choice.refusals)
    if params["system_identifier"] not in (None, stanza.system_identifier):
        against.append(
            f"Stanza '{stanza.name}' holds the cluster with system identifier {stanza.system_identifier}, and "
            f"{params['system_identifier']} is meant: look whether the stanza is the right one."
        )
    leftover = left_by_a_drill(read_mark(place))
    production = params["production_machine_ids"]
    against += scratch.refusals(place, stanza.system_identifier, choice.backup, production, leftover=leftover)
    if against or choice.backup is None:
        raise Refused(" ".join(against))
    heartbeat = params["heartbeat"]
    return Rehearsal(
        place,
        repository,
        stanza,
        choice.backup,
        {name: str(value) for name, value in params["settings"].items()},
        None if heartbeat is None else Check("heartbeat", heartbeat["database"], heartbeat["query"]),
        [Check(each["name"] or each["query"][:60], each["database"], each["query"]) for each in params["checks"]],
        float(params["timeout"]),
        datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ"),
    )


def _evidence(params: Mapping[str, Any], rehearsal: Rehearsal) -> Evidence:
    return Evidence(
        params["cluster"] or params["stanza"],
        params["stanza"],
        socket.gethostname(),
        time.time(),
        Objectives(params["rto_minutes"] * 60.0, params["rpo_minutes"] * 60.0),
        rehearsal.stanza.system_identifier,
    )


def _write(params: Mapping[str, Any], evidence: Evidence, stamp: str) -> dict[str, str]:
    """The evidence for people and programs, and the state that others look at."""
    directory = Path(params["evidence_directory"])
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    name = f"drill-{evidence.cluster}-{stamp}"
    document, paper = directory / f"{name}.json", directory / f"{name}.html"
    _put(document, json.dumps(evidence.document, indent=1, sort_keys=True) + "\n")
    _put(paper, page(evidence))
    STATE.mkdir(mode=0o755, exist_ok=True)
    state = STATE / f"drill-{evidence.cluster}.json"
    _put(state, json.dumps(evidence.state(_before(state)), indent=1, sort_keys=True) + "\n")
    return {"evidence_file": str(document), "page_file": str(paper), "state_file": str(state)}


def _before(path: Path) -> Mapping[str, Any] | None:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError):
        # What cannot be read is written anew.
        return None


def _put(path: Path, text: str) -> None:
    _files.put(_files.File(path, text.encode(), mode=0o644), path)


def _steps(rehearsal: Rehearsal) -> list[str]:
    return [
        f"restore backup {rehearsal.backup.label} into {rehearsal.place.restored}",
        "replay to the end of the archive, ask the server and examine it",
        "remove what was restored",
        "write the evidence",
    ]
