# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One run of the module: look, decide, and unless in check mode, do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._files import File, FileChange
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer import versions
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.apply import apply
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.console import Running
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.host import Host, fingerprint, read_host
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.layout import USERLIST, Process, processes
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.leaving import leaving, number_for_now
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.logins import userlist
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.plan import (
    PoolerPlan,
    WriteFile,
    plan_pooler,
)
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.pools import (
    CERTIFICATES,
    TLS_FILES,
    Configuration,
    configurations,
    pool_list,
    refusals,
    warnings,
)
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.request import Wanted
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.trial import try_out

# Until the processes have them: who is killed in between does it again.
_NOT_LOADED = "Certificates: not loaded yet"


@dataclass(frozen=True)
class Job:
    """What was found, and what follows from it."""

    wanted: Wanted
    host: Host
    plan: PoolerPlan
    read_as: Mapping[Process, Running] = field(default_factory=dict)
    # For each file that names certificates the processes do not have yet: what it says until they do.
    interim: Mapping[Path, bytes] = field(default_factory=dict)

    @property
    def port(self) -> int:
        return int(self.wanted.settings.get("listen_port", 6432))


def prepare(wanted: Wanted, stated_version: str | None, *, check_mode: bool) -> Job:
    host = read_host(processes(max(1, wanted.processes)), stated_version)
    if host.program is None and not check_mode:
        raise Refused(
            "PgBouncer, or Python's driver psycopg2, is not installed on this host: "
            "install the packages pgbouncer and python3-psycopg2."
        )
    refused = refusals(wanted, host.version)
    if refused:
        raise Refused(" ".join(refused))
    kept = leaving(host, wanted.processes, wanted.restart)
    wanted = replace(wanted, processes=number_for_now(wanted.processes, kept))
    configured = configurations(wanted, host.version)
    missing = _missing_files(wanted)
    if missing and not check_mode:
        raise Refused(
            f"{missing[0][0]} names {missing[0][1]}, which is not there: have the certificates made first, by role tls."
        )
    before = host.files.get(USERLIST)
    logins = userlist(wanted.logins, "" if before is None else before.content.decode(errors="replace"))
    read_as = {}
    if host.program is not None and not missing:
        read_as = {one.process: try_out(host.program, one, logins.encode()) for one in configured}
    remark = _remark(wanted)
    texts = {one.process: one.text(remark) for one in configured}
    plan = plan_pooler(host, configured, texts, logins, read_as, wanted.restart, kept)
    return Job(wanted, host, plan, read_as, _interim(configured, texts, host, remark))


def carry_out(job: Job) -> None:
    """With certificates to load, the files say so last."""
    port = job.port
    if not job.interim:
        apply(job.plan, job.host, job.read_as, port)
        return
    first = tuple(_said_otherwise(step, job.interim) for step in job.plan.changes)
    apply(PoolerPlan(changes=first), job.host, job.read_as, port)
    for change in job.plan.file_changes:
        if change.path in job.interim:
            change.apply()


def result(job: Job) -> dict[str, Any]:
    pending = [f"{unit}: {name}" for unit, names in job.plan.pending.items() for name in names]
    told_off = [*warnings(job.wanted, job.host.version)]
    if pending:
        told_off.append(
            f"Waiting for a restart: {', '.join(pending)}. The next run restarts when no client is connected; with "
            "restart=always it drops them."
        )
    diff: list[dict[str, Any]] = [entry for change in job.plan.file_changes for entry in change.diff()]
    if job.plan.before != job.plan.after and job.plan.changed:
        diff.append(job.plan.diff("services"))
    return {
        "changed": job.plan.changed,
        "diff": diff,
        "version": versions.told(job.host.version),
        "pools": pool_list(job.wanted, job.host.version),
        "steps": [step.sentence for step in job.plan.changes],
        "pending_restart": pending,
        "warnings": told_off,
    }


def _missing_files(wanted: Wanted) -> list[tuple[str, str]]:
    named = [(name, str(wanted.settings[name])) for name in TLS_FILES if wanted.settings.get(name)]
    return [(name, path) for name, path in named if not Path(path).exists()]


def _remark(wanted: Wanted) -> str:
    paths = dict.fromkeys(str(wanted.settings[name]) for name in CERTIFICATES if wanted.settings.get(name))
    told_of = [f"{path} {fingerprint(path) or 'not there yet'}" for path in paths]
    return f"Certificates: {', '.join(told_of) or 'none'}"


def _interim(
    configured: Sequence[Configuration], texts: Mapping[Process, str], host: Host, remark: str
) -> dict[Path, bytes]:
    found = {}
    for one in configured:
        known = host.files.get(one.process.ini)
        if known is not None and one.process in host.running and f"; {remark}\n".encode() not in known.content:
            found[one.process.ini] = texts[one.process].replace(remark, _NOT_LOADED, 1).encode()
    return found


def _said_otherwise(step: Any, interim: Mapping[Path, bytes]) -> Any:
    if not isinstance(step, WriteFile) or step.change.path not in interim or step.change.after is None:
        return step
    after = step.change.after
    file = File(after.path, interim[after.path], after.owner, after.group, after.mode, after.secret)
    return WriteFile(FileChange(step.change.before, file))
