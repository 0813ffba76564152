"""What leaves as an archive comes back as it was: every value, in every format, from every compression."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.archives import HOME, Stage

FAR = f"{HOME}/far"

WAYS = [
    ("csv", "none", False),
    ("csv", "gzip", True),
    ("csv", "zstd", False),
    ("binary", "none", True),
    ("binary", "gzip", False),
    ("binary", "zstd", True),
]


@pytest.mark.parametrize(("how", "compression", "encrypted"), WAYS)
def test_every_value_comes_back(stage: Stage, how: str, compression: str, encrypted: bool) -> None:
    public, identity = stage.keys
    whole, part = stage.content(), stage.content(stage.table.partitions[0])
    options: dict[str, Any] = {"format": how, "compression": compression, "recipients": [public] if encrypted else []}
    announced = stage.archive(check=True, **options)
    assert stage.content() == whole, "check mode changed something"
    done = stage.archive(**options)
    told = done.archived
    assert not stage.stands()
    assert done.result["diff"] == announced.result["diff"]
    assert told["rows"] == int(part.split("|")[0])
    assert told["verified"] == ("file" if encrypted else "content")

    again: dict[str, Any] = {"identity": identity} if encrypted else {}
    announced = stage.restore(told["file"], check=True, **again)
    assert not stage.stands(), "check mode changed something"
    back = stage.restore(told["file"], **again)
    assert back.result["changed"]
    assert back.result["diff"] == announced.result["diff"]
    assert stage.content() == whole
    assert stage.content(stage.table.partitions[0]) == part
    assert stage.comment() == "what its owner said"
    assert stage.psql("SELECT count(*) FROM pg_constraint WHERE conname LIKE 'runbook%'") == "0"
    once_more = stage.restore(told["file"], **again)
    assert once_more.result["changed"] is False


def test_files_are_for_their_owner_only_and_agree_with_their_manifest(stage: Stage) -> None:
    told = stage.archive(offsite=FAR).archived
    here, there = stage.files(), stage.files(FAR)
    assert len(here) == 2
    assert {each["mode"] for each in (*here.values(), *there.values())} == {"0o600"}
    assert stage.node.exec(["stat", "-c", "%a", stage.destination]).stdout.strip() == "700"
    assert here == there, "the offsite copy is another one"
    manifest = stage.manifest(told["file"])
    [file] = stage.visible()
    assert here[file]["sha256"] == manifest["file_sha256"] == told["file_sha256"]
    assert here[file]["size"] == manifest["file_bytes"] == told["file_bytes"]
    assert told["offsite"].startswith(FAR)


def test_the_statements_in_the_manifest_make_the_table_again(stage: Stage) -> None:
    columns = (
        "SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod) || attnotnull || attgenerated::text, ',' "
        "ORDER BY attnum) FROM pg_attribute WHERE attrelid = '{leaving}'::regclass AND attnum > 0 "
        "AND NOT attisdropped"
    )
    before = stage.psql(columns)
    told = stage.archive().archived
    for statement in stage.manifest(told["file"])["ddl"]:
        stage.psql(statement)
    assert stage.psql(columns) == before
    assert stage.psql("SELECT count(*) FROM pg_index WHERE indrelid = '{leaving}'::regclass") == "1"


def test_nothing_plain_is_written_when_encrypted(stage: Stage) -> None:
    public, _ = stage.keys
    stage.psql("UPDATE {table} SET \"select\" = 'tell nobody'")
    done = stage.archive(recipients=[public], compression="none")
    assert not stage.stands()
    searched = stage.node.exec(["grep", "-rl", "tell nobody", stage.destination, "/tmp"], check=False)
    assert searched.stdout == ""
    assert public not in done.text, "public keys are hidden as well, lest a secret one be shown"


def test_archiving_again_finds_the_same_rows_kept_and_writes_nothing_over_others(stage: Stage) -> None:
    first = stage.archive().archived
    stage.restore(first["file"])
    second = stage.archive().archived
    assert (second["file"], second["sha256"]) == (first["file"], first["sha256"])
    stage.restore(first["file"])
    stage.psql("DELETE FROM {leaving} WHERE flag")
    third = stage.archive().archived
    assert third["file"] != first["file"]
    assert third["rows"] < first["rows"]
    assert len(stage.visible()) == 2


def test_memory_stays_flat(stage: Stage) -> None:
    stage.psql(
        'INSERT INTO {table} ("at", "select") '
        "SELECT '2001-06-01', repeat(md5(n::text), 600) FROM generate_series(1, 10000) n"
    )
    done = stage.archive(compression="zstd")
    told = done.archived
    assert told["bytes"] > 190_000_000
    assert done.kilobytes < 100_000
    back = stage.restore(told["file"])
    assert back.result["changed"]
    assert back.kilobytes < 100_000
