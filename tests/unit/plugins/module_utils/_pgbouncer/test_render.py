"""A configuration file reads back as what was written, or is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.render import (
    fit_name,
    render,
    setting,
    word,
)


def read_words(text: str) -> dict[str, str]:
    """As PgBouncer reads the words of a line in [databases]: blanks between, quotes doubled within quotes."""
    words: dict[str, str] = {}
    rest = text
    while rest:
        key, _, rest = rest.partition("=")
        value = ""
        if rest.startswith("'"):
            rest = rest[1:]
            while True:
                part, _, rest = rest.partition("'")
                value += part
                if not rest.startswith("'"):
                    break
                value, rest = value + "'", rest[1:]
        else:
            value, _, rest = rest.partition(" ")
            rest = " " + rest
        words[key.strip()] = value
        rest = rest.lstrip()
    return words


@given(st.text(min_size=1).filter(lambda text: not set(text) & set("\0\r\n")))
def test_any_value_reads_back(value: str) -> None:
    text = render({"shop": {"host": "db1", "dbname": value, "port": "5432"}}, {}, {}, {})
    # Only a line feed ends a line there.
    (line,) = [line for line in text.split("\n") if line.startswith("shop = ")]
    assert read_words(line[len("shop = ") :]) == {"host": "db1", "dbname": value, "port": "5432"}


@pytest.mark.parametrize("value", ["", "a\nb", "a\rb", "a\0b"])
def test_what_a_line_cannot_hold_is_refused(value: str) -> None:
    with pytest.raises(Refused, match="give another"):
        word(value)


@pytest.mark.parametrize(
    ("name", "fits"),
    [("shop", True), ("a.b-c_1", True), ("größe", False), ("a b", False), ('a"', False), ("a=b", False), ("", False)],
)
def test_names_that_can_begin_a_line(name: str, fits: bool) -> None:
    assert fit_name(name) is fits


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "1"), (False, "0"), (25, "25"), (["a", "b"], "a, b"), ([], ""), ("x = 1", "x = 1")],
)
def test_settings(value: object, text: str) -> None:
    assert setting("some", value) == text


@pytest.mark.parametrize("value", ["a\nlisten_addr = *", " a", "a ", "a\0"])
def test_a_setting_cannot_smuggle_another(value: str) -> None:
    with pytest.raises(Refused, match="Setting some"):
        setting("some", value)


@pytest.mark.parametrize("name", ["", "a b", "[users]", "a=b", "a\nb"])
def test_a_name_of_a_setting_is_one(name: str) -> None:
    with pytest.raises(Refused, match="no name of a setting"):
        render({}, {}, {}, {name: "1"})


def test_sections_without_entries_are_left_out() -> None:
    text = render({}, {"app": {"pool_mode": "session"}}, {}, {"listen_port": 6432}, ["A remark"])
    assert text.split("\n")[1:] == [
        "; A remark",
        "",
        "[databases]",
        "",
        "[users]",
        "app = pool_mode=session",
        "",
        "[pgbouncer]",
        "listen_port = 6432",
        "",
    ]
