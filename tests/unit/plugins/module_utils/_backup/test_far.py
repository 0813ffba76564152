"""What a copy's place is told of proofs, and what is read from it."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import Copy
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical import far, prove
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.verify import NotVerified
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore import fetching, rehearsing
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.checks import CheckFailed
from ansible_collections.runbook.postgres.plugins.module_utils._backup.state import NOTHING_KNOWN, State, write_state
from ansible_collections.runbook.postgres.plugins.module_utils._stream.offsite import FarDirectory, NotOffsite
from tests.unit.plugins.module_utils._backup.backups import manifest

AT = "2026-08-01T02:00:00Z"
COPIES = tuple(Copy(place, "md5", datetime(2026, 8, 1, tzinfo=timezone.utc)) for place in ("vault:pg", "nas:pg"))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """What each place was told last; nas: is away."""
    said: dict[str, str | None] = {}

    def tell(remote: str, name: str, _file: str, text: str | None) -> None:
        if remote.startswith("nas:"):
            raise NotOffsite(f"{remote}/{name} could not be told.")
        said[remote] = text

    monkeypatch.setattr(far, "told_far", tell)
    return said


@pytest.mark.parametrize(
    ("beside", "failure"),
    [
        (None, None),
        (State({"checksum": AT}).to_json(), None),
        (NOTHING_KNOWN.failed("restore", "It does not restore.", AT).to_json(), "It does not restore."),
        ("[", "vault:pg/b/verified.json, which tells whether proofs held, cannot be read: verify it by restore."),
        ("{}", "vault:pg/b/verified.json, which tells whether proofs held, cannot be read: verify it by restore."),
    ],
)
def test_what_was_told_is_read(beside: str | None, failure: str | None) -> None:
    assert far.failure_of("vault:pg", "b", FarDirectory("", beside)) == failure


def test_each_copy_is_told_and_who_was_not_is_named(told: dict[str, str | None]) -> None:
    failed = State({}, copies=COPIES).failed("restore", "It does not restore.", AT)
    [untold] = far.tell_all("b", failed)
    assert "nas:pg/b could not be told. Others take the copy there for a good one" in untold
    assert far.failure_of("vault:pg", "b", FarDirectory("", told["vault:pg"])) == "It does not restore."
    assert "nas:pg" not in str(told["vault:pg"])
    [untold] = far.tell_all("b", failed.held("restore", AT))
    assert "for no good one" in untold
    assert told == {"vault:pg": None}


@pytest.mark.parametrize(("level", "hears"), [("checksum", False), ("list", True), ("restore", True)])
def test_files_that_are_damaged_here_say_nothing_of_a_copy(
    told: dict[str, str | None], tmp_path: Path, level: str, hears: bool
) -> None:
    write_state(tmp_path, State({}, copies=COPIES))
    backup: Any = SimpleNamespace(directory=tmp_path, id="b")
    prover = prove.Prover(SimpleNamespace(), None, 1.0, None)  # type: ignore[arg-type]
    with pytest.raises(NotVerified, match=r"^No\.$"), prover._remembered(backup, level):
        raise NotVerified("No.")
    assert bool(told) == hears
    # Who could not be told is no part of the reason.
    assert ["nas:pg/b could not be told" in each for each in prover.warnings] == [True] * hears


@pytest.mark.parametrize("before", [None, "It did not restore."])
@pytest.mark.parametrize("holds", [True, False])
def test_a_drill_of_a_copy_tells_its_place(
    told: dict[str, str | None], monkeypatch: pytest.MonkeyPatch, before: str | None, holds: bool
) -> None:
    backup = manifest(database="shop")
    monkeypatch.setattr(rehearsing, "_latest", lambda _: fetching.Elsewhere(backup, before))
    found = SimpleNamespace(level="restore", sentence="3 rows, and 4 were backed up.")
    monkeypatch.setattr(rehearsing, "flaw", lambda *_: found)

    def checked(*_: Any) -> dict[str, Any]:
        if holds:
            return {"rows": 1}
        raise CheckFailed(found.sentence)

    monkeypatch.setattr(rehearsing.Rehearsed, "_checked", checked)
    given = {"repository": None, "offsite": "vault:pg", "database": "shop", "identity": None, "jobs": 1}
    drill = rehearsing.Rehearsed({**given, "system_identifier": None})
    if holds:
        drill.restore({}, Path("/fetched"))
        assert told == ({} if before is None else {"vault:pg": None})
        return
    with pytest.raises(CheckFailed):
        drill.restore({}, Path("/fetched"))
    assert far.failure_of("vault:pg", "b", FarDirectory("", told["vault:pg"])) == found.sentence
