"""No literal of another session's query may leave the module, however the query is written or cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._health.sql_text import (
    SHOWN_CHARACTERS,
    masked,
    single_statement,
)

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("SELECT 1", "SELECT 1"),
        ("SELECT 'a'", "SELECT '...'"),
        ("SELECT ''", "SELECT '...'"),
        ("SELECT 'it''s', 2", "SELECT '...', 2"),
        ("SELECT E'it\\'s', 2", "SELECT '...', 2"),
        ("SELECT e'a\\\\', 2", "SELECT '...', 2"),
        ("SELECT E'it''s', 2", "SELECT '...', 2"),
        ("SELECT N'a', B'1', X'ff', U&'\\0061'", "SELECT N'...', B'...', X'...', U&'...'"),
        ("SELECT $$a$$, $1, $2", "SELECT '...', $1, $2"),
        ("SELECT $t$a $$ b$t$, c", "SELECT '...', c"),
        ("SELECT $é$a$é$, c", "SELECT '...', c"),
        ("SELECT 'a", "SELECT '...'"),
        ("SELECT E'a\\", "SELECT '...'"),
        ("SELECT $t$a", "SELECT '...'"),
        ("SELECT $t$a$t", "SELECT '...'"),
        ('SELECT "a""b" FROM "c d"', 'SELECT "a""b" FROM "c d"'),
        ("SELECT \"it's\", 'a'", "SELECT \"it's\", '...'"),
        ('SELECT "cut off', 'SELECT "...'),
        ("SELECT 1 -- it's\nFROM b", "SELECT 1 FROM b"),
        ("SELECT 1 -- it's\rFROM b", "SELECT 1 FROM b"),
        ("SELECT /* it's /* 'a' */ b' */ 1", "SELECT 1"),
        ("SELECT 1 /* cut off", "SELECT 1"),
        ("SELECT a$$b$$, c", "SELECT a$$b$$, c"),
        ("SELECT type'a', c", "SELECT type'...', c"),
        ("SELECT 'C:\\dir', 2", "SELECT '...', 2"),
        ("  SELECT\n\t 1  ", "SELECT 1"),
        ("", ""),
        ("ALTER ROLE app PASSWORD 'hunter2' VALID UNTIL 'never'", "ALTER ROLE app PASSWORD '...' VALID UNTIL '...'"),
    ],
)
def test_a_query_is_shown_on_one_line_without_its_literals(query: str, shown: str) -> None:
    assert masked(query) == shown


def plain(secret: str) -> str:
    return "'" + secret.replace("'", "''") + "'"


# Each a way to write a literal so that a reader of the text might lose its place.
WAYS = [
    f"'{SECRET}'",
    f"'it''s {SECRET}'",
    f"''''||'{SECRET}'",
    f"'--{SECRET}'",
    f"'/*{SECRET}'",
    f"'$$ {SECRET}'",
    f"'\"{SECRET}'",
    f"E'\\'{SECRET}'",
    f"E'\\\\'||'{SECRET}'",
    f"e'''{SECRET}'",
    f"E'a'\n'b\\'{SECRET}'",
    f"'a'\n'{SECRET}'",
    f"'a\\'||'{SECRET}'",
    f"'a\\'{SECRET}'",
    f"'a\\\\\\'{SECRET}'",
    f"'a\\''{SECRET}'",
    f"'C:\\'||'{SECRET}'",
    f"U&'\\'||'{SECRET}'",
    f"U&'!''{SECRET}' UESCAPE '!'",
    f"N'{SECRET}'",
    f"B'{SECRET}'",
    f"type'\\'||'{SECRET}'",
    f"€e'\\'||'{SECRET}'",
    f"ªe'\\'||'{SECRET}'",
    f"1e'\\'{SECRET}'",
    f"1.5E'\\'{SECRET}'",
    f"$$it's {SECRET}$$",
    f"$t$ $$ ' {SECRET}$t$",
    f"$1$${SECRET}$$",
    f"1$${SECRET}$$",
    f")$${SECRET}$$",
    f"$ü$$$ {SECRET}$ü$",
    f"$€$'{SECRET}$€$",
    f"$_1${SECRET}$_1$",
    f"$a$ $b${SECRET}$a$",
    f"$tag${SECRET}$TAG$",
    f"a$$'{SECRET}'",
    f"\"$$\"'{SECRET}'",
    f"\"it's\"'{SECRET}'",
    f'""""\'{SECRET}\'',
    f"--'\n'{SECRET}'",
    f"--'\r'{SECRET}'",
    f"--x\r'a\n{SECRET}'",
    f"/*'*/'{SECRET}'",
    f"/*/* ' */ ' */'{SECRET}'",
    f"/*/ ' */'{SECRET}'",
    f"/**/'{SECRET}'",
    f"*/*'*/'{SECRET}'",
    f"-- {SECRET}\n",
    f"/* {SECRET} */",
    f"/* /* */ {SECRET} */",
]


