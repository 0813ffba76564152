# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Programs that promote servers by themselves, found among the processes of this host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

# What each is called, by the name that its process or its script has.
PROMOTERS = {
    "patroni": "Patroni",
    "repmgrd": "repmgrd",
    "pacemakerd": "Pacemaker",
    "pacemaker-remoted": "Pacemaker",
    "pg_autoctl": "pg_auto_failover",
    "stolon-keeper": "Stolon",
}
# By what an operator has it act.
COMMANDS = {
    "Patroni": "runbook.postgres.switchover asks it, as does patronictl -c /etc/patroni/config.yml switchover",
    "repmgrd": "repmgr standby switchover",
    "pg_auto_failover": "pg_autoctl perform switchover",
}
# An interpreter comes before the script, and -m before the module.
_WORDS = 4


def running(proc: Path = Path("/proc")) -> list[str]:
    return sorted({name for words in _commands(proc) if (name := promoter(words)) is not None})


def through(names: Iterable[str]) -> str:
    """How to go through them, as a part of a sentence."""
    known = [COMMANDS[name] for name in names if name in COMMANDS]
    return f"go through it ({' or '.join(known)})" if known else "go through it"


def promoter(words: list[str]) -> str | None:
    """Which one a command line starts, if any."""
    if not words:
        return None
    own, *others = (word.rpartition("/")[2] for word in words[:_WORDS])
    interpreted = others if own.startswith("python") else ()
    # An option of the interpreter may come first, and what follows the script is the script's.
    script = next((word for word in interpreted if not word.startswith("-")), "")
    return PROMOTERS.get(own) or PROMOTERS.get(script.removesuffix(".py"))


def _commands(proc: Path) -> Iterator[list[str]]:
    for entry in proc.iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                # It ended while it was looked at.
                continue
            # Of some that set their title it is one word, with colons and spaces.
            yield [word.decode(errors="replace") for word in line.split(b"\0") if word]
