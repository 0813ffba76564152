"""Which copy is meant, by the manifests at the far end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import Manifest
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore import fetching
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._stream.offsite import FarDirectory
from tests.unit.plugins.module_utils._backup.backups import manifest

LATEST: dict[str, Any] = {"offsite": "vault:pg", "backup": "latest", "database": "shop"}


def numbered(number: int, started: str) -> Manifest:
    told = manifest(database="shop")
    return replace(told, id=f"{told.id[:-1]}{number}", number=number, started=started)


def chosen(monkeypatch: pytest.MonkeyPatch, *copies: Manifest, **options: Any) -> str:
    far = {each.id: FarDirectory(each.to_json()) for each in copies}
    monkeypatch.setattr(fetching, "far_directories", lambda *_: (far, []))
    return fetching.wanted({**LATEST, **options}, lambda _: True, lambda: None).manifest.id


def test_a_clock_that_was_wrong_once_makes_no_copy_the_latest_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    ahead, newest = numbered(1, "2099-01-01T00:00:00Z"), numbered(2, "2026-08-01T02:00:00Z")
    assert chosen(monkeypatch, ahead, newest) == newest.id
    assert chosen(monkeypatch, ahead, newest, backup=ahead.id) == ahead.id


def test_what_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused, match="vault:pg holds none that fits"):
        chosen(monkeypatch, numbered(1, "2026-08-01T02:00:00Z"), database="other")
