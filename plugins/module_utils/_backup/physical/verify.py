# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Proof that a physical backup is what it was: every file read back; the drill restores the whole of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

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
_VALID, _UNDER_WAY = "valid", "in-progress"
_MANIFESTS = (
    (
        re.compile(r"DETAIL: (\S+)/backup\.manifest is missing or unusable, using copy"),
        "Its backup.manifest is missing or cannot be read, and backup.manifest.copy stands for it: copy that there.",
    ),
    (
        re.compile(r"DETAIL: backup '(\S+)' manifest\.copy does not match manifest"),
        "Its backup.manifest and backup.manifest.copy differ.",
    ),
)
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
    # Of backups that are whole, what is wrong with one of the two manifests, a sentence each.
    manifests: Mapping[str, str] = field(default_factory=dict)
    # Why more may be damaged than that.
    unnamed: str | None = None
    # Why nothing is proven of the backup that was meant, although nothing was found in it.
    unproven: str | None = None

    @property
    def proof(self) -> bool:
        """Whether the backup that was meant is proven by it, where nothing is held against that one."""
        return self.unnamed is None and self.unproven is None

    @property
    def found(self) -> bool:
        return bool(self.backups or self.wal or self.manifests or self.unnamed)

    @property
    def words(self) -> str:
        """Of all of it, for a sentence."""
        told = [f"backup {name}: {sentence.rstrip('.')}" for name, sentence in sorted(self.backups.items())]
        wal = [f"WAL segment {some(sorted(self.wal))} is damaged"] if self.wal else []
        manifests = [f"backup {name}: {each.rstrip('.')}" for name, each in sorted(self.manifests.items())]
        why = [each.rstrip(".") for each in (self.unnamed, self.unproven) if each]
        return "; ".join([*told[:_MOST], *wal, *manifests[:_MOST], *why])

    def of(self, known: Collection[str]) -> Damage:
        """Without what is of no backup any more, as where a removal was cut short."""
        backups, manifests = (
            {name: sentence for name, sentence in each.items() if name in known}
            for each in (self.backups, self.manifests)
        )
        return replace(self, backups=backups, manifests=manifests)


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


def verify(pgbackrest: PgBackRest, wish: Wish, label: str) -> Damage:
    """pgBackRest reads the whole repository, whichever backup is meant."""
    try:
        # It names what is good only where it is to be verbose, and what a copy stands for at this level.
        return damage(pgbackrest.run("verify", f"--repo={wish.repository}", "--verbose", log="detail"), label)
    except PgBackRestFailed as error:
        if error.code not in _ENDED:
            raise
        stopped = "a file cannot be read back, and pgBackRest does not say which, as where it is the oldest WAL segment"
        return Damage(unnamed=f"{stopped}: {error.sentence}")


def damage(printed: str, label: str) -> Damage:
    """pgBackRest ends well whatever it finds; what it found is in its words, and what it does not call good is not."""
    files = [name for why, name in _FILE.findall(printed) if why != _GONE or not _SEGMENT.match(name)]
    told = _BACKUP.findall(printed)
    backups = {
        name: _sentence(int(checked), int(valid), [each for each in files if each.startswith(f"{name}/")])
        for name, status, checked, valid in told
        if status not in (_VALID, _UNDER_WAY)
    }
    wal = frozenset(f"{found[1]}/{found[2]}" for found in map(_SEGMENT.match, files) if found)
    named = backups or wal or _GONE in printed or "status: error" not in printed
    good = {name for name, status, checked, valid in told if status == _VALID and int(checked) and checked == valid}
    calls = {
        name: f"calls backup {name} {status} with {valid} of {checked} files valid"
        for name, status, checked, valid in told
    }
    return Damage(
        backups,
        wal,
        {name: each for pattern, each in _MANIFESTS for name in pattern.findall(printed) if name not in backups},
        None if named else "pgBackRest found an error that it did not name; its log has more",
        None if label in {*good, *backups} else f"pgBackRest {calls.get(label, f'says nothing of backup {label}')}",
    )


def _sentence(checked: int, valid: int, files: Sequence[str]) -> str:
    if not checked:
        return "Its manifest is missing or cannot be read."
    return f"{checked - valid} of {checked} files are damaged or missing{': ' if files else ''}{some(files)}."


def some(names: Sequence[str]) -> str:
    """So many that a message stays one."""
    return ", ".join(names[:_MOST]) + (f" and {len(names) - _MOST} more" if len(names) > _MOST else "")
