# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One run of the module: a part of a switchover, or the settling of what an earlier one left."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Union

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._host_lock import alone
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.host import read_host
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.layout import Process
from ansible_collections.runbook.postgres.plugins.module_utils._switchover import (
    candidate,
    kept,
    pause,
    primary,
    request,
)
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.candidate import Candidate
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.notes import Notebook
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.pause import Way
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.pooler import Pooler
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.primary import Primary
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.remote import Remote
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.words import Words

# Nobody waits long for a part that is at work: it ends by itself, and who looks then knows more.
_LOCK_SECONDS = 1.0

Part = Union[Candidate, Primary, Pooler]


def notebook(options: Mapping[str, Any]) -> Notebook:
    """One for whatever can take part; a host may have an instance and a pooler."""
    if options["part"] == "pooler":
        return Notebook("pooler")
    place = request.place(options)
    return Notebook(f"{place.version}-{place.instance}")


def attempt(module: Module) -> None:
    module.require_driver()
    options, notes = module.params, notebook(module.params)
    with _alone(notes):
        part = _part(options, notes)
        module.report(changed=True, **part.result)
        if module.check_mode:
            return
        try:
            part.run()
        finally:
            module.report(changed=_changed(part), **part.result)


def settle(module: Module) -> None:
    options, notes = module.params, notebook(module.params)
    with _alone(notes):
        note = notes.read()
        unfinished = note.step if note is not None and note.unfinished else None
        module.report(changed=False, unfinished=unfinished, settled=None)
        if module.check_mode or unfinished is None:
            return
        module.require_driver()
        settled = _settled(options, notes)
        module.report(changed=settled is not None, unfinished=unfinished, settled=settled)


def _settled(options: Mapping[str, Any], notes: Notebook) -> str | None:
    if options["part"] == "pooler":
        return pause.settle(read_host((Process(),), None), notes)
    place = request.place(options)
    if options["part"] == "candidate":
        return candidate.settle(place, notes, request.limits(options))
    if options["primary_elsewhere"] is None:
        raise Refused(
            "primary_elsewhere says whether another member is primary by now: look at all of them, and say it."
        )
    return primary.settle(place, notes, options["primary_elsewhere"])


def _part(options: Mapping[str, Any], notes: Notebook) -> Part:
    words, limits = Words(request.token(options)), request.limits(options)
    keeper = request.keeper(options, kept.ANSWER_SECONDS)
    if options["part"] == "candidate":
        kind = Candidate if keeper is None else kept.KeptCandidate
        return kind(request.place(options), words, limits, notes)
    if options["part"] == "primary":
        poolers, bytes_behind = int(options["poolers"]), int(options["max_lag_bytes"])
        own = (request.place(options), words, limits, notes, str(options["candidate"]), poolers, bytes_behind)
        return Primary(*own) if keeper is None else kept.KeptPrimary(keeper, *own)
    way = Way(
        str(options["primary_address"]),
        str(options["candidate_address"]),
        int(options["server_port"]),
        str(options["auth_user"]),
    )
    repoint, login = pause.prepared(way)
    primary_server, candidate_server = Remote(login(way.primary), words), Remote(login(way.candidate), words)
    return Pooler(
        words, int(options["number"]), limits, notes, repoint, way.candidate, primary_server, candidate_server
    )


def _changed(part: Part) -> bool:
    return any(part.result.get(name) for name in ("stopped", "promoted", "repointed"))


@contextmanager
def _alone(notes: Notebook) -> Iterator[None]:
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(alone(f"switchover-{notes.name}", _LOCK_SECONDS))
        except Refused:
            raise
        except Problem:
            raise Refused(
                "Another switchover is under way on this host and ends by itself in its limits: run this again then."
            ) from None
        yield
