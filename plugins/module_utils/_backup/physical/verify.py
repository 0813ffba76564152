# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Proof that a physical backup is what it was: every file read back; the drill restores the whole of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.plan import Wish
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest import program
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.program import (
    PgBackRest,
    PgBackRestFailed,
)

# A file that cannot be unpacked or decrypted. Where pgBackRest stops at one without its name it was looking up how
# large segments are.
_ENDED = (29, 95)
_BACKUP = re.compile(r"backup: (\S+), status: ([^,\n]+), total files checked: (\d+), total valid files: (\d+)")
_UNDER_WAY = "in-progress"
# Of WAL that only says that retention came along while it was looked at.
_GONE = "file missing"
_FILE = re.compile(rf"({_GONE}|invalid (?:checksum|size|result)) '?(.+?)'?(?:: \[\d+\].*)?$", re.MULTILINE)
_SEGMENT = re.compile(r"(\d+(?:\.\d+)?-\d+)/[0-9A-F]{16}/([0-9A-F]{24})")
_MOST = 3


@dataclass(frozen=True)
class Damage:
    """What a proof found, each held against what it is in; nothing where the whole repository is as it was."""

    # By backups, a sentence each.
    backups: Mapping[str, str] = field(default_factory=dict)
    # Segments of WAL, by the archive that each is in.
    wal: frozenset[str] = frozenset()
    # Why more may be damaged than that.
    unnamed: str | None = None

    @property
    def words(self) -> str:
        """Of all of it, for a sentence."""
        told = [f"backup {name}: {sentence.rstrip('.')}" for name, sentence in sorted(self.backups.items())]
        wal = [f"WAL segment {some(sorted(self.wal))} is damaged"] if self.wal else []
        return "; ".join([*told[:_MOST], *wal, *([self.unnamed.rstrip(".")] if self.unnamed else [])])


def refuse_unknown(level: str) -> None:
    """What this host cannot prove is told before anything is done."""
    if level in ("list", "restore"):
        # Nothing may be written down as proven by a restore that was none.
        raise Refused(
            f"verify is {level}, which is for logical backups: give checksum for a physical one, and have a drill "
            "restore it (playbook runbook.postgres.drill), after which it is told as verified by restore."
        )
    found = program.version()
    if level == "checksum" and found is not None and found < program.FIRST_WITH_VERIFY:
        raise Refused(
            f"pgBackRest {'.'.join(map(str, found))} of this host cannot verify a repository, which version 2.39 "
            "brought: give verify none, and have the drill restore backups."
        )


def verify(pgbackrest: PgBackRest, wish: Wish) -> Damage:
    """pgBackRest reads the whole repository, whichever backup is meant."""
    try:
        return damage(pgbackrest.run("verify", f"--repo={wish.repository}", log="info"))
    except PgBackRestFailed as error:
        if error.code not in _ENDED:
            raise
        stopped = "a file cannot be read back, and pgBackRest does not say which, as where it is the oldest WAL segment"
        return Damage(unnamed=f"{stopped}: {error.sentence}")


def damage(printed: str) -> Damage:
    """pgBackRest ends well whatever it finds; what it found is in its words."""
    if not re.search(r"status: error", printed):
        return Damage()
    files = [name for why, name in _FILE.findall(printed) if why != _GONE or not _SEGMENT.match(name)]
    backups = {
        name: _sentence(int(checked), int(valid), [each for each in files if each.startswith(f"{name}/")])
        for name, status, checked, valid in _BACKUP.findall(printed)
        if status not in ("valid", _UNDER_WAY)
    }
    wal = frozenset(f"{found[1]}/{found[2]}" for found in map(_SEGMENT.match, files) if found)
    named = backups or wal or _GONE in printed
    return Damage(backups, wal, None if named else "pgBackRest found an error that it did not name; its log has more")


def _sentence(checked: int, valid: int, files: Sequence[str]) -> str:
    if not checked:
        return "Its manifest cannot be read."
    return f"{checked - valid} of {checked} files are damaged or missing{': ' if files else ''}{some(files)}."


def some(names: Sequence[str]) -> str:
    """So many that a message stays one."""
    return ", ".join(names[:_MOST]) + (f" and {len(names) - _MOST} more" if len(names) > _MOST else "")
