"""When the guides have something run, systemd understands it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.checkout import ROOT
from tests.integration.servers import Server

CALENDAR = re.compile(r"^\s+calendar: (?P<quote>\"?)(?P<when>.+)(?P=quote)$", re.MULTILINE)
GUIDES = sorted(path for path in (ROOT / "docs/docsite/rst").glob("*.rst") if "calendar:" in path.read_text())


def test_there_are_some() -> None:
    assert {path.stem for path in GUIDES} >= {"guide_backup_walkthrough", "guide_recovery", "guide_partitions"}


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_each_is_one(server: Server, path: Path) -> None:
    found = [each["when"] for each in CALENDAR.finditer(path.read_text())]
    assert found
    done = server.node.exec(["systemd-analyze", "calendar", "--", *found], check=False)
    assert done.returncode == 0, done.stderr
    # None of them only in the past.
    assert done.stdout.count("Next elapse: ") == len(found)
