"""Whether an instance is made, finished, started or let alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._instance.creation import (
    Found,
    Mark,
    Traits,
    Wish,
    plan,
)
from ansible_collections.runbook.postgres.plugins.module_utils._instance.observe import Instance
from ansible_collections.runbook.postgres.plugins.module_utils._postmaster import Postmaster

DATA = Path("/var/lib/postgresql/15/main")
WISH = Wish(15, "main", None, None, 5432, True, "UTF8", "C.UTF-8", None, 300.0)
SERVER = Postmaster(1, 5432, "/run/postgresql")
NONE = Instance(15, "main", None, DATA, 5432, "auto", None)
BARE = Found(NONE, None, None, None, installed=False)
READY = replace(BARE, installed=True)
STOPPED = Found(replace(NONE, configuration="port = 5432"), ["PG_VERSION"], None, "15", installed=True)
RUNNING = replace(STOPPED, instance=replace(STOPPED.instance, server=SERVER))
MARK = Mark(str(DATA), None, 0)
HALF = replace(STOPPED, mark=MARK, instance=replace(STOPPED.instance, start="manual"))


def wish(**changes: Any) -> Wish:
    return replace(WISH, **changes)


def steps(wanted: Wish, found: Found, *, check_mode: bool = False) -> list[str]:
    result = plan(wanted, found, check_mode=check_mode)
    assert not result.refusals
    return [change.step.name for change in result.changes]


@pytest.mark.parametrize(
    ("wanted", "found", "expected"),
    [
        (WISH, READY, ["CREATE"]),
        (wish(started=True), READY, ["CREATE", "START"]),
        (wish(started=False), READY, ["CREATE"]),
        (WISH, STOPPED, []),
        (wish(started=True), STOPPED, ["START"]),
        (wish(started=True), RUNNING, []),
        (wish(started=False), RUNNING, ["STOP"]),
        (WISH, HALF, ["CLEAR", "CREATE"]),
        (WISH, replace(READY, mark=MARK, data=["base"]), ["CLEAR", "CREATE"]),
        (WISH, replace(STOPPED, mark=MARK), ["FINISH"]),
    ],
)
def test_steps(wanted: Wish, found: Found, expected: list[str]) -> None:
    assert steps(wanted, found) == expected
    assert steps(wanted, found, check_mode=True) == expected


def test_a_bare_host_is_foreseen_and_refused_by_a_real_run() -> None:
    assert steps(wish(started=True), BARE, check_mode=True) == ["CREATE", "START"]
    [refusal] = plan(WISH, BARE, check_mode=False).refusals
    assert "install package postgresql-15" in refusal


@pytest.mark.parametrize(
    ("wanted", "found", "words"),
    [
        (WISH, replace(READY, pg_version="15", data=["PG_VERSION"]), "no instance of this host claims"),
        (WISH, replace(READY, data=["lost+found"]), "lost+found"),
        (WISH, replace(READY, unmounted="/srv is not mounted."), "/srv is not mounted"),
        (wish(wal_directory=Path("/wal")), replace(READY, wal=["x"]), "/wal is not empty"),
        (wish(data_directory=Path("/srv/pg")), STOPPED, "data are not moved"),
        (WISH, replace(STOPPED, pg_version=None), "no data in"),
        (WISH, replace(STOPPED, pg_version="13"), "PostgreSQL 13"),
        (wish(started=True), replace(STOPPED, instance=replace(STOPPED.instance, start="manual")), "keeps it from"),
        (wish(data_directory=Path("/srv/pg")), HALF, "old place"),
        (WISH, replace(HALF, log_bytes=100), "somebody has started it"),
        (WISH, replace(HALF, instance=replace(HALF.instance, server=SERVER)), "somebody has started it"),
    ],
)
def test_refusals_say_what_was_found(wanted: Wish, found: Found, words: str) -> None:
    for check_mode in (False, True):
        result = plan(wanted, found, check_mode=check_mode)
        [sentence] = result.refusals
        assert words in sentence
        assert not result.changes


@pytest.mark.parametrize(
    ("traits", "words"),
    [
        (Traits(checksums=False), "no data checksums"),
        (Traits(encoding="LATIN1"), "encoding LATIN1, not UTF8"),
        (Traits(locale="de_DE.UTF-8"), "locale de_DE.UTF-8, not C.UTF-8"),
        (Traits(wal_directory=Path("/elsewhere")), "WAL in /elsewhere"),
    ],
)
def test_what_was_settled_is_told_and_left(traits: Traits, words: str) -> None:
    result = plan(wish(wal_directory=Path("/wal")), replace(RUNNING, traits=traits), check_mode=False)
    assert not result.changed
    [sentence] = result.warnings
    assert words in sentence


@pytest.mark.parametrize(
    "traits", [Traits(), Traits(True, "UTF8", "C.UTF-8"), Traits(True, "UTF8", "C.utf8"), Traits(None, "utf8", None)]
)
def test_what_is_as_wanted_is_not_told(traits: Traits) -> None:
    assert plan(WISH, replace(RUNNING, traits=traits), check_mode=False).warnings == ()


def test_an_instance_that_does_not_start_at_boot_is_told() -> None:
    [sentence] = plan(
        WISH, replace(RUNNING, instance=replace(RUNNING.instance, start="disabled")), check_mode=False
    ).warnings
    assert "does not start at boot" in sentence


def test_the_diff_shows_the_whole_of_a_new_instance_and_the_change_of_an_old_one() -> None:
    made = plan(wish(started=True), READY, check_mode=True).diff("x")
    assert made["before"] == ""
    assert "checksums: true" in made["after"]
    assert "server: running" in made["after"]
    started = plan(wish(started=True), STOPPED, check_mode=True).diff("x")
    assert (started["before"].splitlines()[-1], started["after"].splitlines()[-1]) == (
        "server: stopped",
        "server: running",
    )
    finished = plan(WISH, replace(STOPPED, mark=MARK), check_mode=True).diff("x")
    assert finished["before"] != finished["after"]
    nothing = plan(WISH, STOPPED, check_mode=True).diff("x")
    assert nothing["before"] == nothing["after"] == ""
