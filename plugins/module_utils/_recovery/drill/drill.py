# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A drill from what was asked for to what is written down."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils import _files
from ansible_collections.runbook.postgres.plugins.module_utils._debian import bin_directory
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.drill.evidence import Evidence, Objectives
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.drill.page import page
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.drill.prepared import (
    Drill,
    FindDump,
    prepared,
    repository,
)
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.drill.traces import left_by_a_drill, remove
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.place import STATE, Place, read_mark
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.reading import reads
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.turn import turn

_NAME = "drill"
_CLUSTER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def drilled(module: Module, find: FindDump) -> None:
    """The evidence of a drill that was held now; `find` knows logical backups."""
    params = module.params
    _refuse_unfit(params)
    places = [Place(params["version"], _NAME, Path(params["directory"]) / name) for name in ("data", "dump")]
    with (
        turn(f"drill-{params['version']}", "the drill", check=module.check_mode),
        _reading(module),
    ):
        if not module.check_mode:
            _clear(places)
        drill = prepared(params, places, find)
        if module.check_mode:
            module.report(changed=True, passed=None, steps=drill.steps)
            return
        evidence = _evidence(params, drill)
        drill.run(evidence)
        written = _write(params, evidence, drill.stamp)
    module.report(changed=True, **written, **evidence.document, steps=drill.steps)
    if not evidence.passed:
        left = any(place.growing.exists() for place in places)
        raise Problem(
            f"The drill of {evidence.cluster} did not pass: {' '.join(evidence.faults)} Its evidence is in "
            f"{written['page_file']}{'' if left else ', what was restored was removed'}."
        )


def _reading(module: Module) -> AbstractContextManager[None]:
    params = module.params
    if not params["stanza"]:
        return contextlib.nullcontext()
    return reads(repository(params), float(params["timeout"]), module.warn, check=module.check_mode)


def _clear(places: Sequence[Place]) -> None:
    """What a run left that was killed."""
    for place in places:
        mark = read_mark(place)
        if left_by_a_drill(mark) and mark is not None:
            remove(place, mark.stamp)


def _refuse_unfit(params: Mapping[str, Any]) -> None:
    if not params["stanza"] and not params["logical"]:
        raise Refused("Nothing is to be restored: give stanza, logical, or both.")
    name = params["cluster"] or params["stanza"]
    if not name:
        raise Refused("cluster is missing: say what the evidence is about.")
    if not _CLUSTER.fullmatch(name):
        raise Refused("cluster becomes part of the evidence's file names: use letters, digits, dots, dashes and _.")
    version = params["version"]
    if not (bin_directory(version) / "postgres").exists():
        raise Refused(f"PostgreSQL {version} is not installed on this host: install postgresql-{version}.")


def _evidence(params: Mapping[str, Any], drill: Drill) -> Evidence:
    return Evidence(
        params["cluster"] or params["stanza"],
        params["stanza"] or None,
        socket.gethostname(),
        time.time(),
        Objectives(params["rto_minutes"] * 60.0, params["rpo_minutes"] * 60.0),
        drill.system_identifier,
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
