"""The driver's edge: what servers do, well or badly, becomes rows or one of our problems, in bounded time."""

from __future__ import annotations

import importlib.util
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils import _session
from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import (
    NotPermitted,
    QueryFailed,
    Refused,
    Silent,
    TookTooLong,
    Unreachable,
)
from ansible_collections.runbook.postgres.plugins.module_utils._session import (
    Session,
    compose,
    identifier,
    joined,
)
from tests.unit.plugins.wire import HANG_UP, SILENCE, Wire, done, error, table

# For what does answer: no machine is so slow.
AMPLE = 60.0


def session(server: Wire, **values: Any) -> Session:
    return Session(server.parameters, Deadline(AMPLE), **values)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_session, "GRACE_SECONDS", 0.05)


def test_rows_are_dictionaries_of_python_values() -> None:
    with (
        Wire(lambda _query: table(["a", "b", "c"], [1, "é 表", True], [2, None, False])) as server,
        session(server) as open_,
    ):
        assert open_.fetch("SELECT rows") == [{"a": 1, "b": "é 表", "c": True}, {"a": 2, "b": None, "c": False}]


@pytest.mark.parametrize(("since", "asked"), [(14, ["SET idle_session_timeout = 0"]), (16, [])])
def test_one_that_waits_is_not_ended_for_that(since: int, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that know no such limit refuse the very word; this one is of 15."""
    monkeypatch.setattr(_session, "_LIMITS_IDLE_SESSIONS", since)
    with Wire(lambda _query: done("SET")) as server, session(server) as open_:
        assert open_.unhurried() is open_
        assert server.asked == asked


def test_columns_that_share_a_name_keep_their_places() -> None:
    with Wire(lambda _query: table(["?column?", "?column?"], [1, "x"])) as server, session(server) as open_:
        assert open_.fetch_tuples("SELECT 1, 'x'") == [(1, "x")]


def test_a_statement_without_rows_has_none() -> None:
    with Wire(lambda _query: done("BEGIN")) as server, session(server) as open_:
        assert open_.fetch("BEGIN") == []
        assert open_.fetch_tuples("BEGIN") == []


def test_values_are_bound_and_a_percent_sign_of_a_users_query_is_none_of_ours() -> None:
    with Wire() as server, session(server) as open_:
        open_.fetch("SELECT %(name)s", {"name": "o'neil"})
        open_.fetch_tuples("SELECT 'a%' LIKE '%s'")
        assert server.asked == ["SELECT 'o''neil'", "SELECT 'a%' LIKE '%s'"]


def test_settings_are_in_force_from_the_start() -> None:
    settings = {"search_path": "pg_catalog", "odd": "a b\\c"}
    with Wire() as server, session(server, settings=settings, statement_seconds=1.5):
        (started,) = server.started
        assert started["options"] == "-c statement_timeout=1500 -c search_path=pg_catalog -c odd=a\\ b\\\\c"
        assert (started["user"], started["database"]) == ("monitoring", "shop")
        assert (started["application_name"], started["client_encoding"]) == ("runbook.postgres", "UTF8")


def test_a_users_own_startup_options_are_kept() -> None:
    with Wire() as server:
        parameters = {**server.parameters, "options": "-c work_mem=64kB"}
        with Session(parameters, Deadline(AMPLE), {"jit": "off"}, 1):
            assert server.started[0]["options"] == "-c work_mem=64kB -c statement_timeout=1000 -c jit=off"


def test_without_settings_none_are_sent() -> None:
    # PgBouncer's console refuses a session that brings any.
    with Wire() as server, session(server):
        assert "options" not in server.started[0]


@pytest.mark.parametrize(("seconds", "sent"), [(2.5, "'2500'"), (0.0, "'1'"), (0.0001, "'1'")])
def test_a_limit_is_never_none_at_all(seconds: float, sent: str) -> None:
    with Wire() as server, session(server) as open_:
        open_.limit(seconds)
        assert server.asked == [f"SELECT set_config('statement_timeout', {sent}, false)"]


@pytest.mark.parametrize(
    ("sqlstate", "kind"),
    [
        ("57014", TookTooLong),
        ("55P03", TookTooLong),
        ("42501", NotPermitted),
        ("42P01", QueryFailed),
        ("XX000", QueryFailed),
    ],
)
def test_an_error_of_the_server_costs_one_statement(sqlstate: str, kind: type[QueryFailed]) -> None:
    def answer(query: str) -> bytes:
        return table(["one"], [1]) if query == "SELECT 1" else error(sqlstate, "no such\n  thing.")

    with Wire(answer) as server, session(server) as open_:
        with pytest.raises(QueryFailed) as failure:
            open_.fetch("SELECT thing")
        assert type(failure.value) is kind
        assert failure.value.sentence == "no such thing"
        assert open_.fetch("SELECT 1") == [{"one": 1}]


def test_what_the_driver_itself_refuses_costs_one_statement() -> None:
    with Wire(lambda _query: table(["one"], [1])) as server, session(server) as open_:
        with pytest.raises(QueryFailed, match="empty query") as failure:
            open_.fetch("")
        assert type(failure.value) is QueryFailed
        assert open_.fetch("SELECT 1") == [{"one": 1}]


def test_text_that_is_not_utf8_costs_one_statement() -> None:
    def answer(query: str) -> bytes:
        return table(["one"], [b"\xff\xfe" if "bad" in query else b"1"])

    with Wire(answer) as server, session(server) as open_:
        with pytest.raises(QueryFailed, match="not valid UTF-8"):
            open_.fetch("SELECT bad")
        assert open_.fetch("SELECT good") == [{"one": "1"}]


def test_a_server_that_hangs_up_is_unreachable_and_not_silent() -> None:
    with Wire(lambda _query: HANG_UP) as server, session(server) as open_:
        with pytest.raises(Unreachable, match="closed the connection") as failure:
            open_.fetch("SELECT 1")
        assert not isinstance(failure.value, Silent)
        with pytest.raises(Unreachable, match="closed the connection"):
            open_.fetch("SELECT 1")


@pytest.mark.usefixtures("impatient")
def test_a_server_that_falls_silent_is_not_waited_for() -> None:
    with Wire(lambda _query: SILENCE) as server, session(server, statement_seconds=0.05) as open_:
        with pytest.raises(Silent, match="does not answer"):
            open_.fetch("SELECT 1")
        # The connection is given up: an answer that came later would be taken for that to another question.
        with pytest.raises(Unreachable):
            open_.fetch("SELECT 2")


def test_a_server_that_accepts_and_never_answers_is_not_waited_for() -> None:
    with Wire(greeting=SILENCE) as server, pytest.raises(Silent) as failure:
        Session(server.parameters, Deadline(0.05))
    assert failure.value.sentence == (
        f"PostgreSQL at 127.0.0.1 port {server.port}, database shop takes connections but does not answer: "
        "look for stopped processes, a full disk or a frozen host."
    )


def test_a_backlog_that_nobody_accepts_from_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        parameters = {"host": "127.0.0.1", "port": listener.getsockname()[1], "user": "u", "dbname": "d"}
        with pytest.raises(Silent):
            Session(parameters, Deadline(0.05))


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def test_a_refused_connection_says_why_once(closed_port: int) -> None:
    # A name with two addresses, each tried with TLS and without.
    parameters = {"host": "127.0.0.1,127.0.0.1", "port": closed_port, "user": "u", "dbname": "d"}
    with pytest.raises(Unreachable) as failure:
        Session(parameters, Deadline(AMPLE))
    assert failure.value.sentence.count("Connection refused") == 1
    assert failure.value.sentence.endswith(".")
    assert "\n" not in failure.value.sentence


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ('database "d" does not exist', 'could not be connected to: database "d" does not exist.'),
        ("sorry, too many clients already", "could not be connected to: sorry, too many clients already."),
    ],
)
def test_a_server_that_sends_one_away_is_quoted(message: str, told: str) -> None:
    greeting = error("3D000", message).replace(b"ERROR", b"FATAL")
    with Wire(greeting=greeting) as server, pytest.raises(Unreachable) as failure:
        session(server)
    assert failure.value.sentence.endswith(told)


@pytest.mark.parametrize(("name", "value"), [("colour", "red"), ("passwrd", "hunter2")])
def test_a_keyword_that_libpq_does_not_know_is_refused_not_taken_for_a_dead_server(name: str, value: str) -> None:
    with pytest.raises(Refused, match=f'"{name}"') as refusal:
        Session({"host": "127.0.0.1", name: value}, Deadline(AMPLE))
    assert "hunter2" not in refusal.value.sentence
    assert "dsn" not in refusal.value.sentence


def test_values_that_hold_blanks_and_quotes_reach_the_server_unharmed() -> None:
    name = 'o\'neil "x" = \\ é; host=elsewhere'
    with Wire() as server, Session({**server.parameters, "user": name, "dbname": name}, Deadline(AMPLE)):
        assert (server.started[0]["user"], server.started[0]["database"]) == (name, name)


def test_without_the_driver_the_module_still_loads_and_knows_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    spec = importlib.util.spec_from_file_location("session_without_driver", _session.__file__)
    assert spec is not None
    assert spec.loader is not None
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    assert "psycopg2" in copy.DRIVER_MISSING
    assert _session.DRIVER_MISSING is None


# -- composing statements ---------------------------------------------------


@pytest.fixture(scope="module")
def echo() -> Iterator[Callable[[Any], str]]:
    """What of a statement reaches the server."""
    with Wire() as server, session(server) as open_:

        def sent(statement: Any) -> str:
            open_.fetch(statement)
            return server.asked[-1]

        yield sent


@given(name=st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1))
def test_an_identifier_is_quoted_whatever_it_holds(echo: Callable[[Any], str], name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    assert echo(compose("TABLE {table}", table=identifier("a b", name))) == f'TABLE "a b".{quoted}'
    assert echo(joined(", ", [identifier(name), identifier("b")])) == f'{quoted}, "b"'
