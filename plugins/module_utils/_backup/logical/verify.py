# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Proofs that a backup is one: its bytes are those that were written, its contents can be listed, it restores."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from pathlib import Path
from typing import Callable

from ansible_collections.runbook.postgres.plugins.module_utils._backup.blame import blamed, unheard
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.tools import Tools
from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import DIRECTORY, PLAIN
from ansible_collections.runbook.postgres.plugins.module_utils._backup.repository import Backup
from ansible_collections.runbook.postgres.plugins.module_utils._backup.tongue import UNDERSTOOD, Tongue
from ansible_collections.runbook.postgres.plugins.module_utils._command import Program, ProgramFailed, run
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._stream.reading import Unreadable

PORTION = 1 << 18
LIST_SECONDS = 3600.0
# The last words of a plain dump that was written to its end.
_END = b"-- PostgreSQL database dump complete"


class NotVerified(Problem):
    """The backup is there and is not what it should be."""


class NotProven(Problem):
    """Something was in the way of the proof, which tells nothing of the backup."""


def failure(backup: Backup, what: str, error: ProgramFailed, tongue: Tongue = UNDERSTOOD) -> Problem:
    """Whether a program that failed tells something of what it read, in a language that is understood."""
    against = blamed(error)
    told = f"Backup {backup.id} {what}, {(against or error.sentence).rstrip('.')}"
    if against:
        return NotVerified(f"{told}: use another one.")
    return NotProven(
        f"{told}, which is nothing that is held against it: see to that and run this again.{unheard(tongue)}"
    )


def by_checksum(backup: Backup, moved: Callable[[int], None] = lambda _: None) -> None:
    damage = backup.damage(moved)
    if damage:
        raise NotVerified(" ".join(damage))


def refuse_wrong_key(backup: Backup, identity: Path | None) -> None:
    """What a key does not open may be as it was written: nothing is held against it."""
    if not backup.manifest.encrypted:
        return
    try:
        # The beginning is enough to know.
        with backup.content(backup.manifest.dump, identity) as content:
            if not content.read(1):
                content.finish()
    except (ProgramFailed, Unreadable) as error:
        raise Refused(
            f"Backup {backup.id} is not opened by {identity} ({error.sentence.rstrip('.')}), which is nothing that is "
            "held against it: give the file with age's secret key of one of its recipients (identity)."
        ) from error


def by_list(backup: Backup, tools: Tools, identity: Path | None) -> None:
    """pg_restore reads the table of contents; a plain dump is read to its last line."""
    refuse_wrong_key(backup, identity)
    if backup.manifest.format == PLAIN:
        _read_to_its_end(backup, identity)
        return
    pg_restore = tools.path("pg_restore")
    try:
        if backup.manifest.format == DIRECTORY:
            listing = run([pg_restore, "--list", str(backup.dump)], LIST_SECONDS)
        else:
            listing = _listed(backup, pg_restore, identity)
    except ProgramFailed as error:
        raise failure(backup, "cannot be listed", error) from error
    if "; Archive created at" not in listing:
        raise NotVerified(f"Backup {backup.id} has no table of contents that pg_restore knows: use another one.")


def _listed(backup: Backup, pg_restore: str, identity: Path | None) -> str:
    """Read whole, also behind the table of contents: what decrypts and unpacks it has to end well."""
    with backup.content(backup.manifest.dump, identity) as source, tempfile.TemporaryFile() as listing:
        # A file: a list that is long would wait for a reader while we wait for it to read.
        program = Program([pg_restore, "--list"], stdin=subprocess.PIPE, stdout=listing.fileno())
        try:
            feed(source.read, program, LIST_SECONDS)
        finally:
            program.end()
        source.drain()
        source.finish()
        listing.seek(0)
        return listing.read().decode(errors="replace")


def feed(read: Callable[[int], bytes], program: Program, seconds: float) -> None:
    """Until it has what it wants, and to its end. One that takes nothing, since it waits itself, would have us wait."""
    with program.within(seconds):
        with contextlib.suppress(BrokenPipeError):
            while True:
                data = read(PORTION)
                if not data:
                    break
                program.stdin.write(data)
            program.stdin.close()
        program.finish(seconds)


def _read_to_its_end(backup: Backup, identity: Path | None) -> None:
    last = b""
    with backup.content(backup.manifest.dump, identity) as source:
        while True:
            data = source.read(PORTION)
            if not data:
                break
            last = (last + data)[-2000:]
        source.finish()
    if _END not in last:
        raise NotVerified(f"Backup {backup.id} does not end as a dump of pg_dump does: use another one.")
