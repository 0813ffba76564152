# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Why a server is down, from what was seen; and what of it keeps it from being started.

A start cures much by itself: it recovers after a crash, takes a stale lock away and
reads its configuration again. What it cannot cure is refused, all of it at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage import history, storage
from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage.cause import (
    CRASH_LOOP,
    KEPT_STOPPED,
    Cause,
    Wish,
)
from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage.found import Found


@dataclass(frozen=True)
class Diagnosis:
    """`state` is up, starting, down or silent."""

    state: str
    causes: tuple[Cause, ...] = ()

    @property
    def refusals(self) -> tuple[str, ...]:
        return tuple(cause.sentence for cause in self.causes if cause.refused)

    @property
    def starts(self) -> bool:
        return self.state == "down" and not self.refusals


def diagnose(found: Found, wish: Wish) -> Diagnosis:
    if found.server is not None:
        return _of_a_server(found)
    # Without the first of these the others have nothing to go by.
    causes = list(storage.missing(found))
    if not causes:
        causes = [cause for judge in JUDGES for cause in judge(found, wish)]
    return Diagnosis("down", (*causes, *history.causes(found, Cause)))


def _of_a_server(found: Found) -> Diagnosis:
    server = found.server
    if server is None or server.answers:
        return Diagnosis("up")
    where = f"The server of instance {found.title} (PID {server.pid})"
    if server.frozen:
        sentence = (
            f"{where} is stopped by a signal and answers nobody: find out who froze it, and let it go on with "
            f"'kill -CONT {server.pid}' and its children likewise."
        )
        return Diagnosis("silent", (Cause("frozen", sentence, refused=True),))
    if server.starting:
        return Diagnosis("starting", (Cause("starting", f"{where} is starting{doing(found)}."), *storage.full(found)))
    sentence = (
        f"{where} runs and does not answer ({(server.silence or '').rstrip('.')}): look at the host's disk and memory "
        f"and at {found.story.file or 'its log'}; it is not restarted, since what it does would be lost."
    )
    return Diagnosis("silent", (Cause("silent", sentence, refused=True), *storage.full(found)))


def doing(found: Found) -> str:
    """What a server is at that takes no connections yet, as the end of a sentence."""
    server = found.server
    if server is not None and server.awaits:
        return (
            f" and waits for WAL file {server.awaits}, which neither its upstream nor its archive gave it yet "
            "(primary_conninfo and restore_command say where it looks)"
        )
    return f" and replays WAL file {server.replaying}" if server is not None and server.replaying else ""


def _others_duty(found: Found, _wish: Wish) -> Iterator[Cause]:
    if found.promoters:
        who = " and ".join(found.promoters)
        sentence = (
            f"{who} runs on this host and decides when instance {found.title} runs and as what: see with its own tools "
            "why it does not start it."
        )
        yield Cause("promoter", sentence, refused=True)


def _kept(found: Found, wish: Wish) -> Iterator[Cause]:
    if found.start != "auto":
        sentence = (
            f"{found.config_directory}/start.conf says {found.start}: somebody keeps instance {found.title} from "
            f"running; ask who, then write auto there, or start one that is manual this once with despite: "
            f"[{KEPT_STOPPED}]."
        )
        # What is manual Debian's tools start by hand, and what is disabled not at all.
        may = found.start == "manual" and KEPT_STOPPED in wish.despite
        yield Cause(KEPT_STOPPED, sentence, refused=not may)
    if found.unit.masked:
        sentence = (
            f"{found.unit.name} is masked, so that nothing starts it: ask who did that, and take it back with "
            f"'systemctl unmask {found.unit.name}'."
        )
        yield Cause("masked", sentence, refused=True)


def _second_primary(found: Found, wish: Wish) -> Iterator[Cause]:
    if wish.primary and not found.place.standby:
        sentence = (
            f"Instance {found.title} would start as a primary and {wish.primary} is the primary: two would take "
            "writes; keep what only this one has, and have it join as a standby by naming it in replication_rebuild."
        )
        yield Cause("second_primary", sentence, refused=True)


def _configuration(found: Found, _wish: Wish) -> Iterator[Cause]:
    if found.configuration:
        sentence = (
            f"The server does not take its configuration: {found.configuration}; correct that and run this again "
            f"(what this collection wrote is below {found.config_directory}/conf.d)."
        )
        yield Cause("configuration", sentence, refused=True)


def _in_the_way(found: Found, _wish: Wish) -> Iterator[Cause]:
    if found.port_taken_by:
        sentence = (
            f"Port {found.port} is taken by {found.port_taken_by}: stop that program ('ss -ltnp' shows it) or give one "
            "of the two another port."
        )
        yield Cause("port_taken", sentence, refused=True)
    lock = found.lock
    if lock is not None and lock.program and lock.own_user:
        sentence = (
            f"{lock.path} names process {lock.pid}, which is {lock.program} of user postgres by now, so that the "
            "server would take it for itself: let that program end, and run this again; the file is not to be removed "
            "by hand while a server may run."
        )
        yield Cause("lock_held", sentence, refused=True)
    elif lock is not None:
        who = f"is {lock.program} now" if lock.program else "is gone"
        yield Cause("stale_lock", f"{lock.path} was left by a server that was killed: its process {lock.pid} {who}.")
    if found.leftovers:
        numbers = ", ".join(str(pid) for pid in found.leftovers)
        sentence = f"Processes {numbers} of the server that is gone still use {found.place.path}."
        yield Cause("leftovers", sentence)


def _crash_loop(found: Found, wish: Wish) -> Iterator[Cause]:
    cause = history.crash_loop(found)
    if cause is not None:
        sentence = (
            f"{cause}: what makes it crash has to be found first, see {found.story.file or 'its log'}; or start it "
            f"once more with despite: [{CRASH_LOOP}]."
        )
        yield Cause(CRASH_LOOP, sentence, refused=CRASH_LOOP not in wish.despite)


JUDGES: tuple[Callable[[Found, Wish], Iterator[Cause]], ...] = (
    _others_duty,
    _kept,
    _second_primary,
    storage.data,
    storage.disks,
    _configuration,
    _in_the_way,
    _crash_loop,
)
