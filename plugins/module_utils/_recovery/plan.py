# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From what was found to the steps of a recovery: pure, without a repository, a server or a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._history import position
from ansible_collections.runbook.postgres.plugins.module_utils._recovery import refusals as against
from ansible_collections.runbook.postgres.plugins.module_utils._recovery import torn
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.catalogue import Backup, Stanza
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.choosing import Archive, Choice, beyond
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.host import Host
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.place import RESTORING, Mark
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.tablespaces import Moves
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.wanted import (
    PAUSED,
    PROMOTED,
    REFUSE,
    STOP,
    STOP_LAST,
    Wanted,
)


@dataclass(frozen=True)
class Step:
    """One step; `kind` is what it is, the sentence what it says."""

    kind: str
    sentence: str


@dataclass(frozen=True)
class Course:
    """The plan, and what was chosen on the way."""

    plan: Plan
    backup: Backup | None = None
    archive: Archive = field(default_factory=Archive)
    moves: Moves = field(default_factory=Moves)
    # The phase from which a killed run is gone on with.
    resumes: str | None = None


def switches(wanted: Wanted, host: Host, archive: Archive, stanza: Stanza) -> bool:
    """Whether the target may be in WAL that the running primary has not handed to the archive yet."""
    server = host.server
    if server is None or server.in_recovery is not False or not server.archives:
        return False
    if wanted.target.undated:
        # One that is stopped first archives what it has.
        return wanted.running_server == STOP_LAST
    return any(True for _each in beyond(wanted.target, stanza, archive, server.now or 0.0, more_wal=False))


def more_wal(wanted: Wanted, host: Host, stanza: Stanza) -> bool:
    """A primary that runs archives what it has; of one that does not run, its own directory keeps the rest."""
    data = host.data
    if data is None or data.control is None or data.control.system_identifier != stanza.system_identifier:
        return False
    if host.server is not None:
        return wanted.running_server != REFUSE
    return bool(data.segments) and (stanza.last is None or data.segments[-1] > stanza.last.name)


def done_before(wanted: Wanted, host: Host) -> bool:
    """Whether the last recovery of this instance was this one, and the data is still what came of it."""
    state, data = host.state, host.data
    if wanted.again or state is None or data is None or data.control is None:
        return False
    # Whether it archives is compared with what the data says now.
    same = _aims(state.get("request")) == _aims(wanted.request) and state.get("end") == wanted.end
    own = {data.control.position.timeline, *(number for number, _lsn in data.ancestors)}
    return same and data.control.system_identifier == state.get("system_identifier") and state.get("timeline") in own


def _aims(request: Any) -> dict[str, Any]:
    return {key: value for key, value in dict(request or {}).items() if key != "archives"}


def promotes_paused(wanted: Wanted, host: Host) -> bool:
    """Whether the instance stands still at that target and is only to go on, or does and a killed run never knew."""
    if wanted.end != PROMOTED or host.server is None or host.server.in_recovery is None or host.mark is not None:
        return False
    return done_before(replace(wanted, end=PAUSED), host)


def went_on(wanted: Wanted, host: Host, stanza: Stanza, mark: Mark) -> bool:
    """Whether the archive ends elsewhere than was proven: the cluster served again, here or on another host."""
    if wanted.target.kind != "latest" or mark.phase == RESTORING or not host.restored:
        return False
    if mark.archived is not None and stanza.last is not None and stanza.last.name != mark.archived:
        return True
    # Once it was moved aside nobody starts it.
    return host.data is not None and (host.server is not None or host.data.standing != mark.left)


def plan_recovery(
    wanted: Wanted,
    host: Host,
    stanza: Stanza,
    archive: Archive,
    choice: Choice,
    now: float,
    moves: Moves = Moves(),  # noqa: B008 - it cannot be altered
) -> Course:
    """The steps, or why there can be none."""
    resumed = host.mark if host.mark is not None and host.mark.request == wanted.request else None
    overtaken = resumed is not None and went_on(wanted, host, stanza, resumed)
    resumes = resumed.phase if resumed is not None and resumed.phase != RESTORING and not overtaken else None
    backup = choice.backup
    exchanged = resumes is not None and not host.restored
    refusals = [*against.of_host(wanted, host), *against.of_cluster(wanted, host, stanza)]
    refusals += against.of_server(wanted, host, exchanged)
    if resumes is None:
        refusals += [
            *choice.refusals,
            *against.of_timeline(wanted, host, stanza, archive),
            *against.of_stopping(wanted, host),
        ]
        if backup is not None:
            further = more_wal(wanted, host, stanza)
            outside = tuple(beyond(wanted.target, stanza, archive, now, more_wal=further))
            refusals += outside or against.of_wal(wanted, host, stanza, archive)
            refusals += moves.refusals or against.of_room(wanted, host, backup, moves.bytes_elsewhere)
            broken = torn.against(wanted.target, stanza, archive, backup)
            refusals += [broken] if broken is not None else []
    if refusals:
        return Course(Plan(refusals=tuple(refusals)))
    steps = tuple(_steps(wanted, host, stanza, backup, archive, resumes))
    before = _told(wanted, host)
    after = [f"{wanted.place.data}: cluster {stanza.system_identifier} at {wanted.target}, {_ends(wanted)}"]
    after += [f"tablespace {name}: {directory}" for name, directory in sorted(moves.by_name.items())]
    doubtful = () if resumes is not None or backup is None else torn.perhaps(wanted.target, stanza, archive, backup)
    warnings = (
        *(choice.warnings if resumes is None else ()),
        *doubtful,
        *_warnings(wanted, host, overtaken=overtaken),
        *_left_behind(wanted, host, stanza, archive),
    )
    plan = Plan(steps, warnings, before=before, after=after)
    return Course(plan, backup, archive, moves, resumes)


