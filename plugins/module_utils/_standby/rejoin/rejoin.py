# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From observing to reporting, for data that went another way than the primary."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._host_lock import alone
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._orphans import end_orphans
from ansible_collections.runbook.postgres.plugins.module_utils._standby import local
from ansible_collections.runbook.postgres.plugins.module_utils._standby.conninfo import conninfo
from ansible_collections.runbook.postgres.plugins.module_utils._standby.plan import Wanted
from ansible_collections.runbook.postgres.plugins.module_utils._standby.rejoin import keep, mark, rewind, tail
from ansible_collections.runbook.postgres.plugins.module_utils._standby.rejoin.apply import Apply, has_label, told
from ansible_collections.runbook.postgres.plugins.module_utils._standby.rejoin.plan import (
    Keep,
    Rewind,
    Seen,
    at_rest,
    branch,
    parted,
    plan_rejoin,
)
from ansible_collections.runbook.postgres.plugins.module_utils._standby.rejoin.rewind import Rewinding
from ansible_collections.runbook.postgres.plugins.module_utils._standby.standby import wanted_of
from ansible_collections.runbook.postgres.plugins.module_utils._standby.upstream import Upstream, ask


def rejoined(module: Module) -> None:
    """The data is that of a standby of the primary, and what only it had is kept beside it."""
    params = module.params
    source = conninfo(params, seconds=params["connect_timeout"])
    wanted = wanted_of(params, source)
    rewinding = Rewinding(wanted.version, wanted.instance, wanted.place.data, source, params["timeout"])
    with contextlib.ExitStack() as held:
        if not module.check_mode:
            held.enter_context(alone(f"{wanted.version}-{wanted.instance}", params["timeout"]))
            end_orphans("pg_rewind", str(wanted.place.data))
        upstream = ask(wanted.version, source, float(params["connect_timeout"]))
        seen = _observe(wanted, params["port"], upstream, rewinding.seconds)
        plan = plan_rejoin(wanted, seen, upstream)
        if plan.refusals:
            raise Refused(" ".join(plan.refusals))
        fork = parted(seen, upstream)
        warnings = _try_out(rewinding, seen, plan, fork, check_mode=module.check_mode)
        about = _about(wanted, seen, upstream, plan, fork)
        apply = Apply(wanted, seen, upstream, rewinding, fork)
        try:
            if not module.check_mode:
                apply.carry_out(plan, params["port"])
        except Problem:
            module.report(**_result(replace(plan, changes=tuple(apply.done)), wanted, warnings), **about)
            raise
        module.report(**_result(plan, wanted, warnings), **about)


def _observe(wanted: Wanted, port: int, upstream: Upstream, seconds: float) -> Seen:
    place = wanted.place
    host = local.observe(wanted.version, wanted.instance, port, place)
    found = mark.read(place.data)
    kept = found is not None and found.whole
    seen = Seen(host, mark=found, kept=kept, label=has_label(place.data))
    own = None if host.data is None else branch(host.data)
    if kept or own is None or host.data is None or host.data.control is None:
        return seen
    fork = found.fork if found is not None else own.fork(upstream.position)
    streams = host.server is not None and host.server.streaming
    if fork is None or streams or host.data.control.system_identifier != upstream.system_identifier:
        return seen
    return replace(seen, tail=tail.observe(wanted.version, place.data, host.data.control, own, fork, seconds))


def _try_out(
    rewinding: Rewinding, seen: Seen, plan: Plan, fork: tuple[int, str] | None, *, check_mode: bool
) -> list[str]:
    """What pg_rewind says beforehand, where the data is in a state in which it can say something."""
    if not any(isinstance(change, Rewind) for change in plan.changes) or fork is None:
        return []
    if seen.mark is not None or seen.host.server is not None or not at_rest(seen, fork):
        told_late = "What pg_rewind says beforehand is only known in the run itself: the data is not at rest."
        return [told_late] if check_mode else []
    try:
        rewind.try_out(rewinding)
    except Refused:
        raise
    except Problem as error:
        if not check_mode:
            raise
        return [error.sentence]
    return []


def _about(wanted: Wanted, seen: Seen, upstream: Upstream, plan: Plan, fork: tuple[int, str] | None) -> dict[str, Any]:
    """Where the ways parted, and what is kept of this host's."""
    if fork is None:
        return {"rewound": False, "kept": None, "only_here": None}
    kept = next((change.to for change in plan.changes if isinstance(change, Keep)), seen.mark and seen.mark.kept)
    found = keep.told(Path(kept)) if seen.kept and kept else told(wanted, upstream, seen.tail, fork)
    names = ("timeline", "from", "to", "records", "commits", "bytes")
    return {"rewound": True, "kept": kept, "only_here": {name: found.get(name) for name in names}}


def _result(plan: Plan, wanted: Wanted, warnings: list[str]) -> dict[str, Any]:
    result: dict[str, Any] = {"changed": plan.changed, "steps": [change.sentence for change in plan.changes]}
    if plan.changed:
        result["diff"] = plan.diff(f"{wanted.title} on this host")
    return {**result, **({"warnings": warnings} if warnings else {})}
