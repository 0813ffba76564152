"""A manifest is read as it was written, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.manifest import (
    Column,
    parse,
    read,
)
from ansible_collections.runbook.postgres.plugins.module_utils._stream.placing import write_text

from .manifests import A_MANIFEST, a_manifest

HERE = Path("/srv/a.manifest.json")
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXT, TEXT, st.integers(0, 2**63), st.none() | TEXT)
def test_what_was_written_is_read(name: str, bound: str, rows: int, comment: str | None) -> None:
    column = Column(name, "text", False, None, False, False)
    written = a_manifest(partition=name, bound=bound, rows=rows, comment=comment, columns=(column,))
    assert parse(written.to_json(), HERE) == written


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("[]", "no manifest"),
        ('{"manifest": "1"}', "no manifest"),
        ('{"manifest": 2}', "later version"),
        ('{"manifest": 1}', "file, .* is missing"),
        (json.dumps({**json.loads(A_MANIFEST.to_json()), "columns": [{"name": "x"}]}), "columns or numbers"),
        (json.dumps({**json.loads(A_MANIFEST.to_json()), "rows": "many"}), "columns or numbers"),
    ],
)
def test_what_is_none_is_refused(text: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        parse(text, HERE)


def test_a_file_that_is_not_text_or_not_there(tmp_path: Path) -> None:
    place = tmp_path / "m"
    with pytest.raises(Refused, match="cannot be read"):
        read(place)
    place.write_bytes(b"\xff")
    with pytest.raises(Refused, match="not UTF-8"):
        read(place)


def test_it_is_written_for_its_owner_only_and_over_what_a_killed_run_left(tmp_path: Path) -> None:
    place, partial = tmp_path / "m", tmp_path / ".m.partial"
    partial.write_text("half")
    write_text(place, partial, A_MANIFEST.to_json())
    assert read(place) == A_MANIFEST
    assert place.stat().st_mode & 0o777 == 0o600
    assert not partial.exists()


def test_nothing_is_left_where_it_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    with pytest.raises((Problem, OSError)):
        write_text(tmp_path / "m", tmp_path / ".m.partial", A_MANIFEST.to_json())
    assert [each.name for each in tmp_path.iterdir()] == ["m"]
