"""A manifest is read back as it was written, or not believed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import LAYOUT, parse, read, seal
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from tests.unit.plugins.module_utils._backup.backups import made, manifest

PLACE = Path("/backups/x/manifest.json")


@pytest.mark.parametrize(
    "other",
    [{}, {"rows": None}, {"tables": ('"a b".t',), "recipients": ("age1x",)}, {"lsn": None, "system_identifier": None}],
)
def test_it_comes_back_as_it_was(other: dict[str, object]) -> None:
    told = manifest(**other)
    assert parse(told.to_json(), PLACE) == told


def test_from_its_directory(tmp_path: Path) -> None:
    told = made(tmp_path)
    assert read(tmp_path / told.id) == told
    assert told.stored_bytes == 5020
    assert not told.encrypted


@pytest.mark.parametrize(
    ("was", "becomes", "words"),
    [
        ('"rows": 3', '"rows": 4', "edited or damaged"),
        ('"seal": "', '"seal": "0', "edited or damaged"),
        ('"database"', '"databose"', "edited or damaged"),
        ('"of": "logical backup"', '"of": "rows"', "no manifest of a logical backup"),
        (f'"manifest": {LAYOUT}', '"manifest": "1"', "no manifest of a logical backup"),
        (f'"manifest": {LAYOUT}', f'"manifest": {LAYOUT + 1}', "later version"),
        ("{", "", "not JSON"),
    ],
)
def test_what_was_altered_is_not_believed(was: str, becomes: str, words: str) -> None:
    text = manifest().to_json()
    assert was in text
    with pytest.raises(Refused, match=words):
        parse(text.replace(was, becomes, 1), PLACE)


def test_a_field_that_is_missing_is_named() -> None:
    told = json.loads(manifest().to_json())
    del told["wrapped"]
    with pytest.raises(Refused, match="wrapped"):
        parse(json.dumps({**told, "seal": seal(told)}), PLACE)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be read: No such file"):
        read(tmp_path)
    (tmp_path / "manifest.json").write_bytes(b"\xff")
    with pytest.raises(Refused, match="not UTF-8"):
        read(tmp_path)
