# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What speaks against a recovery, all of it told before anything is touched."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

from ansible_collections.runbook.postgres.plugins.module_utils._history import position
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.catalogue import Backup, Segment, Stanza
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.choosing import (
    Archive,
    wrong_timeline,
)
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.host import Host
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.place import EXCHANGING
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.rivals import Reach, contested
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.wanted import (
    PAUSED,
    REFUSE,
    STOP,
    STOP_LAST,
    Wanted,
)

# As somebody may have written it.
_OFF = ("off", "false", "no", "0")
# What every instance writes for itself, and WAL that is replayed.
SPARE_BYTES = 256 << 20


def of_keeper(wanted: Wanted, host: Host) -> Iterator[str]:
    """What would start the server while its data is exchanged, or have a standby take over meanwhile."""
    if host.promoters:
        keeper = " and ".join(host.promoters)
        back = ", as runbook.postgres.patroni does with patroni_state=absent" if "Patroni" in host.promoters else ""
        yield (
            f"{keeper} runs on this host and decides by itself when instance {wanted.title} is started and who is "
            f"primary: take the cluster back from it{back}, or stop it on every member, and run this again."
        )


def of_host(wanted: Wanted, host: Host) -> Iterator[str]:
    place = wanted.place
    yield from of_keeper(wanted, host)
    if not host.installed:
        yield f"PostgreSQL {place.version} is not installed on this host: install postgresql-{place.version} first."
    if host.registered not in (None, str(place.data)) and not host.half_registered:
        yield (
            f"Instance {wanted.title} is registered on this host and has its data in {host.registered}, not in "
            f"{place.data}: give that as data_directory, or choose another instance."
        )
    if host.mounted:
        yield (
            f"{place.data} is a mount point, and what is restored beside it is renamed into its place: "
            "give a directory below it as data_directory."
        )
    if host.stranger:
        yield f"{place.growing} is in the way of the recovery and is not ours: look what it is and move it away."
    if wanted.target.kind == "latest" and wanted.end == PAUSED:
        yield "A recovery to the end of the archive has no point to pause at: choose another target, or promoted."
    if host.mark is not None and host.mark.phase == EXCHANGING and host.mark.request != wanted.request:
        told = ", ".join(f"{key} {value}" for key, value in host.mark.request.items() if value is not None)
        yield (
            f"Another recovery of this instance was ended while the directories were exchanged ({told}): "
            "run that one again to its end first."
        )


def of_stopped(wanted: Wanted, host: Host) -> str | None:
    """Why what was recovered before cannot simply be called done: a server that died may be why somebody asks."""
    if host.server is not None:
        return None
    return (
        f"Instance {wanted.title} was recovered to {wanted.target} before, and its server does not run: "
        "start it, or say again: true to have it recovered once more."
    )


def of_archiving(wanted: Wanted, host: Host) -> str | None:
    """Why what was recovered before is not what is wanted now, although it is at the target."""
    state, data = host.state, host.data
    silent = data is not None and data.archive_mode in _OFF
    if silent == (not wanted.archives):
        return None
    was = f"Instance {wanted.title} was recovered to {wanted.target} before"
    if wanted.archives:
        # The cluster's own, that nobody set here.
        if dict((state or {}).get("request", {})).get("archives", True):
            return None
        return (
            f"{was}, and archives nothing since then: see that no other server archives as this cluster, have it say "
            "ALTER SYSTEM RESET archive_mode and restart it, or say again: true to have it recovered once more."
        )
    return (
        f"{was}, and may archive: have it say ALTER SYSTEM SET archive_mode = off and restart it, or say again: true "
        "to have it recovered once more."
    )


def of_cluster(wanted: Wanted, host: Host, stanza: Stanza) -> Iterator[str]:
    if wanted.system_identifier not in (None, stanza.system_identifier):
        yield (
            f"Stanza '{wanted.stanza}' holds the cluster with system identifier {stanza.system_identifier}, and "
            f"{wanted.system_identifier} is wanted: look whether the stanza is the right one."
        )
    data = host.data
    if data is None:
        return
    if data.version != str(wanted.place.version) and data.version is not None:
        yield f"{wanted.place.data} holds data of PostgreSQL {data.version}, not {wanted.place.version}."
    own = data.control.system_identifier if data.control else None
    if own not in (None, stanza.system_identifier, wanted.replaces):
        yield (
            f"{wanted.place.data} holds another cluster, with system identifier {own}, and stanza '{wanted.stanza}' is "
            f"of {stanza.system_identifier}: nothing was changed. Look whether this is the right host; if that data "
            f"may be moved aside, say so with replaces: '{own}'."
        )


