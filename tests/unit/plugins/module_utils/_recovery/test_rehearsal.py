"""What a drill comes to is known also where something is in its way."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.catalogue import read
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.drill import rehearsal
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.drill.evidence import Evidence, Objectives
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.place import Place
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.repository import Repository
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.target import Stop
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.waldump import Ending

from .listing import STANZA, backup, listing


def stuck(*_: object) -> None:
    raise Problem("It cannot be removed: look what keeps it.")


def broken(*_: object) -> None:
    raise Problem("The restore failed.")


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device", "/srv/drill")


@pytest.mark.parametrize(
    ("lsn", "in_recovery", "there", "lacks"),
    [
        # It stopped in the last segment that it got, or where the next one begins.
        ("0/4000100", False, "4", True),
        ("0/5000000", False, "4", True),
        # What comes next is there: the repository was away when it was asked for.
        ("0/4000100", False, "456789A", False),
        # Behind the archive's end nothing is missing.
        ("0/A000100", False, "A", False),
        # It stands still for another reason.
        ("0/4000100", True, "4", False),
    ],
)
def test_wal_is_missing_only_where_the_archive_lacks_it(
    lsn: str, there: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, in_recovery: bool, lacks: bool
) -> None:
    def endings(_self: Repository, segment: str, _version: int, _data: Path) -> list[Ending] | None:
        return [] if segment[-1] in there else None

    monkeypatch.setattr(Repository, "endings", endings)
    known = read(listing(backup("F1", 1000, "000000010000000000000003")), STANZA, 15, None)
    place = Place(15, "drill", tmp_path / "data")
    held = rehearsal.Rehearsal(place, Repository(STANZA), known, known.backups[0], {}, None, (), 1.0, "now")
    assert held._lacks_wal(Stop(in_recovery, False, lsn, None), known.last) == lacks


@pytest.mark.parametrize(
    ("fails", "said"),
    [
        (broken, "The restore failed."),
        # Evidence is written of a drill that a full disk ended, too.
        (full, "/srv/drill cannot be used (No space left on device): look at its disk and its rights."),
    ],
)
def test_what_cannot_be_removed_is_a_fault_beside_the_first(
    fails: Callable[..., None], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = read(listing(backup("F1", 1000, "000000010000000000000003")), STANZA, 15, None)
    monkeypatch.setattr(rehearsal, "remove", stuck)
    monkeypatch.setattr(rehearsal.Rehearsal, "_restore", fails)
    place = Place(15, "drill", tmp_path / "data")
    held = rehearsal.Rehearsal(place, Repository(STANZA), known, known.backups[0], {}, None, (), 1.0, "now")
    evidence = Evidence(STANZA, STANZA, "scratch", 0.0, Objectives(1.0, 1.0))
    held.run(evidence)
    assert evidence.faults == [f"{said} It cannot be removed: look what keeps it."]
    assert "clean-up" in evidence.took


def answering(tables: Mapping[str, str | Problem]) -> Any:
    """A server with these databases, each of which answers so when its smallest table is counted."""

    def psql(_sql: str, database: str) -> str:
        told = tables[database]
        if isinstance(told, Problem):
            raise told
        return told

    socket = SimpleNamespace(psql=psql, json=lambda sql: "15.4" if "server_version" in sql else list(tables))
    return SimpleNamespace(socket=socket, asked=lambda _seconds: socket)


TORN = Problem("It answered: invalid page in block 0.")


@pytest.mark.parametrize(
    ("tables", "answer", "faults"),
    [
        ({"postgres": "", "shop": "public.a|b|7\n"}, "table public.a|b in database shop, rows: 7", 0),
        ({"orders": TORN, "shop": "public.sale|7"}, "table public.sale in database shop, rows: 7", 1),
        # That the server runs says nothing of what it holds.
        ({"orders": TORN, "postgres": ""}, "", 1),
        ({"postgres": "", "template1": ""}, "the catalog, since no table of any database holds a row", 0),
    ],
)
def test_the_recovery_time_ends_with_an_answer_about_data(
    tables: Mapping[str, str | Problem], answer: str, faults: int, tmp_path: Path
) -> None:
    known = read(listing(backup("F1", 1000, "000000010000000000000003")), STANZA, 15, None)
    place = Place(15, "drill", tmp_path / "data")
    held = rehearsal.Rehearsal(place, Repository(STANZA), known, known.backups[0], {}, None, (), 1.0, "now")
    evidence = Evidence(STANZA, STANZA, "scratch", 0.0, Objectives(1.0, 1.0))
    assert held._first_answer(answering(tables), evidence) == bool(answer)
    assert (evidence.first_answer, evidence.server_version) == (answer, "15.4")
    assert [each.passed for each in evidence.checks] == [False] * faults
