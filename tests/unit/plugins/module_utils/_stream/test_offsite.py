"""A copy is believed when a hash of the far end is ours; what rclone says otherwise fails it."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._stream.offsite import (
    FarDirectory,
    NotOffsite,
    copied,
    far_directories,
    remove_far,
    told_far,
    tree_copied,
)

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


# A remote in a directory: what rclone is asked for by backups, and no more.
TREE = """#!/usr/bin/env python3
import hashlib, json, os, pathlib, shutil, sys
verb, words = sys.argv[1], sys.argv[2:]
options = dict(word.split("=", 1) for word in words if word.startswith("--") and "=" in word)
paths = [word.replace(":", "/", 1) if not word.startswith("/") else word for word in words if word[0] != "-"]
far = pathlib.Path("{far}")
paths = [pathlib.Path(path) if path.startswith("/") else far / path for path in paths]
if verb == "copy" and "--files-from-raw" in options:
    for name in open(options["--files-from-raw"]).read().split():
        (paths[1] / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(paths[0] / name, paths[1] / name)
elif verb == "copy":
    if not paths[0].is_dir():
        sys.exit(3)
    for each in paths[0].glob("*/*"):
        if each.name in ("manifest.json", "said.json", "removing"):
            (paths[1] / each.parent.name).mkdir(exist_ok=True)
            shutil.copy(each, paths[1] / each.parent.name / each.name)
elif verb == "copyto":
    shutil.copy(paths[0], paths[1])
elif verb == "lsjson":
    place = paths[0] if paths[0].is_dir() else paths[0].parent
    found = [each for each in place.rglob("*") if each.is_file() and (paths[0].is_dir() or each == paths[0])]
    told = [{"Path": str(each.relative_to(place)),
             "Hashes": {"sha256": hashlib.sha256(each.read_bytes()).hexdigest()} if "{hashes}" else {}}
            for each in found]
    print(json.dumps(told))
elif verb == "cat":
    sys.stdout.buffer.write(paths[0].read_bytes())
elif verb == "rcat":
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    paths[0].write_text(sys.stdin.read())
elif verb == "delete":
    include, exclude = options.get("--include"), options.get("--exclude")
    for each in sorted(paths[0].rglob("*")):
        name = "/" + str(each.relative_to(paths[0]))
        if each.is_file() and (include is None or name == include) and name != exclude:
            if "{stops}" and name == "{stops}":
                sys.exit(1)
            each.unlink()
elif verb == "rmdirs":
    shutil.rmtree(paths[0])
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A directory to be copied, with its manifest."""
    place = tmp_path / "one"
    (place / "dump").mkdir(parents=True)
    for name in ("dump/1.dat", "globals.sql", "manifest.json"):
        (place / name).write_text(name)
    return place


def far_tree(tmp_path: Path, patch: pytest.MonkeyPatch, hashes: str = "yes", stops: str = "") -> Path:
    text = TREE.replace("{far}", str(tmp_path / "far")).replace("{hashes}", hashes).replace("{stops}", stops)
    program = tmp_path / "bin" / "rclone"
    program.parent.mkdir(exist_ok=True)
    program.write_text(text)
    program.chmod(0o755)
    patch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "far" / "vault" / "pg"


SIZES = {"dump/1.dat": 10, "globals.sql": 11, "manifest.json": 13}
SUMS = {name: hashlib.sha256(name.encode()).hexdigest() for name in SIZES}


@pytest.mark.parametrize(("hashes", "how"), [("yes", "sha256"), ("", "sha256 of what was read back")])
def test_a_tree_is_copied_and_compared(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hashes: str, how: str
) -> None:
    far = far_tree(tmp_path, monkeypatch, hashes)
    assert tree_copied(tree, SIZES, SUMS, "manifest.json", "vault:pg") == how
    assert {str(each.relative_to(far / "one")) for each in (far / "one").rglob("*") if each.is_file()} == set(SIZES)
    assert far_directories("vault:pg", "manifest.json", "said.json") == ({"one": FarDirectory("manifest.json")}, [])
    told_far("vault:pg", "one", "said.json", "no good")
    assert far_directories("vault:pg", "manifest.json", "said.json")[0]["one"].beside == "no good"
    told_far("vault:pg", "one", "said.json", None)
    assert far_directories("vault:pg", "manifest.json", "said.json")[0]["one"].beside is None


@pytest.mark.parametrize("hashes", ["yes", ""])
def test_what_was_altered_here_since_is_no_copy(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hashes: str
) -> None:
    far = far_tree(tmp_path, monkeypatch, hashes)
    (tree / "globals.sql").write_text("globals.sqk")
    with pytest.raises(NotOffsite, match=r"one/globals\.sql is not what was backed up any more"):
        tree_copied(tree, SIZES, SUMS, "manifest.json", "vault:pg")
    assert not (far / "one" / "manifest.json").exists()


def test_a_tree_that_does_not_arrive_is_told(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far_tree(tmp_path, monkeypatch)
    with pytest.raises(NotOffsite, match="did not take the copy"):
        tree_copied(tree, {**SIZES, "more": 1}, SUMS, "manifest.json", "vault:pg")


def test_what_is_removed_there_is_gone_or_marked(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far = far_tree(tmp_path, monkeypatch)
    tree_copied(tree, SIZES, SUMS, "manifest.json", "vault:pg")
    far_tree(tmp_path, monkeypatch, stops="/globals.sql")
    with pytest.raises(NotOffsite, match="could not be removed"):
        remove_far("vault:pg", "one", "manifest.json")
    assert far_directories("vault:pg", "manifest.json", "said.json") == ({}, ["one"])
    far_tree(tmp_path, monkeypatch)
    remove_far("vault:pg", "one", "manifest.json")
    assert not (far / "one").exists()


def test_a_remote_that_is_not_there_yet_holds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far_tree(tmp_path, monkeypatch)
    assert far_directories("vault:pg", "manifest.json", "said.json") == ({}, [])
