# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How a server came to its end: told as far as it can be proven, and nothing of it keeps it from being started."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage import story
from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage.found import Crash, Found

LOOP_CRASHES, LOOP_SECONDS = 3, 600.0

_Made = TypeVar("_Made")


def crash_loop(found: Found) -> str | None:
    """That it crashed again and again; the beginning of a sentence."""
    late = story.loop(found.story, LOOP_CRASHES, LOOP_SECONDS)
    if late and found.story.stopped is None:
        last = late[-1]
        return (
            f"Instance {found.title} crashed {len(late)} times within {LOOP_SECONDS / 60:.0f} minutes, last at "
            f"{last.at} ({last.process} {last.how})"
        )
    unit = found.unit
    if unit.result == "start-limit-hit" or unit.restarts >= LOOP_CRASHES:
        times = f"{unit.restarts} times" if unit.restarts else "as often as it may"
        return f"systemd has started {unit.name} {times} and it ended each time{_because(found)}"
    return None


def causes(found: Found, make: Callable[[str, str], _Made]) -> Iterator[_Made]:
    killed = found.story.crashes[-1] if found.story.crashes and found.story.crashes[-1].killed else None
    if found.story.stopped is not None and not found.story.words:
        yield make("stopped", f"It was stopped in an orderly way, by its log at {found.story.stopped}.")
    elif found.unit.result == "oom-kill" or _said(found, killed):
        yield make("out_of_memory", f"The kernel killed it for want of memory: {_proof(found, killed)}.")
    elif killed or found.unit.main_signal == 9:
        yield make("killed", f"{_victim(found, killed)} was killed by signal 9. {_unproven(found)}")
    elif found.story.crashes and not found.story.words:
        last = found.story.crashes[-1]
        yield make("crashed", f"Its {last.process} (PID {last.pid}) {last.how} at {last.at}.")
    if found.story.words:
        yield make("words", f"Its log says last, at {found.story.last}: {'; '.join(found.story.words)}.")


def _victim(found: Found, crash: Crash | None) -> str:
    return f"Its {crash.process} (PID {crash.pid}), at {crash.at}," if crash else f"The server of {found.unit.name}"


def _said(found: Found, crash: Crash | None) -> str | None:
    """The kernel's line about the process that the server's log names, or about the server that left its lock."""
    log = found.out_of_memory or {}
    number = crash.pid if crash else found.lock.pid if found.lock else 0
    return log.get(number)


def _proof(found: Found, crash: Crash | None) -> str:
    said = _said(found, crash)
    return f"its log says '{said}'" if said else f"systemd says so of {found.unit.name}"


def _unproven(found: Found) -> str:
    """Somebody may have sent it as well."""
    if found.out_of_memory is None:
        return "Whether for want of memory cannot be proven: the kernel's log is not to be read here."
    others = "; ".join(found.out_of_memory.values())
    return (
        f"The kernel's log does not name it, but: {others}." if others else "The kernel's log says nothing of memory."
    )


def _because(found: Found) -> str:
    return f" ({'; '.join(found.story.words)})" if found.story.words else ""
