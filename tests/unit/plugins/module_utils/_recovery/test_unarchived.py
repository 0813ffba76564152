"""What is left on a dying disk is brought as far as it can be read, and where that ends is said."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._recovery import host, unarchived
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.catalogue import Segment, Stanza
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.place import Place

NAMES = [f"00000001000000000000000{number}" for number in range(1, 6)]
HISTORY = "00000001.history"
# Reading its beginning is an error of the kernel's, as of a disk: nothing is mapped there.
UNREADABLE = Path("/proc/self/mem")


FIRST = Segment("000000010000000000000001")


def content(name: str, address: int | None = None, timeline: int | None = None) -> bytes:
    """As its first page begins, here or as it did when that file was another one."""
    if len(name) != 24:
        return name.encode()
    segment = Segment(name)
    at = segment.number * segment.bytes if address is None else address
    return struct.pack("=HHIQ", 0xD110, 2, timeline or segment.timeline, at) + name.encode()


def known(last: str | None) -> Stanza:
    return Stanza(
        "demo", "1", "15", (), None if last is None else Segment(last), None if last is None else Segment(last)
    )


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr("shutil.chown", lambda *_: None)
    found = Place(15, "main", tmp_path / "main")
    status = found.data / "pg_wal/archive_status"
    status.mkdir(parents=True)
    (found.restored / "pg_wal").mkdir(parents=True)
    for name in (*NAMES, HISTORY):
        (found.data / "pg_wal" / name).write_bytes(content(name))
    (status / f"{HISTORY}.ready").touch()
    return found


def brought(place: Place) -> list[str]:
    wal = place.restored / "pg_wal"
    names = sorted(each.name for each in wal.iterdir())
    assert all((wal / name).read_bytes() == content(name) for name in names)
    return names


def spoil(place: Place, name: str) -> None:
    path = place.data / "pg_wal" / name
    path.unlink()
    path.symlink_to(UNREADABLE)


def test_what_the_archive_lacks_is_brought(place: Place) -> None:
    (place.data / f"pg_wal/archive_status/{NAMES[0]}.ready").touch()
    assert unarchived.keep_wal(place, known(NAMES[2]), FIRST) == []
    assert brought(place) == [HISTORY, NAMES[0], *NAMES[3:]]
    assert unarchived.keep_wal(place, known(None), FIRST) == []
    assert brought(place) == [HISTORY, *NAMES]


def test_it_ends_at_the_first_segment_that_cannot_be_read(place: Place) -> None:
    spoil(place, NAMES[3])
    [sentence] = unarchived.keep_wal(place, known(NAMES[1]), FIRST)
    assert f"WAL from {NAMES[3]} on could not be read" in sentence
    assert "Input/output error" in sentence
    assert brought(place) == [HISTORY, NAMES[2]]


def test_a_history_that_cannot_be_read_keeps_no_segment_back(place: Place) -> None:
    spoil(place, HISTORY)
    [sentence] = unarchived.keep_wal(place, known(NAMES[3]), FIRST)
    assert sentence.startswith(f"{HISTORY} could not be read")
    assert brought(place) == [NAMES[4]]


def test_a_directory_that_gives_nothing_out_is_told_and_is_no_failure(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_path: Path) -> Iterator[Path]:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "iterdir", broken)
    assert "could not be read (Input/output error)" in unarchived.keep_wal(place, known(None), FIRST)[0]
    # There is something, whatever it is, and it is moved aside as it is.
    found = host.data_in(place)
    assert found is not None
    assert (found.control, found.segments) == (None, ())


def test_no_room_for_it_is_no_disk_that_cannot_be_read(place: Place) -> None:
    """The run ends and says so; there would be more, if there were room."""
    target = place.restored / "pg_wal" / NAMES[0]
    target.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        unarchived.keep_wal(place, known(None), FIRST)


def test_what_is_gone_when_it_is_read_leaves_nothing(place: Place) -> None:
    path = place.data / "pg_wal" / NAMES[4]
    path.unlink()
    path.symlink_to(place.data / "nowhere")
    assert unarchived.keep_wal(place, known(NAMES[3]), FIRST) == []
    assert brought(place) == [HISTORY]


def test_of_a_timeline_before_the_archives_last_what_is_not_marked_as_archived_is_brought(place: Place) -> None:
    for name in NAMES[:4]:
        (place.data / f"pg_wal/archive_status/{name}.done").touch()
    assert unarchived.keep_wal(place, known("000000020000000000000002"), FIRST) == []
    assert brought(place) == [HISTORY, NAMES[4]]


@pytest.mark.parametrize("head", [b"", b"\0" * 40, content(NAMES[3], 0x100_0000), content(NAMES[3], timeline=2)])
def test_what_waits_to_be_used_again_is_not_brought(place: Place, head: bytes) -> None:
    """It has the name of what would come next, and holds what was there long ago, or nothing yet."""
    for name in NAMES[3:]:
        (place.data / "pg_wal" / name).write_bytes(head)
    assert unarchived.keep_wal(place, known(NAMES[1]), FIRST) == []
    assert brought(place) == [HISTORY, NAMES[2]]
    assert unarchived.bytes_waiting(place, known(NAMES[1]), FIRST) == FIRST.bytes
    found = host.data_in(place)
    assert found is not None
    assert found.segments == tuple(NAMES[:3])


def test_a_timeline_begins_with_a_copy_of_the_one_before(place: Place) -> None:
    name = "00000002" + NAMES[4][8:]
    (place.data / "pg_wal" / name).write_bytes(content(NAMES[4]))
    assert unarchived.waiting(place.data / "pg_wal", known(NAMES[4]), FIRST) == ([HISTORY, name], [])


def test_what_comes_behind_a_damaged_one_is_told_and_not_brought(place: Place) -> None:
    (place.data / "pg_wal" / NAMES[2]).write_bytes(b"\0" * 40)
    [sentence] = unarchived.keep_wal(place, known(NAMES[0]), FIRST)
    assert f"{NAMES[2]} in {place.data}/pg_wal does not hold the WAL that its name says" in sentence
    assert brought(place) == [HISTORY, NAMES[1]]


def test_what_comes_before_the_backup_is_not_brought(place: Place) -> None:
    assert unarchived.keep_wal(place, known(None), Segment(NAMES[3])) == []
    assert brought(place) == [HISTORY, *NAMES[3:]]
    # Where the archive has a later timeline nobody knows of the marks.
    assert unarchived.bytes_waiting(place, known("000000020000000000000001"), Segment(NAMES[4])) == FIRST.bytes
