"""A failure is the backup's, or it is not."""

from __future__ import annotations

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._recovery import damage


@pytest.mark.parametrize(
    ("code", "damaged"), [(26, True), (29, True), (55, True), (95, True), (63, False), (None, False)]
)
def test_pgbackrest_that_ends_with_that_code(code: int | None, damaged: bool) -> None:
    assert damage.of_pgbackrest(code) is damaged


@pytest.mark.parametrize(
    ("words", "damaged"),
    [
        ("WAL ends before end of online backup", True),
        ("could not locate a valid checkpoint record", True),
        ("WAL contains references to invalid pages", True),
        ("requested timeline 2 does not contain minimum recovery point 0/50 on timeline 1", True),
        ('could not write to file "base/1/2": No space left on device', False),
        ("terminating connection due to administrator command", False),
    ],
)
def test_a_server_that_gives_up(words: str, damaged: bool) -> None:
    assert damage.of_replay(words) is damaged


def test_pages_that_are_wrong_and_those_that_were_not_looked_at() -> None:
    assert damage.of_pages('pg_checksums: error: checksum verification failed in file "base/1/2", block 0')
    assert not damage.of_pages('pg_checksums: error: could not open file "base/1/2": Too many open files')
