"""What is fetched from the archive to be looked at is there no longer than that."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._recovery import repository

# Higher than the kernel gives out.
NOBODY = 1 << 23


def test_what_a_killed_run_left_goes_and_what_another_one_is_at_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(repository, "account", lambda *_: None)
    left, busy, other = (
        tmp_path / name for name in (f"runbook-wal-{NOBODY}-abc", f"runbook-wal-{os.getppid()}-abc", "runbook-else")
    )
    for each in (left, busy, other):
        each.mkdir()
        (each / "00000001").touch()
    link = tmp_path / f"runbook-wal-{NOBODY}-link"
    link.symlink_to(other)
    with repository._scratch() as place:
        assert place.parent == tmp_path
        assert place.name.startswith(f"runbook-wal-{os.getpid()}-")
        assert not left.exists()
    assert not place.exists()
    assert [(each / "00000001").exists() for each in (busy, other)] == [True, True]
