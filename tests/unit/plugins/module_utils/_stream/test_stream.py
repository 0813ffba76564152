"""What goes into a file comes out of it, and what fails on the way leaves nothing behind."""

from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._stream.reading import (
    Unreadable,
    hash_of,
    opened,
)
from ansible_collections.runbook.postgres.plugins.module_utils._stream.writing import Pipeline, pipeline

SLOW = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def written(path: Path, portions: list[bytes], compression: str = "none", recipients: tuple[str, ...] = ()) -> Pipeline:
    with pipeline(path, compression, recipients) as through:
        for each in portions:
            through.plain.write(each)
        through.plain.close()
    return through


def read_back(path: Path, compression: str, identity: Path | None = None) -> bytes:
    held = []
    with opened(path, compression, identity) as content:
        while True:
            data = content.read(1000)
            if not data:
                break
            held.append(data)
        content.finish()
    return b"".join(held)


@SLOW
@given(portions=st.lists(st.binary(max_size=5000), max_size=5))
@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_there_and_back(portions: list[bytes], compression: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.unlink(missing_ok=True)
    through = written(path, portions, compression)
    plain = b"".join(portions)
    assert read_back(path, compression) == plain
    assert (through.plain.bytes, through.plain.sha256) == (len(plain), hashlib.sha256(plain).hexdigest())
    assert hash_of(path) == (through.packed.bytes, through.packed.sha256)
    assert path.stat().st_mode & 0o777 == 0o600


def test_gzip_is_what_others_read_and_the_same_each_time(tmp_path: Path) -> None:
    written(tmp_path / "a", [b"rows" * 1000], "gzip")
    written(tmp_path / "b", [b"rows" * 500, b"rows" * 500], "gzip")
    assert gzip.decompress((tmp_path / "a").read_bytes()) == b"rows" * 1000
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine")
    with pytest.raises(Problem, match="does not take the file: File exists"):
        written(tmp_path / "a", [b"x"])
    assert (tmp_path / "a").read_text() == "mine"


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Problem, match="does not take the file"):
        written(tmp_path / "a", [b"x"])
    assert not (tmp_path / "elsewhere").exists()


def program(place: Path, name: str, text: str) -> None:
    path = place / name
    path.write_text(text)
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("import sys; sys.stdin.buffer.read(); sys.exit('no such key')", "exit code 1: no such key"),
        ("import os; os.close(0); os.write(2, b'full'); os._exit(3)", "exit code 3: full"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ended by signal SIGKILL"),
    ],
)
def test_a_program_that_fails_fails_the_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, words: str
) -> None:
    program(tmp_path, "age", f"#!/usr/bin/env python3\n{script}\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(ProgramFailed, match=words):
        written(tmp_path / "a", [b"x" * 100_000] * 20, "none", ("age1x",))
    assert not (tmp_path / "a").exists()


def test_a_missing_program_names_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused, match="package zstd"):
        written(tmp_path / "a", [b"x"], "zstd")
    assert not (tmp_path / "a").exists()


def written_to_full_disk(path: Path) -> None:
    with pipeline(path, "none", ["k"]) as through:
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, through.packed._onward._descriptor)  # type: ignore[union-attr]
        os.close(full)
        for _ in range(100):
            through.plain.write(b"x" * 100_000)
        through.plain.close()


def test_a_full_disk_behind_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/dev/full is one for real; what the program does afterwards is not the reason."""
    program(
        tmp_path,
        "age",
        "#!/usr/bin/env python3\nimport shutil, sys\nshutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)\n",
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    with pytest.raises(Problem, match="No space left on device"):
        written_to_full_disk(tmp_path / "a")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize("damage", ["cut", "longer", "other"])
def test_a_damaged_file_is_noticed(tmp_path: Path, compression: str, damage: str) -> None:
    path = tmp_path / "a"
    written(path, [os.urandom(50_000)], compression)
    data = path.read_bytes()
    path.write_bytes({"cut": data[:-20], "longer": data + b"more", "other": b"x" + data[1:]}[damage])
    with pytest.raises((Unreadable, ProgramFailed)):
        read_back(path, compression)
