"""What a restore that failed says of its backup."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore import flaw as flaws
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.checks import CheckFailed
from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, QueryFailed

PLACE = Path("/srv/dumps/shop")


class Backup:
    def __init__(self, *damage: str) -> None:
        self._damage = list(damage)

    def damage(self) -> list[str]:
        return self._damage


def wrapped(cause: Problem) -> Problem:
    error = Problem("The restore failed.")
    error.__cause__ = cause
    return error


def program(words: str, code: int | None = 1) -> ProgramFailed:
    return ProgramFailed(f"pg_restore failed: {words}", code, words)


def uncounted() -> CheckFailed:
    error = CheckFailed("Rows of a cannot be counted.")
    error.__cause__ = QueryFailed("canceling statement due to user request")
    return error


@pytest.mark.parametrize(
    ("cause", "level"),
    [
        (CheckFailed("a has 3 rows, and 4 were backed up."), "restore"),
        (program('ERROR:  insert violates foreign key constraint "a_b"'), "restore"),
        (program("pg_restore: error: could not read from input file: end of file"), "restore"),
        (uncounted(), None),
        (program('ERROR:  could not extend file "base/1/2": No space left on device'), None),
        (program('ERROR:  role "owner" does not exist'), None),
        (program("pg_restore did not end within 5 s and was killed", None), None),
        (QueryFailed("terminating connection due to administrator command"), None),
    ],
)
def test_only_what_is_the_backups_is_held_against_it(
    cause: Problem, level: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flaws, "open_backup", lambda _directory: Backup())
    found = flaws.flaw(wrapped(cause), PLACE)
    assert (found and found.level) == level
    if found is not None:
        assert found.sentence == cause.sentence


def test_files_that_are_not_as_they_were_written_say_more_than_what_comes_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(flaws, "open_backup", lambda _directory: Backup("File dump is damaged."))
    assert flaws.flaw(Problem("It failed."), PLACE) == flaws.Flaw("checksum", "File dump is damaged.")


def test_one_that_cannot_be_looked_at_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_directory: Path) -> Backup:
        raise Problem("It has no manifest.")

    monkeypatch.setattr(flaws, "open_backup", gone)
    assert flaws.flaw(Problem("It failed."), PLACE) is None
