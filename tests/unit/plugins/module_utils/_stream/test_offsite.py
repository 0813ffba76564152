"""A copy is believed when a hash of the far end is ours; what rclone says otherwise fails it."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._stream.offsite import NotOffsite, copied

CONTENT = b"an archive" * 1000

# Keeps its files in a directory and says about them what the test wants.
RCLONE = """#!/usr/bin/env python3
import os, shutil, sys
verb, place = sys.argv[1], sys.argv[-1].replace(":", "/", 1)
place = os.path.join("{far}", place)
if verb == "copyto":
    os.makedirs(os.path.dirname(place), exist_ok=True)
    shutil.copy(sys.argv[-2], place)
elif verb == "lsjson":
    print('''{listing}''')
elif verb == "cat":
    sys.stdout.buffer.write(open(place, "rb").read()[{skipped}:])
sys.exit({code})
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(CONTENT)
    return path


def rclone(tmp_path: Path, patch: pytest.MonkeyPatch, listing: str, skipped: int = 0, code: int = 0) -> None:
    text = RCLONE.replace("{far}", str(tmp_path / "far")).replace("{listing}", listing)
    program = tmp_path / "bin/rclone"
    program.parent.mkdir()
    program.write_text(text.replace("{skipped}", str(skipped)).replace("{code}", str(code)))
    program.chmod(0o755)
    patch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


def listed(**hashes: str) -> str:
    return json.dumps([{"Name": "a.csv.gz", "Hashes": hashes}])


@pytest.mark.parametrize(
    ("hashes", "how"),
    [
        ({"SHA-1": hashlib.sha1(CONTENT).hexdigest(), "MD5": "0"}, "sha-1"),
        ({"sha256": hashlib.sha256(CONTENT).hexdigest().upper(), "md5": "0"}, "sha256"),
        ({"md5": hashlib.md5(CONTENT).hexdigest(), "whirlpool": "0"}, "md5"),
    ],
)
def test_the_strongest_hash_that_both_know(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hashes: dict[str, str], how: str
) -> None:
    rclone(tmp_path, monkeypatch, listed(**hashes))
    assert copied(file, "vault:a/b") == how
    assert (tmp_path / "far/vault/a/b/a.csv.gz").read_bytes() == CONTENT


@pytest.mark.parametrize("listing", [listed(), "[]", "not json", '[{"Hashes": null}]', listed(crc32="1")])
def test_without_one_it_is_read_back(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listing: str) -> None:
    rclone(tmp_path, monkeypatch, listing)
    assert "read back" in copied(file, "vault:")


def test_another_hash_fails(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rclone(tmp_path, monkeypatch, listed(md5="0" * 32))
    with pytest.raises(NotOffsite, match=r"vault:a.csv.gz holds something else"):
        copied(file, "vault:")


def test_other_content_fails(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rclone(tmp_path, monkeypatch, "[]", skipped=1)
    with pytest.raises(NotOffsite, match="holds something else"):
        copied(file, "vault:")


def test_what_rclone_refuses_is_told(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rclone(tmp_path, monkeypatch, "[]", code=3)
    with pytest.raises(NotOffsite, match="did not take the copy: rclone failed with exit code 3"):
        copied(file, "vault:")
