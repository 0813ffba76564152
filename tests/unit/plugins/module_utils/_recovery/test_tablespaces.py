"""Tablespaces that are to have directories of their own: which, where, and what speaks against it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._recovery.place import Place
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.tablespaces import (
    Spot,
    Tablespace,
    moves,
    read,
    spot,
)

MANIFEST = """\
[backup]
backup-label="20261130-020000F"

[backup:target]
pg_data={"path":"/var/lib/postgresql/15/main","type":"path"}
pg_tblspc/16385={"path":"/srv/fast","tablespace-id":"16385","tablespace-name":"fa\\"st=1","type":"link"}
pg_tblspc/16386={"path":"/srv/slow","tablespace-id":"16386","tablespace-name":"slow","type":"link"}

[target:file]
pg_data/PG_VERSION={"checksum":"ad55","size":3,"timestamp":1}
pg_tblspc/16385/PG_15_202209061/5/16400={"checksum":"ad55","reference":"x","size":8192,"timestamp":1}
pg_tblspc/16385/PG_15_202209061/5/16401={"size":100,"timestamp":1}
pg_tblspc/16386/PG_15_202209061/5/16402={"timestamp":1}

[target:link]
pg_data/pg_tblspc/16385={"destination":"/srv/fast"}
"""
FAST, SLOW = Tablespace("16385", 'fa"st=1', 8292), Tablespace("16386", "slow", 0)
KNOWN = (FAST, SLOW)
PLACE = Place(15, "main", Path("/var/lib/postgresql/15/main"))
DATA = Spot(1, 1 << 30)
HERE = Spot(1, 1 << 30, filled=False)
# A disk of its own.
THERE = Spot(2, 9000)


def test_what_the_manifest_tells() -> None:
    assert read(MANIFEST) == KNOWN
    assert read("[backup:target]\npg_data={}\n") == ()


def test_by_name_or_by_oid_and_what_goes_to_another_disk() -> None:
    found = moves({'fa"st=1': "/mnt/a", "16386": "/mnt/b"}, KNOWN, PLACE, DATA, {"/mnt/a": THERE, "/mnt/b": HERE}, ())
    assert found.refusals == ()
    assert found.by_oid == {"16385": "/mnt/a", "16386": "/mnt/b"}
    assert found.by_name == {'fa"st=1': "/mnt/a", "slow": "/mnt/b"}
    assert found.bytes_elsewhere == 8292


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"quick": "/mnt/a"}, "'quick', which the backup has not; it has fa\"st=1 (16385), slow (16386)."),
        ({"slow": "/mnt/a", "16386": "/mnt/b"}, "tablespace slow twice"),
        ({"slow": "mnt/a"}, "'mnt/a', which is no whole path"),
        ({"slow": "/mnt/../a"}, "which is no whole path"),
        ({"slow": "/mnt"}, "two levels deep"),
        ({"slow": "/mnt/a\nb"}, "which is no whole path"),
        ({"slow": "/var/lib/postgresql/15/main/ts"}, "outside of the data"),
        ({"slow": "/var/lib/postgresql/15/main.recovery"}, "outside of the data"),
        ({"slow": "/var/lib"}, "outside of the data"),
        ({"slow": "/mnt/a", "16385": "/mnt/a"}, "not apart from each other"),
        ({"slow": "/mnt/a", "16385": "/mnt/a/b"}, "not apart from each other"),
        ({"slow": "/mnt/full"}, "/mnt/full is not empty"),
        ({"16385": "/mnt/small"}, 'has 1000 bytes free, and tablespace fa"st=1 needs 8.1 KiB there'),
    ],
)
def test_what_cannot_be_its_directory_is_refused(given: Mapping[str, str], words: str) -> None:
    spots = dict.fromkeys(given.values(), HERE) | {
        "/mnt/full": Spot(1, 1, filled=True),
        "/mnt/small": Spot(3, 1000),
    }
    found = moves(given, KNOWN, PLACE, DATA, spots, ())
    assert words in " ".join(found.refusals)
    assert all(each.endswith(".") for each in found.refusals)


def test_what_a_killed_run_has_filled_is_gone_on_with() -> None:
    filled = {"/mnt/a": Spot(3, 0, filled=True)}
    assert (
        moves(
            {
                "slow": "/mnt/a",
            },
            KNOWN,
            PLACE,
            DATA,
            filled,
            {"/mnt/a"},
        ).refusals
        == ()
    )
    assert moves({"16385": "/mnt/a"}, KNOWN, PLACE, DATA, filled, {"/mnt/a"}).refusals == ()


def test_what_is_at_a_directory(tmp_path: Path) -> None:
    assert spot(tmp_path).filled is False
    assert spot(tmp_path / "a/b").filled is None
    (tmp_path / "file").touch()
    assert (spot(tmp_path).filled, spot(tmp_path / "file").filled) == (True, True)
    assert spot(tmp_path).free_bytes > 0
