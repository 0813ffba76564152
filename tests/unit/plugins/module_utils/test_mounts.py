"""Which file system is missing where data are to go, from what the host's files say."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._mounts import missing

FSTAB = """
# A comment, and what is no directory.
UUID=1 / ext4 defaults 0 1
UUID=2 none swap sw 0 0
UUID=3 {root}/srv ext4 defaults 0 2
UUID=4 {root}/srv/pg ext4 noauto 0 2
UUID=5 {root}/with\\040blank ext4 defaults 0 2
# UUID=6 {root}/not ext4 defaults 0 2
"""
MOUNTINFO = "{number} 1 8:1 / {where} rw,relatime shared:1 - ext4 /dev/sda1 rw\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "units").mkdir()
    (tmp_path / "units/data.mount").write_text(f"[Mount]\nWhat=/dev/sdb\nWhere={tmp_path}/unit\n")
    (tmp_path / "fstab").write_text(FSTAB.format(root=tmp_path))
    return tmp_path


def found(root: Path, place: str, *mounted: str) -> str | None:
    lines = [MOUNTINFO.format(number=number, where=where) for number, where in enumerate(("/", *mounted), 20)]
    (root / "mountinfo").write_text("".join(lines))
    absent = missing(root / place, root / "fstab", root / "units", root / "mountinfo")
    return None if absent is None else str(absent.mount.relative_to(root))


@pytest.mark.parametrize(
    ("place", "mounted", "absent"),
    [
        ("srv/pg/15/main", [], "srv/pg"),
        ("srv/pg", [], "srv/pg"),
        ("srv/pg/15/main", ["srv"], "srv/pg"),
        ("srv/pg/15/main", ["srv", "srv/pg"], None),
        # What is mounted nearer than that holds it.
        ("srv/pg/15/main", ["srv/pg/15"], None),
        ("srv/other", [], "srv"),
        ("srv/other", ["srv"], None),
        ("srvice/main", [], None),
        ("with blank/main", [], "with blank"),
        ("with blank/main", ["with\\040blank"], None),
        ("not/main", [], None),
        ("unit/main", [], "unit"),
        ("unit/main", ["unit"], None),
        ("elsewhere", [], None),
    ],
)
def test_what_is_missing(root: Path, place: str, mounted: list[str], absent: str | None) -> None:
    assert found(root, place, *(str(root / each) for each in mounted)) == absent


def test_a_link_is_followed(root: Path) -> None:
    (root / "link").symlink_to(root / "srv/pg")
    assert found(root, "link/15/main") == "srv/pg"


def test_the_sentence_names_place_and_way_out(root: Path) -> None:
    found(root, "srv/pg/main")
    absent = missing(root / "srv/pg/main", root / "fstab", root / "units", root / "mountinfo")
    assert absent is not None
    sentence = absent.sentence("/x")
    assert f"mount {root}/srv/pg" in sentence
    assert str(root / "fstab") in sentence


def test_a_host_without_such_files_lacks_nothing(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    assert missing(tmp_path, nothing, nothing, nothing) is None