@pytest.mark.parametrize("literal", WAYS)
@pytest.mark.parametrize(
    "before", ["SELECT ", "ALTER ROLE app PASSWORD ", "SELECT a,", "", "SELECT 'x',$$y$$,E'z\\'',"]
)
def test_a_secret_is_hidden_however_it_is_written(before: str, literal: str) -> None:
    assert SECRET not in masked(before + literal)
    assert SECRET not in masked(f"{before}{literal}, 'more'")


@pytest.mark.parametrize("literal", WAYS)
def test_a_secret_is_hidden_wherever_the_server_cut_the_query(literal: str) -> None:
    query = f"ALTER ROLE app PASSWORD {literal}"
    for end in range(len(query)):
        assert SECRET[:4] not in masked(query[:end])


HARMLESS = st.sampled_from(
    ["SELECT ", "a", "b1", "e", "$1", ",", " ", "\n", '"x\'$$"', "-- it's\n", "/* ' */", "1", ";"]
)
CONTENT = st.text(st.sampled_from(list("'\"\\$-/*;\n\r te€1")), max_size=8)


@st.composite
def literals(draw: st.DrawFn) -> str:
    """A valid literal that holds the secret among whatever else."""
    content = draw(CONTENT) + SECRET + draw(CONTENT)
    kind = draw(st.sampled_from(["plain", "escaped", "dollar", "tagged"]))
    if kind == "plain":
        return plain(content)
    if kind == "escaped":
        return "E" + plain(content.replace("\\", "\\\\"))
    mark = "$$" if kind == "dollar" else "$t_é$"
    return mark + content.replace("$", "") + mark


@given(st.lists(st.one_of(HARMLESS, literals())))
def test_no_arrangement_of_literals_lets_a_secret_through(parts: list[str]) -> None:
    assert SECRET not in masked(" ".join(parts))


@given(st.lists(st.one_of(HARMLESS, literals()), max_size=4), st.integers(0, 80))
def test_no_cut_lets_a_secret_through(parts: list[str], length: int) -> None:
    assert SECRET not in masked(" ".join(parts)[:length])


# With standard_conforming_strings off a backslash escapes the quote in any literal.
@given(
    st.lists(
        st.one_of(
            HARMLESS, CONTENT.map(lambda text: plain((text + SECRET).replace("\\", "\\\\"))), st.just(f"'\\'{SECRET}'")
        )
    )
)
def test_sessions_of_the_old_string_syntax_give_nothing_away(parts: list[str]) -> None:
    assert SECRET not in masked(" ".join(parts))


@given(st.text())
def test_any_text_becomes_one_short_line(text: str) -> None:
    shown = masked(text)
    assert len(shown) <= SHOWN_CHARACTERS
    assert shown == " ".join(shown.split())


def test_a_long_query_is_cut_visibly_and_read_no_further_than_shown() -> None:
    query = "SELECT " + "abc, " * 1_000_000
    assert masked(query).endswith("...")
    assert masked(query)[: SHOWN_CHARACTERS - 3] == " ".join(query.split())[: SHOWN_CHARACTERS - 3]


@pytest.mark.parametrize(
    ("query", "single"),
    [
        ("SELECT 1", True),
        ("", True),
        ("SELECT 1;", True),
        ("SELECT 1;;", True),
        ("SELECT 1 ; -- done\n /* really; */ ", True),
        ("SELECT ';'", True),
        ("SELECT 'a'';'", True),
        ("SELECT E'a\\';'", True),
        ("SELECT $$;$$", True),
        ("SELECT $t$;$$;$t$", True),
        ('SELECT ";"', True),
        ("SELECT 1 -- ; DROP TABLE x", True),
        ("SELECT 1 /* ; /* ; */ DROP TABLE x; */", True),
        ("SELECT 1; DROP TABLE x", False),
        ("SELECT 1;DROP TABLE x;", False),
        ("SELECT 1; 2", False),
        ("; SELECT 1", False),
        ("SELECT 'a\\'; DROP TABLE x; --'", False),
        ("SELECT type'\\'; DROP TABLE x; --'", False),
        ("SELECT €e'\\'; DROP TABLE x; --'", False),
        ("SELECT /* /* */ ; */ 1; DROP TABLE x", False),
        ("SELECT 1 -- a\rDROP; DROP TABLE x", False),
        ("SELECT a$$; DROP TABLE x; --$$", False),
        ("SELECT $1$$;$$; DROP TABLE x", False),
        ('SELECT "a"";"; DROP TABLE x', False),
        ("SELECT $a$ $b$; $a$; DROP TABLE x", False),
        ("SELECT ''; DROP TABLE x; SELECT ''", False),
    ],
)
def test_one_statement_is_told_from_two(query: str, single: bool) -> None:
    assert single_statement(query) is single


@given(st.lists(st.one_of(HARMLESS.filter(lambda part: part != ";"), literals())))
def test_a_semicolon_within_a_literal_ends_nothing(parts: list[str]) -> None:
    query = " ".join(parts)
    assert single_statement(query)
    assert not single_statement(f"{query}\n; DROP TABLE x")
