# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Method logical of pg_backup, from what is there to what is reported."""

from __future__ import annotations

import contextlib
import grp
import pwd
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup import place
from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import LOGICAL, Series
from ansible_collections.runbook.postgres.plugins.module_utils._backup.ids import is_of, new_id
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical import preflight
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.apply import Apply, removed
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.dump import Way
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.far import observe
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.observe import Found, read_found
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.plan import Seen, plan_backup
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.prove import Prover
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.reach import (
    parameters,
    server,
    session_to,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.request import Wanted, wanted
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.scratch import (
    left_databases,
    refuse_unable,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.steps import NEW, Take, Verify
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.take import Taking
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.tools import (
    find_tools,
    let_in,
    packing,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.repository import (
    Backup,
    Repository,
    series_of,
)
from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._connection import conninfo
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._stream.offsite import NotOffsite


def backed_up(module: Module) -> None:
    """A backup as wanted is there, and those past their time are not."""
    wish = wanted(module.params)
    owner = _owner(wish)
    with (
        session_to(module, wish.database, wish.lock_seconds) as session,
        let_in(module.params["login_password"]) as environment,
    ):
        found = read_found(session, wish.tables, wish.content)
        tools = find_tools(session.major)
        packed = packing(wish.format, wish.method, wish.level, tools.major)
        preflight.refuse_unfit(wish, packed)
        preflight.refuse_hidden_passwords(wish, found)
        if wish.verify == "restore":
            refuse_unable(session)
        way = Way(tools, conninfo(parameters(module, wish.database)), environment)
        prover = Prover(way, wish.identity, float(wish.timeout), server(module, session))
        scratch = left_databases(session)
        _refuse_too_full(wish, found, prover, scratch)
        with _destination(module, wish, owner):
            if module.check_mode:
                prover.warnings.extend(place.foreseen(wish.destination, readable_of(wish.database), wish.title))
            repository = Repository(wish.destination)
            seen = replace(_seen(repository, wish, found, module.check_mode), scratch=tuple(scratch))
            plan, chosen = plan_backup(wish, seen, datetime.now(timezone.utc))
            number = repository.next_number(wish.database, seen.far)
            taking = Taking(wish, found, packed, way, number, owner)
            apply = Apply(wish, taking, prover, session, readable_of(wish.database))
            _carry_out(module, plan, chosen, apply)
            _refuse_without_copy(seen, apply)


def _refuse_without_copy(seen: Seen, apply: Apply) -> None:
    """Told last: what is wrong at the far end keeps nobody from a backup here."""
    if seen.unlisted is not None:
        raise NotOffsite(f"{seen.unlisted} Only the copy is missing: run this again when it can be listed.")
    if apply.undone:
        more = f" (and {len(apply.undone) - 1} more like it)" if len(apply.undone) > 1 else ""
        raise NotOffsite(
            f"{apply.undone[0].rstrip('.')}{more}; what was to be done here is done: "
            "run this again when that is mended."
        )


def _carry_out(module: Module, plan: Plan, chosen: str, apply: Apply) -> None:
    try:
        if not module.check_mode:
            apply.carry_out(plan)
    except Problem:
        done = replace(plan, changes=tuple(apply.done))
        told = _result(done, None if apply.taken is None else NEW, apply)
        # It would show all that was to be.
        told.pop("diff", None)
        module.report(**told)
        raise
    if apply.undone:
        plan = replace(plan, changes=tuple(apply.done))
    backup = None if module.check_mode and any(isinstance(step, Take) for step in plan.changes) else chosen
    module.report(**_result(plan, backup, apply))


def _result(plan: Plan, chosen: str | None, apply: Apply) -> dict[str, Any]:
    backup = None if chosen is None else apply.backup(chosen)
    result: dict[str, Any] = {
        "changed": plan.changed,
        "steps": [step.sentence for step in plan.changes],
        "taken": any(isinstance(step, Take) for step in plan.changes),
        "removed": removed(plan.changes),
        # The failure names the first of what the far end did not do, or what went wrong here after it.
        "warnings": [*plan.warnings, *apply.prover.warnings, *apply.undone],
        **_figures(backup, apply),
    }
    if plan.changed and not apply.undone:
        result["diff"] = plan.diff(f"backups of {apply.wanted.title} in {apply.wanted.destination}")
    return result


def _figures(backup: Backup | None, apply: Apply) -> dict[str, Any]:
    """Of the backup that is there now; of one that is yet to be taken there are none."""
    names = ("id", "path", "bytes", "lsn", "verified", "copies", "age_seconds")
    if backup is None:
        return {**dict.fromkeys(names), "duration": None, "throughput": None, "compression_ratio": None}
    entry = backup.entry()
    told = entry.told()
    seconds = None if apply.taken is None else round(apply.taken.seconds, 3)
    plain = apply.taking.found.table_bytes
    return {
        "id": entry.id,
        "path": str(backup.directory),
        "bytes": entry.stored_bytes,
        "lsn": entry.lsn_start,
        "verified": told["verified"],
        "copies": told["copies"],
        "age_seconds": int((datetime.now(timezone.utc) - entry.started).total_seconds()),
        "duration": seconds,
        "throughput": None if not seconds else int(plain / seconds),
        "compression_ratio": None if seconds is None else round(plain / max(1, entry.stored_bytes), 2),
    }


# -- what is there ------------------------------------------------------------


def _seen(repository: Repository, wish: Wanted, found: Found, check_mode: bool) -> Seen:
    series = Series(LOGICAL, wish.content, found.origin.system_identifier, wish.database, found.chosen, wish.label)
    mine = [each for each in repository.backups() if series_of(each.manifest) == series]
    here = [replace(each.entry(), held=place.held(each.directory)) for each in mine]
    readable = readable_of(wish.database)
    # What is half-done may be somebody's work.
    busy = check_mode and place.holder(wish.destination, readable) is not None
    left = [] if busy else [each.name for each in place.leftovers(wish.destination, readable)]
    broken = [each.problem for each in repository.broken() if is_of(each.directory.name, readable)]
    seen = Seen(series, here, left=left, broken=broken)
    if wish.offsite is None:
        return seen
    try:
        far = observe(wish.offsite.remote, series)
    except NotOffsite as error:
        return replace(seen, unlisted=error.sentence)
    ours = set() if busy else {each.id for each in here}
    lost = {name for name in far.cut if is_of(name, readable) and not (wish.destination / name).exists()}
    cut = [name for name in far.cut if name in ours | lost]
    return replace(seen, far=far.copies, left_far=[name for name in far.leaving if is_of(name, readable)], cut_far=cut)


def _refuse_too_full(wish: Wanted, found: Found, prover: Prover, scratch: Mapping[str, int]) -> None:
    """Only where one is due, which the lock may yet change: what is refused is refused before anything is made."""
    seen = _seen(Repository(wish.destination), replace(wish, offsite=None), found, check_mode=True)
    plan = plan_backup(replace(wish, offsite=None), seen, datetime.now(timezone.utc))[0]
    if any(isinstance(step, Take) for step in plan.changes):
        preflight.refuse_too_full(wish, preflight.needed_bytes(wish, found, seen.here))
    if any(isinstance(step, (Take, Verify)) and step.level == "restore" for step in plan.changes):
        prover.refuse_too_full(found.origin.bytes, wish.content, sum(scratch.values()))


@contextlib.contextmanager
def _destination(module: Module, wish: Wanted, owner: tuple[int, int]) -> Iterator[None]:
    if module.check_mode:
        yield
        return
    preflight.make_destination(wish.destination, owner)
    with place.alone(wish.destination, readable_of(wish.database), wish.title):
        yield


def readable_of(database: str) -> str:
    """What ids of its backups begin with."""
    return new_id(database, "all", datetime.now(timezone.utc), "0" * 6).rsplit("-", 3)[0]


def _owner(wish: Wanted) -> tuple[int, int]:
    """-1 leaves what is."""
    try:
        user = -1 if wish.owner is None else pwd.getpwnam(wish.owner).pw_uid
        if wish.group is not None:
            return user, grp.getgrnam(wish.group).gr_gid
        return user, (-1 if wish.owner is None else pwd.getpwnam(wish.owner).pw_gid)
    except KeyError as error:
        raise Refused(f"Backups are to belong to {error.args[0].rpartition(': ')[2]}, whom this host lacks.") from error
