# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Proof that a physical backup is what it was: every file read back; the drill restores the whole of it."""

from __future__ import annotations

import re

from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.plan import Wish
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest import program
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.program import (
    PgBackRest,
    PgBackRestFailed,
)

# A file that cannot be unpacked or decrypted: pgBackRest stops there and does not say which.
_DAMAGED = (29, 95)
_BACKUP = re.compile(
    r"backup: (\S+), status: (?!valid)([^,]+)(?:, total files checked: (\d+), total valid files: (\d+))?"
)
_WAL = re.compile(r"archiveId: (\S+), total WAL checked: (\d+), total valid WAL: (\d+)")
_FILE = re.compile(r"(?:file missing|invalid checksum|invalid size|invalid result)[^']*'([^']+)'")


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


def verify(pgbackrest: PgBackRest, wish: Wish, label: str) -> dict[str, list[str]]:
    """By backups that are damaged, what is wrong with each; empty where the proof holds."""
    try:
        printed = pgbackrest.run("verify", f"--repo={wish.repository}", log="info")
    except PgBackRestFailed as error:
        if error.code not in _DAMAGED:
            raise
        return {label: [f"A file of {wish.title} cannot be read back: {error.sentence}"]}
    return problems(printed, label)


def problems(printed: str, label: str) -> dict[str, list[str]]:
    """pgBackRest ends well whatever it finds; what it found is in its words."""
    if not re.search(r"status: error", printed):
        return {}
    files = _FILE.findall(printed)
    told: dict[str, list[str]] = {}
    for name, status, checked, valid in _BACKUP.findall(printed):
        mine = [each for each in files if each.startswith(name)]
        count = (
            f"{int(checked) - int(valid)} of {checked} files are damaged or missing" if checked else f"It is {status}"
        )
        told[name] = [f"{count}{': ' + ', '.join(mine[:3]) if mine else ''}."]
    for archive, checked, valid in _WAL.findall(printed):
        if checked != valid:
            mine = [each for each in files if each.startswith(archive)]
            words = f"{int(checked) - int(valid)} of {checked} WAL segments are damaged or missing"
            told.setdefault(label, []).append(f"{words}{': ' + ', '.join(mine[:3]) if mine else ''}.")
    return told or {label: ["pgBackRest found an error that it did not name; its log has the whole."]}