def _steps(
    wanted: Wanted, host: Host, stanza: Stanza, backup: Backup | None, archive: Archive, resumes: str | None
) -> Iterator[Step]:
    place = wanted.place
    runs = host.server is not None
    if resumes is None and backup is not None:
        if host.restored:
            yield Step("end", f"end what a killed run left running in {place.growing}")
        if runs and switches(wanted, host, archive, stanza):
            yield Step("archive", f"have instance {wanted.title} archive the WAL that it has written")
        if runs and wanted.running_server == STOP:
            yield Step("stop", f"stop instance {wanted.title}")
        verb = "go on restoring" if host.restored else "restore"
        yield Step("restore", f"{verb} backup {backup.label} into {place.restored}")
        line = "the latest timeline" if archive.timeline is None else f"timeline {archive.timeline}"
        yield Step("prove", f"replay on {line} to {wanted.target}, and ask the server where it is")
    exchanged = resumes is not None and not host.restored
    if runs and not exchanged and (resumes is not None or wanted.running_server == STOP_LAST):
        yield Step("stop", f"stop instance {wanted.title}")
    if host.data is not None and not exchanged:
        yield Step("aside", f"move {place.data} aside, to a name with .before-recovery- and the time")
    if not exchanged:
        yield Step("place", f"move what was restored to {place.data}")
    if host.registered is None or host.half_registered:
        yield Step("register", f"register instance {wanted.title} for Debian's tools")
    yield Step("start", f"start instance {wanted.title}, {_ends(wanted)}")


def _ends(wanted: Wanted) -> str:
    return wanted.end if wanted.archives else f"{wanted.end}, with archiving off"


def _warnings(wanted: Wanted, host: Host, *, overtaken: bool = False) -> Iterator[str]:
    server, data = host.server, host.data
    if overtaken:
        yield (
            "The cluster went on after a run that did not end had proven what it restored: the end of the archive is "
            "another one now, and is replayed to once more."
        )
    if server is not None and server.in_recovery is None:
        yield f"The server of instance {wanted.title} runs and does not answer: whether standbys follow, nobody says."
    if server is not None and server.slots:
        yield f"Replication slots are not in a backup and have to be made again: {', '.join(server.slots)}."
    if server is not None and server.synchronous:
        yield (
            f"synchronous_standby_names is '{server.synchronous}': after the recovery commits wait until such a "
            "standby is there again."
        )
    if data is not None and data.wal is not None:
        yield f"The WAL of the recovered cluster is in its data directory; that of the old one stays in {data.wal}."


def _left_behind(wanted: Wanted, host: Host, stanza: Stanza, archive: Archive) -> Iterator[str]:
    own = against.own_reach(wanted, host, stanza)
    left = None if own is None else dict(archive.history or ()).get(own.timeline)
    if own is not None and left is not None and position(own.lsn) > position(left):
        yield (
            f"Timeline {archive.timeline} left timeline {own.timeline} at {left}, and instance {wanted.title} went on "
            f"there to {own.lsn}: what it committed on that way stays in the directory that is moved aside."
        )


def _told(wanted: Wanted, host: Host) -> list[str]:
    data = host.data
    if data is None:
        return []
    if data.control is None:
        return [f"{wanted.place.data}: data whose control file cannot be read"]
    runs = "runs" if host.server is not None else data.control.state
    control = data.control
    return [f"{wanted.place.data}: cluster {control.system_identifier} at {control.position}, {runs}"]


def state_of(wanted: Wanted, proof: Mapping[str, Any], system_identifier: str) -> dict[str, Any]:
    return {
        "request": wanted.request,
        "end": wanted.end,
        "system_identifier": system_identifier,
        "timeline": proof.get("timeline"),
        "proof": dict(proof),
    }
