"""Settings as lines of a file: whatever a value holds comes back as it was."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._instance.configuration import (
    last_values,
    parsed,
    read_settings,
    rendered,
    without,
    without_passwords,
)

values = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
names = st.from_regex(r"[a-z_][a-z0-9_]{0,20}(\.[a-z_][a-z0-9_]{0,20})?", fullmatch=True).filter(
    lambda name: name not in ("include", "include_dir", "include_if_exists")
)


@given(st.dictionaries(names, values))
def test_what_is_written_is_read_again(settings: dict[str, str]) -> None:
    assert last_values(rendered(settings)) == settings


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (True, "on"),
        (False, "off"),
        (5432, "5432"),
        (0.9, "0.9"),
        ("", ""),
        (["a", "b"], "a, b"),
        ("it's", "it's"),
    ],
)
def test_values_become_texts(given: Any, text: str) -> None:
    assert read_settings({"X": given}) == {"x": text}


def test_null_leaves_a_setting_out() -> None:
    assert read_settings({"a": None, "b": 1}) == {"b": "1"}


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"a b": 1}, "not the name"),
        ({"a\nb": 1}, "not the name"),
        ({"include": "x"}, "not the name"),
        ({"": 1}, "not the name"),
        ({"data_directory": "/srv"}, "pg_instance"),
        ({"a": 1, "A": 2}, "twice"),
        ({"a": {"b": 1}}, "dict"),
        ({"a": "x\0"}, "zero byte"),
        ({"primary_conninfo": "host=x password=hunter2"}, "passfile"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], word: str) -> None:
    with pytest.raises(Refused, match=word) as refusal:
        read_settings(given)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("a = 1", "1"),
        ("a 1", "1"),
        ("  A=1 # remark", "1"),
        ("a = 'b''c' # remark", "b'c"),
        (r"a = 'b\'c\\d\n\101'", "b'c\\d\nA"),
        ("a = ''", ""),
    ],
)
def test_lines_are_read_as_the_server_reads_them(line: str, value: str) -> None:
    [entry] = parsed(line)
    assert (entry.name, entry.value) == ("a", value)


@pytest.mark.parametrize("line", ["# a = 1", "", "a", "a = 'b", "1a = 2", "a = 1 2"])
def test_other_lines_are_no_settings(line: str) -> None:
    assert parsed(line) == []


def test_lines_are_taken_out_and_the_rest_stays() -> None:
    assert without("# note\na = 1\nb = 2\nA = 3\n", {"a"}) == "# note\nb = 2\n"


@pytest.mark.parametrize(
    "text",
    ["primary_conninfo = 'host=x password=hunter2 port=1'", "primary_conninfo = 'password=''hunter2'' port=1'"],
)
def test_passwords_are_not_shown(text: str) -> None:
    shown = without_passwords(text)
    assert "hunter2" not in shown
    assert "port=1" in shown
