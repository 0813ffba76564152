"""What a run has noted of itself, read by the next one, which may be of another version."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.place import PROVEN, Mark, Place, read_mark

MARK = Mark({"stanza": "orders"}, "7", "20300101T000000Z", PROVEN, "20300101-000000F")


def written(tmp_path: Path, told: dict[str, Any]) -> Place:
    place = Place(15, "main", tmp_path / "main")
    place.growing.mkdir()
    place.mark.write_text(json.dumps(told))
    return place


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert read_mark(written(tmp_path, asdict(MARK))) == MARK


def test_what_only_a_later_version_knows_is_left_to_it(tmp_path: Path) -> None:
    assert read_mark(written(tmp_path, {**asdict(MARK), "colour": "red"})) == MARK


def test_what_an_earlier_version_did_not_write_is_as_unless_told(tmp_path: Path) -> None:
    told = asdict(MARK)
    del told["left"], told["archived"]
    assert read_mark(written(tmp_path, told)) == MARK


@pytest.mark.parametrize("change", [{"phase": "weighed"}, {"stamp": None}])
def test_what_cannot_be_understood_is_refused_with_what_to_do(tmp_path: Path, change: dict[str, Any]) -> None:
    told = {name: value for name, value in {**asdict(MARK), **change}.items() if value is not None or name == "left"}
    with pytest.raises(Refused, match="is of another version of this collection: end it with that version"):
        read_mark(written(tmp_path, told))
