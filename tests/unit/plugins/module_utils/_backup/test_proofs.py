"""What a program that failed says of the backup that it read, and what it does not."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.verify import (
    NotProven,
    NotVerified,
    failure,
    feed,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.repository import Backup
from ansible_collections.runbook.postgres.plugins.module_utils._command import Program, ProgramFailed
from tests.unit.plugins.module_utils._backup.backups import manifest

BACKUP = Backup(Path("/backups/b"), manifest(database="shop"))
QUERY = "pg_restore: error: could not execute query: "


@pytest.mark.parametrize(
    "words",
    [
        'ERROR:  type "mood" does not exist',
        "pg_restore: error: could not read from input file: end of file",
        "pg_restore: error: input file does not appear to be a valid archive",
        'ERROR:  duplicate key value violates unique constraint "orders_pkey"',
        'ERROR:  null value in column "a" of relation "t" violates not-null constraint',
        # One of several at work, whose end the first of them tells of last.
        QUERY + 'ERROR:  relation "public.t" does not exist\npg_restore: error: a worker process died unexpectedly',
    ],
)
def test_what_does_not_restore_counts_as_none(words: str) -> None:
    told = failure(BACKUP, "does not restore", ProgramFailed(f"pg_restore failed: {words}.", 1, words))
    assert isinstance(told, NotVerified)
    assert " ".join(words.split()) in told.sentence


@pytest.mark.parametrize(
    ("words", "code"),
    [
        # It was killed, or its time was over.
        ("", None),
        (QUERY + "FATAL:  terminating connection due to administrator command", 1),
        (QUERY + "server closed the connection unexpectedly", 1),
        ('connection to server on socket "/run/x" failed: No such file or directory', 1),
        ("FATAL:  the database system is shutting down", 1),
        ('ERROR:  could not extend file "base/5/6": No space left on device', 1),
        ("ERROR:  out of memory", 1),
        ("ERROR:  canceling statement due to user request", 1),
        ("pg_restore: error: a worker process died unexpectedly", 1),
        ("FATAL:  sorry, too many clients already", 2),
        # Another server may have them.
        ('ERROR:  extension "postgis" is not available', 1),
        ("ERROR:  permission denied to create extension", 1),
        ('ERROR:  role "owner" does not exist', 1),
        # The disk under the dump.
        ("pg_restore: error: could not read from input file: Input/output error", 1),
        # What is not understood.
        (QUERY + "FEHLER:  Typ »mood« existiert nicht", 1),
    ],
)
def test_what_was_in_the_way_is_nothing_against_it(words: str, code: int | None) -> None:
    told = failure(BACKUP, "does not restore", ProgramFailed(f"pg_restore failed: {words}.", code, words))
    assert isinstance(told, NotProven)
    assert not isinstance(told, NotVerified)
    assert "run this again" in told.sentence


@pytest.mark.parametrize("ends", [True, False])
def test_who_takes_nothing_is_waited_for_as_long_as_was_said(*, ends: bool) -> None:
    """More than a pipe holds: what waits for a lock reads no more, and whoever feeds it does not look at the time."""
    program = Program(["sh", "-c", "exec cat >/dev/null" if ends else "exec sleep 600"], subprocess.PIPE)
    left = [b"x" * (1 << 18)] * 8
    try:
        with contextlib.nullcontext() if ends else pytest.raises(ProgramFailed, match="sh did not end within 2 s"):
            feed(lambda _: left.pop() if left else b"", program, 600 if ends else 2)
    finally:
        program.end()
    assert bool(left) != ends
