"""Where the steps of a backup's run go that lead elsewhere."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical import apply
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.plan import Clear
from ansible_collections.runbook.postgres.plugins.module_utils._stream.offsite import below

LEFT = "shop-all-20260801T020000Z-0a1b2c"


@pytest.mark.parametrize("remote", ["secret:", "vault:pg/backups", "/mnt/far", "/mnt/far/"])
def test_what_was_half_removed_is_cleared_away_by_its_name(monkeypatch: pytest.MonkeyPatch, remote: str) -> None:
    gone = []
    monkeypatch.setattr(apply, "remove_far", lambda *where: gone.append(where[:2]))
    wanted: Any = SimpleNamespace(offsite=SimpleNamespace(remote=remote))
    anything: Any = None
    run = apply.Apply(wanted, anything, anything, anything, "shop")
    run.carry_out(SimpleNamespace(changes=(Clear(below(remote, LEFT)),)))  # type: ignore[arg-type]
    assert gone == [(remote, LEFT)]