def of_server(wanted: Wanted, host: Host, exchanged: bool) -> Iterator[str]:
    server, data = host.server, host.data
    if (server is not None and server.in_recovery) or (server is None and data is not None and data.standby):
        # What was put in place to be paused is in recovery as well, and ours.
        if not exchanged and not _paused_by_us(host):
            yield (
                f"Instance {wanted.title} is a standby: recover its primary, and have this one cloned again from there "
                "(runbook.postgres.pg_standby with rebuild)."
            )
        return
    if server is None or exchanged:
        return
    if wanted.running_server == REFUSE:
        yield (
            f"The server of instance {wanted.title} runs: with running_server: stop it is stopped before anything "
            "else, with stop_last it serves until the restored data was proven, and what it writes is left behind."
        )
    if wanted.running_server == STOP_LAST and wanted.target.kind == "latest":
        yield (
            "Until the end of the archive and with a server that goes on writing there is no end: "
            "choose running_server: stop, or a target that lies in the past."
        )
    if server.standbys and not wanted.leave_standbys:
        yield (
            f"{' and '.join(server.standbys)} stream from instance {wanted.title}, cannot follow it onto the timeline "
            "that begins with the recovery, and have to be cloned again afterwards: say leave_standbys: true if that "
            "is meant."
        )


def of_stopping(wanted: Wanted, host: Host) -> Iterator[str]:
    """Production is not stopped for hours of replay that may find nothing."""
    if host.server is not None and wanted.running_server == STOP and wanted.target.undated and wanted.label is None:
        yield (
            f"Whether the newest backup is early enough for {wanted.target}, and whether that was ever written, the "
            f"replay alone will tell, and until then instance {wanted.title} would be stopped: choose running_server: "
            "stop_last, with which it serves until the target was reached, or name a backup that is older than that."
        )


def _paused_by_us(host: Host) -> bool:
    return host.state is not None and host.state.get("end") == PAUSED


def of_timeline(wanted: Wanted, host: Host, stanza: Stanza, archive: Archive) -> Iterator[str]:
    if wanted.timeline is not None:
        return
    data = host.data
    control = None if data is None else data.control
    found = None
    if control is not None and wanted.replaces is None:
        found = wrong_timeline(control.position.timeline, archive.history, archive.timeline)
    found = found or contested(wanted.target, stanza, archive, own_reach(wanted, host, stanza))
    if found is not None:
        yield found


def own_reach(wanted: Wanted, host: Host, stanza: Stanza) -> Reach | None:
    """How far the data here goes, at the least, if it is of that cluster."""
    data, server = host.data, host.server
    if data is None or data.control is None or data.control.system_identifier != stanza.system_identifier:
        return None
    serves = server is not None and server.written is not None
    at = server.now if server is not None and serves else data.written_at
    if at is None:
        return None
    lsn = server.written if server is not None and server.written is not None else data.control.position.lsn
    moment = datetime.fromtimestamp(at, timezone.utc)
    return Reach(f"instance {wanted.title}", data.control.position.timeline, lsn, moment)


def of_wal(wanted: Wanted, host: Host, stanza: Stanza, archive: Archive) -> Iterator[str]:
    """What this instance has not written either comes into no archive."""
    target, data = wanted.target, host.data
    if target.kind != "lsn" or data is None or data.control is None:
        return
    timeline = data.control.position.timeline
    archived = stanza.last is not None and stanza.last.timeline == timeline and _before(target.value, stanza.last.end)
    end = _end_of_wal(host)
    if timeline == archive.timeline and not archived and end is not None and _before(end, target.value):
        yield (
            f"The target, {target}, is beyond the archive, and the WAL of instance {wanted.title} ends at {end} of "
            f"timeline {timeline}: to have everything that there is, choose latest."
        )


def _end_of_wal(host: Host) -> str | None:
    """Beyond it there is none; of a server that is down it is where its last file ends, if not before."""
    if host.server is not None:
        return host.server.written
    files = [Segment(name, host.data.segment_bytes) for name in host.data.segments] if host.data is not None else []
    return max(files, key=lambda each: each.number).end if files else None


def _before(one: str, other: str) -> bool:
    return position(one) < position(other)


def of_room(wanted: Wanted, host: Host, backup: Backup, elsewhere: int = 0) -> Iterator[str]:
    """`elsewhere` is what goes to other disks."""
    # What a killed run restored is kept, and how much that is, nobody counted.
    needed = backup.bytes - elsewhere + SPARE_BYTES + host.unarchived_bytes
    if not host.restored and needed > host.free_bytes:
        kept = f", {size(host.unarchived_bytes)} of WAL that is not in the archive" if host.unarchived_bytes else ""
        yield (
            f"The disk of {wanted.place.data} has {size(host.free_bytes)} free, and beside the present data the "
            f"recovery needs {size(needed)} ({size(backup.bytes - elsewhere)} of backup {backup.label}{kept} and "
            f"{size(SPARE_BYTES)} for WAL): make room, or recover onto another host."
        )


def size(count: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
