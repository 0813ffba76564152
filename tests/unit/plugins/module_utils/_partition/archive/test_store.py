"""Names of archives, and what of the option is refused before a server is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.store import (
    Store,
    manifest_of,
    read_store,
)
from ansible_collections.runbook.postgres.plugins.module_utils._stream.placing import partial_of

KEY = "age1" + "q" * 58
OPTION: dict[str, Any] = {
    "destination": "/srv/archive",
    "format": "csv",
    "compression": "gzip",
    "recipients": [],
    "offsite": None,
}


@pytest.mark.parametrize(
    ("changed", "ending"),
    [
        ({}, ".csv.gz"),
        ({"compression": "none"}, ".csv"),
        ({"format": "binary", "compression": "zstd"}, ".pgcopy.zst"),
        ({"recipients": [KEY]}, ".csv.gz.age"),
    ],
)
def test_the_ending_tells_how_to_read_it(changed: dict[str, Any], ending: str) -> None:
    store = read_store("t", {**OPTION, **changed})
    assert store is not None
    assert store.ending == ending


@given(st.text(min_size=1, max_size=63), st.text(max_size=63))
def test_any_name_makes_a_safe_file(partition: str, schema: str) -> None:
    store = Store(Path("/srv"))
    stem = store.stem(schema, "s.t", partition, "FOR VALUES FROM (1) TO (2)")
    file = store.file(stem)
    assert file.parent == Path("/srv")
    assert file.name.isascii()
    assert not file.name.startswith((".", "-"))
    assert len(manifest_of(file).name) < 200
    assert partial_of(file).name.startswith(".")


@given(st.lists(st.text(max_size=8), min_size=4, max_size=4), st.lists(st.text(max_size=8), min_size=4, max_size=4))
def test_another_partition_has_another_file(one: list[str], other: list[str]) -> None:
    store = Store(Path("/srv"))
    assert (store.stem(*one) == store.stem(*other)) == (one == other) or "\0" in "".join(one + other)


def test_a_second_archive_of_other_rows_goes_beside_the_first() -> None:
    assert Store(Path("/srv")).file("a-1", 2) == Path("/srv/a-1-2.csv.gz")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"destination": "here"}, "absolute path"),
        ({"recipients": ["age1"]}, "not an age public key"),
        ({"recipients": [KEY + "\n-o /etc/passwd"]}, "not an age public key"),
        ({"recipients": ["--version"]}, "not an age public key"),
        ({"recipients": ["age-secret-key-1qqq"]}, "secret key"),
        ({"offsite": ":s3,secret_access_key=x:bucket"}, "name of a remote"),
        ({"offsite": "s3,secret_access_key=x:bucket"}, "name of a remote"),
        ({"offsite": "--config=x:y"}, "name of a remote"),
        ({"offsite": "relative/path"}, "name of a remote"),
    ],
)
def test_what_is_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=words):
        read_store("t", {**OPTION, **changed})


@pytest.mark.parametrize("offsite", ["vault:postgres/a", "vault:", "/mnt/far", "my-vault_2:a b"])
def test_remotes_by_name_and_directories(offsite: str) -> None:
    store = read_store("t", {**OPTION, "offsite": offsite})
    assert store is not None
    assert store.offsite == offsite


def test_no_option_is_no_store() -> None:
    assert read_store("t", None) is None
