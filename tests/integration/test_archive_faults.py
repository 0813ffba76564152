"""Whatever happens while a partition is archived: its rows are in a table or in a verified file, and go on."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration import inside
from tests.integration.archives import HOME, Stage

SESSION = "._session:Session.fetch"

# Each statement, each call that changes a file, each portion and each program.
POINTS = (
    SESSION,
    "._copy:CopyConnection.fetch",
    "._copy:CopyConnection.copy_out",
    "._stream.writing:FileSink.write",
    "._stream.writing:FileSink.close",
    "._command:Program.__init__",
    "os:fsync",
    "os:rename",
    "pathlib:Path.rename",
    "pathlib:Path.unlink",
    "pathlib:Path.mkdir",
)


def assert_nothing_is_lost(stage: Stage, whole: str, part: str, sha256: str) -> None:
    """Seen from outside: what looks like an archive is one, and rows are in a table or in an archive."""
    files = stage.files() if stage.node.exec(["test", "-d", stage.destination], check=False).returncode == 0 else {}
    kept = [name for name in files if not name.startswith(".") and not name.endswith(".manifest.json")]
    for name in kept:
        told = stage.manifest(f"{stage.destination}/{name}")
        assert (files[name]["sha256"], files[name]["size"]) == (told["file_sha256"], told["file_bytes"])
        assert told["sha256"] == sha256
    if stage.partitions() == 2:
        assert stage.content() == whole
    elif stage.stands():
        assert stage.content(stage.table.partitions[0]) == part
        assert stage.comment().startswith("runbook.postgres: detached from ")
    else:
        assert kept, "the table is gone and there is no archive"


def assert_the_next_run_ends_it(stage: Stage, sha256: str, **archive: Any) -> None:
    done = stage.archive(**archive)
    assert not done.result.get("failed"), done.text
    assert not stage.stands()
    assert [name for name in stage.files() if name.endswith(".partial")] == []
    [file] = stage.visible()
    assert stage.manifest(f"{stage.destination}/{file}")["sha256"] == sha256
    assert stage.archive(**archive).result["changed"] is False


def expected(stage: Stage) -> str:
    sha256 = str(stage.archive().archived["sha256"])
    stage.clear()
    return sha256


def test_killed_anywhere_the_next_run_goes_on(stage: Stage) -> None:
    sha256 = expected(stage)
    whole, part = stage.content(), stage.content(stage.table.partitions[0])
    places = set()
    # The releases share the points: together they take each one, until a run gets through.
    for call in itertools.count(1 + stage.node.release % 3, 3):
        ended = inside.run(stage.node, "pg_partition", stage.wish(), die=inside.Interrupt(POINTS, call))
        if not ended.killed:
            break
        places.add((stage.partitions(), stage.stands(), len(stage.visible()) if stage.partitions() == 1 else 0))
        assert_nothing_is_lost(stage, whole, part, sha256)
        if stage.partitions() == 1:
            assert_the_next_run_ends_it(stage, sha256)
            stage.clear()
    assert not ended.result.get("failed"), ended.text
    # Attached; detached without and with an archive; gone.
    assert {(2, True, 0), (1, True, 0), (1, True, 1)} <= places


def full_disk(stage: Stage) -> None:
    stage.destination = "/small/archive"
    # Small as a table and large as a file: what is too large as a table is refused beforehand.
    stage.psql(
        'INSERT INTO {table} ("at", "select") '
        "SELECT '2001-06-01', repeat('compressible', 5000) FROM generate_series(1, 500)"
    )


def test_a_disk_that_fills_up_half_way(stage: Stage) -> None:
    full_disk(stage)
    part = stage.content(stage.table.partitions[0])
    ended = stage.archive(compression="none")
    assert "No space left on device" in ended.failure
    assert stage.files() == {}
    assert stage.content(stage.table.partitions[0]) == part
    done = stage.archive(compression="gzip")
    assert done.result["tables"][0]["dropped"], done.text
    assert len(stage.visible()) == 1


def terminated(stage: Stage) -> None:
    stage.psql(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE query LIKE 'COPY%'"
        if stage.cluster.version >= 14
        else "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%'"
    )


def age_killed(stage: Stage) -> None:
    [pid] = stage.node.exec(["pgrep", "-x", "age"]).stdout.split()
    stage.node.exec(["kill", "-9", pid])


def destination_gone(stage: Stage) -> None:
    stage.node.exec(["rm", "-rf", stage.destination])


def bits_flipped(stage: Stage) -> None:
    [name] = [each for each in stage.files() if each.endswith(".partial")]
    done = (
        "import sys; f = open(sys.argv[1], 'r+b'); f.seek(500); b = f.read(1); f.seek(500); f.write(bytes([b[0] ^ 1]))"
    )
    stage.node.exec(["python3", "-c", done, f"{stage.destination}/{name}"])


def archive_shortened(stage: Stage) -> None:
    [name] = stage.visible()
    stage.node.exec(["truncate", "-s", "-1", f"{stage.destination}/{name}"])


def row_added(stage: Stage) -> None:
    stage.psql('INSERT INTO {leaving} ("at", "the ""id"" %s; --") VALUES (\'2001-01-01\', -1)')


FAULTS: list[tuple[Callable[[Stage], None], str, str]] = [
    (terminated, "._stream.writing:FileSink.write", "closed the connection"),
    (age_killed, "._stream.writing:Through.write", "age"),
    (destination_gone, "._partition.archive.archiver:verify", "No such file"),
    (bits_flipped, "._partition.archive.archiver:verify", "is not what was written"),
    (archive_shortened, "._partition.archive.archiver:Archiver._drop", "is not any more what was verified"),
    (destination_gone, "._partition.archive.archiver:Archiver._drop", "No such file"),
    (row_added, "._partition.archive.archiver:Archiver._drop", "written to after it was archived"),
]


@pytest.mark.parametrize(("act", "place", "words"), FAULTS, ids=[f"{act.__name__}-{at[-8:]}" for act, at, _ in FAULTS])
def test_a_fault_keeps_the_partition(stage: Stage, act: Callable[[Stage], None], place: str, words: str) -> None:
    public, _ = stage.keys
    stage.options = {"recipients": [public] if act is age_killed else [], "compression": "none"}
    # More than one portion, so that the first is written while the server still copies.
    stage.psql(
        "INSERT INTO {table} (\"at\", \"select\") SELECT '2001-06-01', string_agg(md5(n * m + 0.5 || ''), '') "
        "FROM generate_series(1, 3000) n, generate_series(1, 40) m GROUP BY n"
    )
    with inside.held(stage.node, "pg_partition", stage.wish(), inside.Interrupt((place,))) as held:
        act(stage)
        content = stage.content(stage.table.partitions[0])
        ended = held.finish()
    assert words in ended.failure
    assert ended.failure.count("\n") == 0
    assert stage.content(stage.table.partitions[0]) == content
    assert stage.comment().startswith("runbook.postgres: detached from ")
    if (
        act is not archive_shortened
        and act is not row_added
        and stage.node.exec(["test", "-d", stage.destination], check=False).returncode == 0
    ):
        assert stage.visible() == []
    done = stage.archive()
    assert not done.result.get("failed"), done.text
    assert not stage.stands()
    told = done.archived
    again: dict[str, Any] = {"identity": stage.keys[1]} if stage.options["recipients"] else {}
    assert stage.restore(told["file"], **again).result["changed"]
    assert stage.content(stage.table.partitions[0]) == content


@pytest.mark.parametrize("place", ["_archive", "_drop"])
def test_what_was_attached_again_is_left_as_it_is(stage: Stage, place: str) -> None:
    """Somebody wants it back after all, and finds no row missing."""
    content = stage.content()
    at = inside.Interrupt((f"._partition.archive.archiver:Archiver.{place}",))
    with inside.held(stage.node, "pg_partition", stage.wish(), at) as held:
        ends = "FROM ('2001-01-01 00:00+00') TO ('2002-01-01 00:00+00')"
        stage.psql(f"ALTER TABLE {{table}} ATTACH PARTITION {{leaving}} FOR VALUES {ends}")
        ended = held.finish()
    assert "somebody attached, renamed or commented it meanwhile" in ended.failure
    assert stage.content() == content
    # It is past its time still, and the next run goes by that.
    done = stage.archive()
    assert not done.result.get("failed"), done.text
    assert not stage.stands()
    stage.restore(done.archived["file"])
    assert stage.content() == content


def test_a_second_run_is_refused_while_the_first_goes_on(stage: Stage) -> None:
    place = inside.Interrupt(("._partition.archive.archiver:verify",))
    with inside.held(stage.node, "pg_partition", stage.wish(), place) as held:
        second = stage.archive()
        assert "another run" in second.failure
        assert not second.result.get("changed")
        first = held.finish()
    assert not first.result.get("failed"), first.text
    assert not stage.stands()


def test_a_remote_that_fails_keeps_the_partition(stage: Stage) -> None:
    ended = stage.archive(offsite="nowhere:at/all")
    assert "nowhere:at/all" in ended.failure
    assert stage.stands()
    # The archive here is whole and is not written again.
    [before] = stage.visible()
    made = stage.files()[before]
    far = f"{HOME}/far"
    done = stage.archive(offsite=far)
    assert done.archived["offsite"].startswith(far)
    assert stage.files()[before] == made
    assert not stage.stands()


def test_a_remote_without_hashes_is_read_back(stage: Stage) -> None:
    """An encrypting remote keeps none."""
    obscured = stage.node.exec(["rclone", "obscure", "a passphrase of a test"]).stdout.strip()
    config = f"[vault]\ntype = crypt\nremote = {HOME}/far\npassword = {obscured}\n"
    stage.node.exec(["install", "-d", "-o", "postgres", "-m", "0700", f"{HOME}/.config", f"{HOME}/.config/rclone"])
    stage.node.write(f"{HOME}/.config/rclone/rclone.conf", config, owner="postgres:postgres", mode="0600")
    try:
        done = stage.archive(offsite="vault:events")
        assert "read back" in str(done.archived["offsite"])
        assert "passphrase" not in done.text
        assert obscured not in done.text
    finally:
        stage.node.exec(["rm", "-f", f"{HOME}/.config/rclone/rclone.conf"])
