# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Programs that go on after the module that started them was killed."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem

END_SECONDS = 30.0


def end_orphans(program: str, target: str) -> int:
    """End what still runs of this program on this target or on something below it; how many there were."""
    orphans = running(program, target)
    for pid in orphans:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = Deadline(END_SECONDS)
    while any(_lives(pid) for pid in orphans):
        if deadline.passed():
            raise Problem(f"{program} into {target} does not end although it was killed: look at the disk below it.")
        time.sleep(0.05)
    return len(orphans)


def running(program: str, target: str) -> list[int]:
    """Processes, by program and a path among their arguments, alone or as `--file=path`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if Path(words[0]).name == program and any(_names(word, target) for word in words):
                    found.append(int(entry.name))
    return found


def _names(word: str, target: str) -> bool:
    path = word.partition("=")[2] if word.startswith("--") else word
    return path == target or path.startswith(f"{target}/")


def _lives(pid: int) -> bool:
    try:
        # The state stands behind the name, which may hold anything; one that waits to be collected is dead.
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
