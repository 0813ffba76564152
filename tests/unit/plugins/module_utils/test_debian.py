"""Debian's paths, and what psql's answers mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils import _debian
from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed
from ansible_collections.runbook.postgres.plugins.module_utils._debian import Socket, identifier, literal
from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed, Refused, Silent, Unreachable


def test_where_debian_keeps_things() -> None:
    assert _debian.config_directory(15, "main") == Path("/etc/postgresql/15/main")
    assert _debian.settings_file(15, "main", "runbook") == Path("/etc/postgresql/15/main/conf.d/runbook.conf")
    assert _debian.data_directory(15, "main") == Path("/var/lib/postgresql/15/main")
    assert _debian.bin_directory(15) == Path("/usr/lib/postgresql/15/bin")
    assert _debian.log_file(15, "main") == Path("/var/log/postgresql/postgresql-15-main.log")
    assert _debian.unit(15, "main") == "postgresql@15-main.service"


@pytest.mark.parametrize("name", ["", "a-b", "a/b", "a b", "..\n"])
def test_a_name_that_no_unit_can_have_is_refused(name: str) -> None:
    with pytest.raises(Refused):
        _debian.refuse_unfit_name(name)
    _debian.refuse_unfit_name("main_2.b")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_quoted_text_ends_where_it_ends(text: str) -> None:
    for quoted, quote in ((literal(text), "'"), (identifier(text), '"')):
        inner = quoted[1:-1]
        assert quoted[0] == quoted[-1] == quote
        assert inner.replace(quote * 2, "").count(quote) == 0
        assert inner.replace(quote * 2, quote) == text


@pytest.mark.parametrize("quote", [literal, identifier])
def test_a_zero_byte_is_refused(quote: Any) -> None:
    with pytest.raises(Refused, match="zero byte"):
        quote("a\0b")


class Psql:
    """Stands for the program: fails as told, or prints."""

    def __init__(self, outcome: str | ProgramFailed) -> None:
        self.outcome = outcome
        self.argv: Sequence[str] = ()
        self.given: dict[str, Any] = {}

    def __call__(self, argv: Sequence[str], _seconds: float, **given: Any) -> str:
        self.argv, self.given = argv, given
        if isinstance(self.outcome, ProgramFailed):
            raise self.outcome
        return self.outcome


def answering(monkeypatch: pytest.MonkeyPatch, outcome: str | ProgramFailed) -> Psql:
    psql = Psql(outcome)
    monkeypatch.setattr(_debian, "run_as_postgres", psql)
    return psql


def test_one_value_comes_back_and_the_statement_is_no_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    psql = answering(monkeypatch, '{"a": [1,\n 2]}\n')
    assert _debian.psql_json("SELECT 'hunter2'", 5433) == {"a": [1, 2]}
    assert psql.given["text"] == "SELECT 'hunter2'"
    assert "hunter2" not in " ".join(psql.argv)
    assert psql.argv[psql.argv.index("-p") + 1] == "5433"
    assert "read_only" not in psql.given["environment"]["PGOPTIONS"]


def test_check_mode_is_held_by_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    psql = answering(monkeypatch, "")
    assert Socket(read_only=True).json("SELECT") is None
    assert "default_transaction_read_only=on" in psql.given["environment"]["PGOPTIONS"]


@pytest.mark.parametrize(
    ("code", "words", "kind", "sentence"),
    [
        (
            2,
            'psql: error: connection to server on socket "/run/x" failed: No such file / Is the server up?',
            Unreachable,
            "could not be connected to: No such file; Is the server up?",
        ),
        (2, "psql: error: FATAL:  the database system is starting up", Unreachable, "the database system is starting"),
        (
            3,
            'psql:<stdin>:1: ERROR:  invalid value for parameter "x"',
            QueryFailed,
            "answered: invalid value for param",
        ),
        (None, "", Silent, "does not answer"),
        (1, "", ProgramFailed, "x"),
    ],
)
def test_failures_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, code: int | None, words: str, kind: type[Exception], sentence: str
) -> None:
    answering(monkeypatch, ProgramFailed("x", code, words))
    with pytest.raises(kind) as failure:
        Socket(5432).psql("SELECT 1")
    assert type(failure.value) is kind
    assert sentence in str(failure.value)


@pytest.mark.parametrize(
    ("mark", "start", "expected"),
    [(True, None, True), (True, "manual", True), (True, "auto", False), (False, None, False), (False, "manual", False)],
)
def test_what_a_killed_run_left_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: bool, start: str | None, expected: bool
) -> None:
    monkeypatch.setattr(_debian, "unfinished_mark", lambda *_: tmp_path / "mark")
    monkeypatch.setattr(_debian, "config_directory", lambda *_: tmp_path)
    if mark:
        (tmp_path / "mark").touch()
    if start is not None:
        (tmp_path / "start.conf").write_text(f"# auto or manual\n{start}\n")
    assert _debian.unfinished(15, "main") is expected
