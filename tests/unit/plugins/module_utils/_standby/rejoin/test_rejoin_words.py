"""What programs say of the WAL past the fork, which files it is in, and the mark beside data that is being rewound."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._history import Branch
from ansible_collections.runbook.postgres.plugins.module_utils._standby.conninfo import Conninfo
from ansible_collections.runbook.postgres.plugins.module_utils._standby.rejoin import mark, rewind
from ansible_collections.runbook.postgres.plugins.module_utils._standby.rejoin.mark import Mark
from ansible_collections.runbook.postgres.plugins.module_utils._standby.rejoin.rewind import Rewinding
from ansible_collections.runbook.postgres.plugins.module_utils._standby.rejoin.tail import Tail, segments, summary

SUMMARY = """
WAL statistics between 0/3000148 and 0/30003D8:
Type                                           N      (%)          Record size      (%)
----                                           -      ---          -----------      ---
XLOG/CHECKPOINT_SHUTDOWN                       1 ( 14.29)                  114 ( 26.21)
Transaction/COMMIT                             2 ( 28.57)                   68 ( 15.63)
Transaction/COMMIT_PREPARED                    1 ( 14.29)                   68 ( 15.63)
Transaction/ABORT                              1 ( 14.29)                   34 (  7.82)
Heap/INSERT                                    2 ( 28.57)                  151 ( 34.71)
                                        --------                      --------
Total                                          7                           435 [98.64%]
pg_waldump: error: error in WAL record at 0/3000360: invalid record length at 0/30003D8: expected at least 24, got 0
"""
NOTHING = "pg_waldump: fatal: could not find a valid record after 0/3000148\n"
NONE_YET = """
Total                                          0                             0 [0%]
pg_waldump: fatal: error in WAL record at 0/3000148: invalid record length at 0/30001C0: wanted 24, got 0
"""


@pytest.mark.parametrize(
    ("words", "tail"),
    [(SUMMARY, Tail(7, 3, "0/3000360")), (NOTHING, Tail()), (NONE_YET, Tail()), ("", Tail())],
)
def test_what_lies_past_the_fork_is_counted(words: str, tail: Tail) -> None:
    assert summary(words) == tail


def test_the_files_are_those_from_the_fork_to_the_end(tmp_path: Path) -> None:
    wal = tmp_path / "pg_wal"
    wal.mkdir()
    wanted = ["000000010000000000000003", "000000010000000000000004.partial", "000000020000000000000004"]
    others = [
        "000000010000000000000002",
        "000000020000000000000005",
        "000000030000000000000004",
        "archive_status",
    ]
    for name in (*wanted, *others, "00000002.history"):
        (wal / name).touch()
    branch = Branch(2, "0/4000100", ((1, "0/4000000"),))
    found = segments(tmp_path, branch, (1, "0/3FFFFFF"), "0/4000100", 16 << 20)
    assert sorted(found) == sorted([*wanted, "00000002.history"])


def test_a_mark_is_read_as_it_was_written(tmp_path: Path) -> None:
    data = tmp_path / "main"
    written = Mark(f"{data}.diverged-x", 1, "0/500", "manual")
    assert mark.read(data) is None
    (tmp_path / "main.rewinding").write_text(json.dumps(asdict(written)))
    assert mark.read(data) == written
    assert not written.whole
    assert written.fork == (1, "0/500")


@pytest.mark.parametrize(
    "text", ["", "nonsense", "[]", '{"kept": "/etc", "timeline": 1, "lsn": "0/5", "start": "auto"}']
)
def test_a_mark_that_somebody_else_wrote_leads_nowhere(tmp_path: Path, text: str) -> None:
    (tmp_path / "main.rewinding").write_text(text)
    with pytest.raises(Refused, match=r"main\.rewinding"):
        mark.read(tmp_path / "main")


def _rewinding(version: int) -> Rewinding:
    parts = (("host", "192.0.2.2"), ("port", "5432"), ("passfile", "/x y"))
    return Rewinding(version, "main", Path("/data/main"), Conninfo(parts), 60)


def test_an_archive_is_used_where_pg_rewind_can_be_told_of_it() -> None:
    assert "--restore-target-wal" not in _rewinding(13).argv(restores=True)
    assert "--restore-target-wal" not in _rewinding(15).argv(restores=False)
    argv = _rewinding(17).argv(restores=True)
    assert argv[1] == "--target-pgdata=/data/main"
    assert "--config-file=/etc/postgresql/17/main/postgresql.conf" in argv
    assert "--restore-target-wal" in argv
    assert any("passfile='/x y'" in word and "dbname=postgres" in word for word in argv)


@pytest.mark.parametrize(
    ("words", "kind", "says"),
    [
        (
            'pg_rewind: error: could not open file "/data/main/pg_wal/0001": No such file',
            Refused,
            "name this host for reinit",
        ),
        (
            "pg_rewind: fatal: permission denied for function pg_ls_dir",
            Exception,
            "failed: permission denied for function",
        ),
    ],
)
def test_why_it_failed(monkeypatch: pytest.MonkeyPatch, words: str, kind: type[Exception], says: str) -> None:
    def fails(*_args: object, **_more: object) -> str:
        raise ProgramFailed("pg_rewind failed.", 1, words)

    monkeypatch.setattr(rewind, "said", fails)
    monkeypatch.setattr(rewind, "restores", lambda _rewinding: False)
    with pytest.raises(kind, match=says):
        rewind.try_out(_rewinding(15))


def test_a_primary_that_has_not_ended_its_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewind, "said", lambda *_args, **_more: "pg_rewind: no rewind required\n")
    monkeypatch.setattr(rewind, "restores", lambda _rewinding: False)
    with pytest.raises(Exception, match="CHECKPOINT there"):
        rewind.rewind(_rewinding(13))
