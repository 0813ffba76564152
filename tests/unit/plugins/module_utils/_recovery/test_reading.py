"""A mark stands in each repository while it is read from, and where none can stand that is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils import _host_lock
from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.readers import Reader
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.reading import reads

PASSED = Reader("far", "0123456789ab", 7, 1_700_000_000)
FAR = Reader("far", "0123456789ab", 8, 9_999_999_999)


class Kept:
    """Two repositories of a stanza, of which some only let this host read."""

    stanza = "orders"

    def __init__(self, *readonly: int) -> None:
        self.readonly = readonly
        self.there: dict[int, set[str]] = {number: {".", PASSED.name, FAR.name} for number in (1, 2)}

    def numbers(self) -> list[int]:
        return sorted(self.there)

    def marks(self, number: int) -> list[str]:
        return sorted(self.there[number])

    def mark(self, reader: Reader, number: int) -> None:
        self._refuse(number)
        self.there[number].add(reader.name)

    def unmark(self, reader: Reader, number: int) -> None:
        self._refuse(number)
        self.there[number].discard(reader.name)

    def _refuse(self, number: int) -> None:
        if number in self.readonly:
            raise ProgramFailed("pgbackrest failed.", 101, "ERROR: [101]: access denied")


@pytest.fixture(autouse=True)
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_host_lock, "LOCKS", tmp_path / "locks")


def ours(kept: Kept) -> list[int]:
    """In how many repositories there is a mark beside those of others."""
    return [len(kept.there[number] - {".", PASSED.name, FAR.name}) for number in kept.numbers()]


@pytest.mark.parametrize("fails", [True, False])
def test_it_stands_as_long_as_it_is_read(*, fails: bool) -> None:
    kept: Any = Kept()
    said: list[str] = []
    try:
        with reads(kept, 60, said.append, check=False):
            assert ours(kept) == [1, 1]
            # Those whose time is over went, and nobody else's.
            assert all(PASSED.name not in each and FAR.name in each for each in kept.there.values())
            if fails:
                raise KeyError
    except KeyError:
        assert fails
    assert (ours(kept), said) == ([0, 0], [])


def test_who_may_only_read_reads_and_says_what_that_means() -> None:
    kept: Any = Kept(2)
    said: list[str] = []
    with reads(kept, 60, said.append, check=False):
        assert ours(kept) == [1, 0]
    [sentence] = said
    assert sentence.startswith("Repository 2 does not take a mark that ")
    assert "access denied" in sentence
    assert ours(kept) == [0, 0]


def test_a_dry_run_leaves_nothing() -> None:
    kept: Any = Kept()
    with reads(kept, 60, pytest.fail, check=True):
        assert ours(kept) == [0, 0]
