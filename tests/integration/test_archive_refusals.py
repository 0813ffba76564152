"""What cannot be done is refused with a sentence, before anything was changed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration import inside
from tests.integration.archives import HOME, Stage

KEY = "age1" + "q" * 58


def assert_refused(stage: Stage, ended: inside.Ended, *words: str) -> None:
    for word in words:
        assert word in ended.failure
    assert "\n" not in ended.failure
    assert "Traceback" not in ended.text
    assert not ended.result.get("changed")
    assert stage.partitions() == 2
    assert stage.comment() == "what its owner said"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"compression": "zstd"}, ["zstd is not installed", "package zstd"]),
        ({"recipients": [KEY]}, ["age is not installed", "package age"]),
        ({"offsite": f"{HOME}/far"}, ["rclone is not installed", "package rclone"]),
    ],
)
def test_a_missing_program_is_named_with_its_package(stage: Stage, options: dict[str, Any], words: list[str]) -> None:
    assert_refused(stage, stage.archive(path="/nowhere", **options), *words)
    assert_refused(stage, stage.archive(path="/nowhere", check=True, **options), *words)


@pytest.mark.parametrize(
    ("destination", "options", "words"),
    [
        ("/root/archive", {}, ["cannot be written to"]),
        ("/etc/hostname/archive", {}, ["is not a directory", "/etc/hostname"]),
        ("relative/path", {}, ["is not an absolute path"]),
        (f"{HOME}/archive", {"recipients": ["age1short"]}, ["not an age public key"]),
        (f"{HOME}/archive", {"recipients": [KEY]}, ["age does not take"]),
        (f"{HOME}/archive", {"offsite": ":s3,secret_access_key=hush:bucket"}, ["the name of a remote"]),
    ],
)
def test_what_cannot_be_done_as_asked(
    stage: Stage, destination: str, options: dict[str, Any], words: list[str]
) -> None:
    stage.destination = destination
    ended = stage.archive(**options)
    assert_refused(stage, ended, *words)


def test_a_secret_key_given_by_mistake_is_shown_to_nobody(stage: Stage) -> None:
    secret = "AGE-SECRET-KEY-1" + "Q" * 58
    ended = stage.archive(recipients=[secret])
    assert_refused(stage, ended, "secret key")
    assert secret not in ended.text


def test_too_little_room_is_told_in_numbers(stage: Stage) -> None:
    stage.psql(
        "INSERT INTO {table} (\"at\", data) SELECT '2001-06-01', decode(string_agg(md5(random()::text), ''), "
        "'hex') FROM generate_series(1, 400) n, generate_series(1, 3000) m GROUP BY n"
    )
    stage.destination = "/small/archive"
    assert_refused(stage, stage.archive(), "/small/archive has", "MB free and needs", "1 partition")


def test_rows_that_a_policy_hides_are_not_lost(stage: Stage) -> None:
    stage.psql("DROP ROLE IF EXISTS keeper")
    stage.psql("CREATE ROLE keeper LOGIN PASSWORD 'k'; GRANT ALL ON SCHEMA {schema} TO keeper")
    for name in (stage.table.full, *(f"{stage.table.schema}.{each}" for each in stage.table.partitions)):
        stage.psql(f"ALTER TABLE {name} OWNER TO keeper")
    stage.psql("ALTER TABLE {leaving} ENABLE ROW LEVEL SECURITY")
    stage.psql("ALTER TABLE {leaving} FORCE ROW LEVEL SECURITY")
    wish = {**stage.wish(), "login_user": "keeper", "login_password": "k", "login_host": "127.0.0.1"}
    ended = inside.run(stage.node, "pg_partition", wish)
    assert_refused(stage, ended, "row-level security", "BYPASSRLS")


# -- the way back ------------------------------------------------------------


def archived(stage: Stage, **options: Any) -> str:
    return str(stage.archive(**options).archived["file"])


def assert_not_restored(ended: inside.Ended, *words: str) -> None:
    for word in words:
        assert word in ended.failure
    assert "\n" not in ended.failure
    assert not ended.result.get("changed")


def test_a_damaged_archive_is_refused(stage: Stage) -> None:
    file = archived(stage)
    flip = (
        "import sys; f = open(sys.argv[1], 'r+b'); f.seek(900); b = f.read(1); f.seek(900); f.write(bytes([b[0] ^ 1]))"
    )
    stage.node.exec(["python3", "-c", flip, file])
    assert_not_restored(stage.restore(file), "is damaged", "another hash", "offsite copy")
    stage.node.exec(["truncate", "-s", "100", file])
    assert_not_restored(stage.restore(file), "is damaged", "100 bytes of")
    stage.node.exec(["rm", file])
    assert_not_restored(stage.restore(file), "cannot be read")
    assert not stage.stands()


def test_a_manifest_that_is_none_is_refused(stage: Stage) -> None:
    file = archived(stage)
    for text, words in (("{", "not JSON"), ("{}", "no manifest"), ('{"manifest": 9}', "later version")):
        stage.node.write(f"{file}.manifest.json", text, owner="postgres:postgres")
        assert_not_restored(stage.restore(file), words)
    stage.node.exec(["rm", f"{file}.manifest.json"])
    assert_not_restored(stage.restore(file), "belongs beside its archive")
    assert not stage.stands()


def test_an_encrypted_archive_wants_the_right_key(stage: Stage) -> None:
    public, identity = stage.keys
    file = archived(stage, recipients=[public])
    assert_not_restored(stage.restore(file), "is encrypted: give identity")
    assert_not_restored(stage.restore(file, identity="/nowhere"), "identity /nowhere cannot be read")
    stage.node.exec(["rm", "-f", "/tmp/another-identity"])
    stage.node.exec(["age-keygen", "-o", "/tmp/another-identity"], user="postgres")
    ended = stage.restore(file, identity="/tmp/another-identity")
    assert_not_restored(ended, "cannot be read", "age")
    assert not stage.stands()
    done = stage.restore(file, identity=identity)
    assert done.result["changed"]
    assert stage.node.exec(["cat", identity]).stdout.splitlines()[-1] not in done.text


def test_what_is_in_the_way_is_named(stage: Stage) -> None:
    file = archived(stage)
    stage.psql("CREATE TABLE {schema}.half PARTITION OF {table} FOR VALUES FROM ('2001-06-01') TO ('2001-07-01')")
    assert_not_restored(stage.restore(file), "half", "overlaps")
    stage.psql("DROP TABLE {schema}.half; CREATE TABLE {leaving} (a int)")
    assert_not_restored(stage.restore(file), "Something else is called")
    stage.psql("DROP TABLE {leaving}; CREATE TABLE {schema}.rest PARTITION OF {table} DEFAULT")
    stage.psql("INSERT INTO {table} (\"at\") VALUES ('2001-06-01')")
    assert_not_restored(stage.restore(file), "default partition", "1 rows")
    stage.psql("DROP TABLE {schema}.rest")
    stage.psql(
        "CREATE TABLE {leaving} PARTITION OF {table} FOR VALUES FROM ('2001-01-01 00:00+00') TO ('2002-01-01 00:00+00')"
    )
    assert_not_restored(stage.restore(file), "0 rows, the archive")


def test_changed_columns_are_named(stage: Stage) -> None:
    file = archived(stage)
    stage.psql("ALTER TABLE {table} DROP COLUMN flag, ADD COLUMN fresh int, ALTER ratio TYPE text")
    ended = stage.restore(file)
    assert_not_restored(ended, "flag is gone", "fresh is new", "ratio was double precision and is text")
    assert not stage.stands()


def test_a_restore_that_is_killed_is_ended_by_the_next(stage: Stage) -> None:
    whole = stage.content()
    file = archived(stage)
    points = ("._session:Session.fetch", "._copy:CopyConnection.fetch", "._copy:CopyConnection.copy_in")
    arguments = {"login_db": "archive", "file": file}
    for call in range(1 + stage.node.release % 3, 100, 3):
        ended = inside.run(stage.node, "pg_partition_restore", arguments, die=inside.Interrupt(points, call))
        if not ended.killed:
            break
        if stage.stands():
            done = stage.restore(file)
            assert not done.result.get("failed"), done.text
            assert stage.content() == whole
            stage.psql("ALTER TABLE {table} DETACH PARTITION {leaving}; DROP TABLE {leaving}")
    assert call > 20
    assert stage.content() == whole
