# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The two states of a standby, each from what is there to what is reported."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._debian import data_directory, refuse_unfit_name
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._host_lock import alone
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._standby import local
from ansible_collections.runbook.postgres.plugins.module_utils._standby import streaming as streams
from ansible_collections.runbook.postgres.plugins.module_utils._standby.apply import Apply
from ansible_collections.runbook.postgres.plugins.module_utils._standby.clone import Copying
from ansible_collections.runbook.postgres.plugins.module_utils._standby.conninfo import Conninfo, conninfo
from ansible_collections.runbook.postgres.plugins.module_utils._standby.place import Place
from ansible_collections.runbook.postgres.plugins.module_utils._standby.plan import Clone, Wanted, plan_standby
from ansible_collections.runbook.postgres.plugins.module_utils._standby.upstream import Upstream, ask

_CLONE_SECONDS, _STREAM_SECONDS = 86400, 300


def wanted_of(params: Mapping[str, Any], source: Conninfo) -> Wanted:
    version, instance = params["version"], params["instance"]
    refuse_unfit_name(instance)
    data = Path(params["data_directory"] or data_directory(version, instance))
    wal = Path(params["wal_directory"]) if params.get("wal_directory") else None
    for each in (data, wal):
        if each is not None and (not each.is_absolute() or ".." in each.parts or len(each.parts) < 3):
            raise Refused(f"{each} cannot be a directory of an instance: give a whole path, at least two levels deep.")
    return Wanted(
        version,
        instance,
        Place(data, wal),
        source.place,
        params.get("slot"),
        params["system_identifier"],
        params.get("rebuild", False),
        params.get("upstream_wal_from"),
        params.get("upstream_bytes"),
        datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ"),
    )


def cloned(module: Module) -> None:
    """The data is in its place and the instance is registered."""
    params = module.params
    source = conninfo(params, seconds=params["connect_timeout"])
    wanted = wanted_of(params, source)
    seconds = params["timeout"] or _CLONE_SECONDS
    with contextlib.ExitStack() as held:
        if not module.check_mode:
            held.enter_context(alone(f"{wanted.version}-{wanted.instance}", seconds))
        host = local.observe(wanted.version, wanted.instance, params["port"], wanted.place)
        if not host.installed and not module.check_mode:
            raise Refused(
                f"PostgreSQL {wanted.version} is not installed on this host: install postgresql-{wanted.version} first."
            )
        upstream, warnings = _upstream(wanted, host, source, module)
        plan = plan_standby(wanted, host, upstream)
        if plan.refusals:
            raise Refused(" ".join(plan.refusals))
        copying = Copying(wanted.version, source, wanted.slot, params["max_rate"], params["checkpoint"], seconds)
        apply = Apply(wanted, copying, params["port"], upstream)
        header = f"{wanted.title} on this host"
        try:
            if not module.check_mode:
                apply.carry_out(plan)
        except Problem:
            module.report(**_result(replace(plan, changes=tuple(apply.done)), header, warnings), **apply.result)
            raise
        module.report(**_result(plan, header, warnings), **apply.result)


def _upstream(wanted: Wanted, host: local.Host, source: Conninfo, module: Module) -> tuple[Upstream | None, list[str]]:
    """Asked where the answer decides something; a standby in order needs none, and a dry run may come too early."""
    standby = host.data is not None and host.data.standby
    if standby and host.registered is not None and host.server is not None and host.server.streaming:
        return None, []
    if not host.installed:
        return None, []
    try:
        return ask(wanted.version, source, float(module.params["connect_timeout"])), []
    except Problem as error:
        if not (module.check_mode or standby):
            raise
        return None, [f"{error.sentence} What was to be compared with it was not."]


def _result(plan: Plan, header: str, warnings: list[str]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "changed": plan.changed,
        "cloned": any(isinstance(change, Clone) for change in plan.changes),
        "steps": [change.sentence for change in plan.changes],
    }
    if plan.changed:
        result["diff"] = plan.diff(header)
    return {**result, **({"warnings": warnings} if warnings else {})}


def streaming(module: Module) -> None:
    """The instance runs and streams."""
    params = module.params
    version, instance, port = params["version"], params["instance"], params["port"]
    refuse_unfit_name(instance)
    place = Place(Path(params["data_directory"] or data_directory(version, instance)))
    host = local.observe(version, instance, port, place)
    step = streams.Start(f"{version}/{instance}")
    plan = Plan() if host.server is not None else Plan((step,), before=["stopped"], after=["running"])
    if not module.check_mode:
        _stream(version, instance, port, place, host, params["timeout"] or _STREAM_SECONDS)
    module.report(**_result(plan, step.title, []), bytes=0, seconds=0.0, old_data=None)


def _stream(version: int, instance: str, port: int, place: Place, host: local.Host, seconds: int) -> None:
    if host.data is None or not host.data.standby:
        raise Refused(f"{place.data} holds no standby: have it cloned first (state: cloned).")
    since = local.log_size(version, instance)
    if host.server is None:
        streams.refuse_too_low(version, instance, host)
        streams.start(version, instance, seconds)
    streams.wait(version, instance, port, place, seconds, since)
