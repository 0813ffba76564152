"""Names survive the file, whatever they hold."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._hba.words import (
    DATABASE_KEYWORDS,
    EXPRESSION,
    GROUP,
    KEYWORD,
    NAME,
    Word,
    literally,
    quoted,
    read_word,
    written,
)
from tests.unit.plugins.module_utils._hba.server_reading import Token, fields

NAMES = st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("option", "word"),
    [
        ("app", Word(NAME, "app")),
        ("all", Word(KEYWORD, "all")),
        ('"all"', Word(NAME, "all")),
        ("All", Word(NAME, "All")),
        ("sales 2024", Word(NAME, "sales 2024")),
        ("a,b", Word(NAME, "a,b")),
        ('"say ""hi"""', Word(NAME, 'say "hi"')),
        ('say "hi"', Word(NAME, 'say "hi"')),
        ("+staff", Word(GROUP, "staff")),
        ('+"night shift"', Word(GROUP, "night shift")),
        ('"+staff"', Word(NAME, "+staff")),
        ("/^db[0-9]$", Word(EXPRESSION, "^db[0-9]$")),
        ('"/etc"', Word(NAME, "/etc")),
        ("müller", Word(NAME, "müller")),
    ],
)
def test_options_follow_the_files_convention(option: str, word: Word) -> None:
    assert read_word(option, DATABASE_KEYWORDS, groups=True) == word


@pytest.mark.parametrize("option", ["", '""', "a\nb", "a\rb", "a\0b", '"open', '"a"b"', "@names", "+"])
def test_what_means_nothing_is_refused(option: str) -> None:
    with pytest.raises(Refused):
        read_word(option, DATABASE_KEYWORDS, groups=True)


def test_a_leading_plus_is_a_name_where_there_are_no_groups() -> None:
    assert read_word("+staff", ()) == Word(NAME, "+staff")


@pytest.mark.parametrize(
    ("word", "text"),
    [
        (Word(NAME, "app"), "app"),
        (Word(KEYWORD, "replication"), "replication"),
        (Word(NAME, "replication"), '"replication"'),
        (Word(NAME, "a b"), '"a b"'),
        (Word(NAME, 'a"b'), '"a""b"'),
        (Word(NAME, "+a"), '"+a"'),
        (Word(NAME, "@a"), '"@a"'),
        (Word(GROUP, "a b"), '+"a b"'),
        (Word(EXPRESSION, "^a,b$"), '"/^a,b$"'),
        (Word(EXPRESSION, "^a$"), "/^a$"),
    ],
)
def test_how_words_are_written(word: Word, text: str) -> None:
    assert written(word, expressions=True) == text


def test_a_name_with_a_leading_slash_is_no_expression() -> None:
    """Quotes do not help where the server looks at the first letter alone."""
    assert written(Word(NAME, "/etc"), expressions=False) == '"/etc"'
    assert written(Word(NAME, "/etc.d"), expressions=True) == '"/^\\/etc\\.d$"'


@given(NAMES)
@example('"')
@example('""')
@example('a"')
@example('"a')
@example("all")
@example("#")
@example("a\\")
@example(" ")
def test_a_name_comes_back_as_it_went(name: str) -> None:
    text = written(Word(NAME, name), expressions=False)
    [[token]] = fields(text)
    assert token.text == name
    # Unquoted it must mean nothing else.
    assert token.quoted or (name not in DATABASE_KEYWORDS and name[0] not in "+@/")


@given(st.lists(NAMES, min_size=1, max_size=4), NAMES)
def test_names_in_a_list_stay_apart(names: list[str], group: str) -> None:
    words = [*(Word(NAME, name) for name in names), Word(GROUP, group)]
    text = ",".join(written(word, expressions=False) for word in words)
    first, second = fields(f"{text}  all")
    assert [token.text for token in first] == [*names, f"+{group}"]
    assert not first[-1].quoted
    assert second == [Token("all", False)]


@given(NAMES)
def test_options_can_say_any_name(name: str) -> None:
    assert read_word(quoted(name), DATABASE_KEYWORDS, groups=True) == Word(NAME, name)


@given(NAMES)
def test_an_expression_for_a_text_matches_it_alone(text: str) -> None:
    assert re.fullmatch(literally(text), text)
    assert not re.fullmatch(literally(text), f"{text}x")
