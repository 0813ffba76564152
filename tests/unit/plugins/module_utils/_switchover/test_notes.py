"""What a part wrote down is what the next run reads, and nobody else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._switchover import request
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.notes import ENDED, Note, Notebook
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.words import HERE, OFF, PAUSED, Words


@pytest.fixture
def notes(tmp_path: Path) -> Notebook:
    return Notebook("15-main", tmp_path / "notes", str(os.geteuid()))


def test_nothing_was_written(notes: Notebook) -> None:
    assert notes.read() is None
    notes.end("nothing to end")
    assert notes.read() is None


def test_what_is_open_ends_once(notes: Notebook) -> None:
    notes.write(Note("abcdef01", "stopping", "it was to stop"))
    assert notes.path.stat().st_mode & 0o777 == 0o600
    assert notes.path.parent.stat().st_mode & 0o777 == 0o700
    found = notes.read()
    assert found is not None
    assert found.unfinished
    notes.end("it goes on")
    notes.end("and is not ended twice")
    assert notes.read() == Note("abcdef01", ENDED, "it goes on")


def test_what_is_no_note_is_told(notes: Notebook) -> None:
    notes.path.parent.mkdir()
    notes.path.write_text("{}")
    with pytest.raises(Problem, match="not as it was written"):
        notes.read()


def test_words_fit_into_a_name_of_a_session() -> None:
    words = Words("f" * 32)
    assert max(len(name) for name in (*words.all_of(PAUSED, 999), words.restore_point)) < 64
    assert words.all_of(HERE, 2) == {words.of(HERE, 1), words.of(HERE, 2)}
    assert words.any_off([words.of(OFF, 3)])
    assert words.any_off([words.of(OFF)])
    assert not words.any_off([Words("e" * 32).of(OFF), words.of(HERE, 1)])


@pytest.mark.parametrize("given", [None, "", "xyz", "ABCDEF0123", "abcdef0", "a" * 33])
def test_a_token_is_hexadecimal(given: str | None) -> None:
    with pytest.raises(Refused):
        request.token({"token": given})


def test_limits_are_seconds() -> None:
    given = {"assembly_limit": 60, "pause_limit": 5, "stop_limit": 10, "promote_limit": 10}
    found = request.limits(given)
    assert found.pooler > found.pause + found.stop + found.promote
    with pytest.raises(Refused):
        request.limits({**given, "pause_limit": 0})
