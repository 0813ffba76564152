"""What becomes of a file of settings, as a table of what was found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._files import File
from ansible_collections.runbook.postgres.plugins.module_utils._instance.settings import (
    FileEntry,
    Live,
    Running,
    SettingsPlan,
    overridden,
    plan,
    refuse_what_cannot_start,
    rejected,
    wanted_file,
)

PATH = Path("/etc/postgresql/15/main/conf.d/runbook.conf")
AUTO = "/var/lib/postgresql/15/main/postgresql.auto.conf"
SIZES = {"1GB": "131072", "1024MB": "131072", "2GB": "262144"}
STOPPED = None


def reading(name: str, value: str) -> str:
    """A server that knows some sizes and switches."""
    if value == "nonsense":
        raise Refused(f"{name}: nonsense")
    return {**SIZES, "true": "on", "on": "on"}.get(value, value)


def file(settings: dict[str, str]) -> File:
    return wanted_file(PATH, settings)


def running(
    *pending: str, stale: bool = False, files: tuple[FileEntry, ...] = (), live: dict[str, Live] | None = None
) -> Running:
    return Running(live or {}, files, pending, stale)


def planned(
    settings: dict[str, str],
    found: File | None,
    overrides: dict[str, str] | None = None,
    server: Running | None = STOPPED,
) -> SettingsPlan:
    return plan(file(settings), settings, found, overrides or {}, server, reading)


def test_nothing_is_done_to_what_is_as_wanted() -> None:
    result = planned({"a": "1"}, file({"a": "1"}), server=running())
    assert not result.changed
    assert result.diff() == []


@pytest.mark.parametrize(("old", "new"), [("1GB", "1024MB"), ("on", "true")])
def test_the_same_in_other_words_is_no_change(old: str, new: str) -> None:
    assert not planned({"a": new}, file({"a": old})).changed
    assert plan(file({"a": new}), {"a": new}, file({"a": old}), {}, None, None).changed


@pytest.mark.parametrize(
    ("settings", "old", "touched"),
    [
        ({"a": "2"}, {"a": "1"}, ("a",)),
        ({"a": "1", "b": "2"}, {"a": "1"}, ("b",)),
        ({"a": "1"}, {"a": "1", "b": "2"}, ("b",)),
        ({"a": "1"}, {"a": "nonsense"}, ("a",)),
        ({}, {"a": "1"}, ("a",)),
    ],
)
def test_what_came_went_or_changed_is_named(
    settings: dict[str, str], old: dict[str, str], touched: tuple[str, ...]
) -> None:
    result = planned(settings, file(old), server=running())
    assert (result.changed, result.reload, result.touched) == (True, True, touched)


@pytest.mark.parametrize(
    "found",
    [
        None,
        replace(file({"a": "1"}), mode=0o644),
        replace(file({"a": "1"}), owner="root"),
        replace(file({"a": "1"}), link="/tmp/x", content=b""),
        replace(file({"a": "1"}), content=file({"a": "1"}).content + b"a = '1'\n"),
        replace(file({"a": "1"}), content=file({"a": "1"}).content + b"what is this\n"),
    ],
)
def test_a_file_that_is_otherwise_than_ours_is_written_again(found: File | None) -> None:
    assert planned({"a": "1"}, found).rewrite


def test_remarks_by_hand_are_left() -> None:
    found = replace(file({"a": "1"}), content=b"# mine\na = 1 # too\n")
    assert not planned({"a": "1"}, found).changed


def test_overrides_of_our_settings_go_and_others_stay() -> None:
    result = planned({"a": "1"}, file({"a": "1"}), {"a": "9", "b": "9"}, running())
    assert (dict(result.resets), result.touched, result.rewrite) == ({"a": "9"}, ("a",), False)
    [told] = result.diff()
    assert (told["before"], told["after"]) == ("a = '9'\n", "")


def test_passwords_of_overrides_are_not_shown() -> None:
    result = planned({"primary_conninfo": "host=a"}, None, {"primary_conninfo": "host=b password=hunter2"})
    assert "hunter2" not in json.dumps(result.diff())


def test_an_interrupted_load_is_made_up_for() -> None:
    result = planned({"a": "1"}, file({"a": "1"}), server=running(stale=True))
    assert (result.changed, result.reload, result.rewrite) == (True, True, False)
    assert len(result.diff()) == 1


LIVE = {
    "a": Live("131072", "postmaster", "configuration file"),
    "b": Live("1", "sighup"),
    "d": Live("replica", "postmaster", "default"),
}


@pytest.mark.parametrize(
    ("settings", "old", "pending", "expected"),
    [
        # One that takes effect at once, one that does not.
        ({"b": "2"}, {"b": "1"}, (), ()),
        ({"a": "2GB"}, {"a": "1GB"}, (), ("a",)),
        # Back to what runs.
        ({"a": "1024MB"}, {"a": "2GB"}, ("a",), ()),
        # What is pending for other reasons stays pending.
        ({"b": "2"}, {"b": "1"}, ("c",), ("c",)),
        # Left out: back to its default, at a restart.
        ({}, {"a": "1GB"}, (), ("a",)),
        # Its default runs: the server forgets of a value only by a restart that it waited for.
        ({}, {"d": "logical"}, ("d",), ("d",)),
        ({}, {"d": "replica"}, (), ()),
    ],
)
def test_restarts_are_foreseen(
    settings: dict[str, str], old: dict[str, str], pending: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert planned(settings, file(old), server=running(*pending, live=LIVE)).pending == expected


def test_another_file_may_keep_what_ours_gives_up() -> None:
    files = (FileEntry("/etc/postgresql/15/main/postgresql.conf", 1, "a", "1GB"), FileEntry(str(PATH), 3, "a", "1GB"))
    assert planned({}, file({"a": "1GB"}), server=running(files=files, live=LIVE)).pending == ()


def test_complaints_are_told_apart_by_file_and_restart() -> None:
    late = "setting could not be applied"
    files = (
        FileEntry("other.conf", 1, "b", "x", "invalid"),
        FileEntry(str(PATH), 1, "a", "2GB", late),
        FileEntry(str(PATH), 2, "b", "x", late),
        FileEntry("other.conf", 2, "c", "x", late),
    )
    ours, others = rejected(running("c", files=files, live=LIVE), PATH)
    assert [sentence.split(": ")[1] for sentence in ours] == ["b"]
    assert len(others) == 1


def test_what_counts_more_than_ours_is_told() -> None:
    files = (
        FileEntry("before.conf", 1, "a", "1"),
        FileEntry(str(PATH), 3, "a", "1"),
        FileEntry("zz.conf", 7, "a", "2"),
        FileEntry("zz.conf", 8, "b", "2"),
        FileEntry(AUTO, 1, "a", "2"),
    )
    [sentence] = overridden(running(files=files), {"a": "1"}, PATH)
    assert "zz.conf line 7" in sentence


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"max_connections": "3"}, "max_connections"),
        ({"max_connections": "20", "superuser_reserved_connections": "20"}, "max_connections"),
        ({"wal_level": "minimal"}, "max_wal_senders"),
        ({"wal_level": "minimal", "max_wal_senders": "0", "archive_mode": "on"}, "archive_mode"),
        ({"max_connections": "20"}, None),
        ({"wal_level": "minimal", "max_wal_senders": "0"}, None),
        ({}, None),
    ],
)
def test_values_that_a_start_would_refuse_together(settings: dict[str, str], word: str | None) -> None:
    if word is None:
        refuse_what_cannot_start(settings, reading)
    else:
        with pytest.raises(Refused, match=word):
            refuse_what_cannot_start(settings, None)
