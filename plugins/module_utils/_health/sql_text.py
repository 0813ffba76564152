# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Looking at SQL as text: where its literals are, and whether it is one statement.

Queries of other sessions hold passwords (ALTER ROLE ... PASSWORD), personal
data and keys. They reach logs and job output through us, so no quoted literal
leaves this module in clear. Such a query need not be valid, nor whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

SHOWN_CHARACTERS = 300

# The server's lexical rules, in order: what may hide a quote or a semicolon
# comes before what it hides. To the server every character beyond ASCII is a
# letter and nothing else is, whatever Unicode says. An opening quote without its
# end (the server cuts long queries) runs to the end.
_TOKEN = re.compile(
    r"""
      (?P<line_comment> --[^\n\r]* )
    | (?P<block_comment> /\* )
    | (?P<escaped> [eE]'(?:[^'\\]|\\.|'')*(?:'|\\?\Z) )
    | (?P<plain> '(?:[^']|'')*(?:'|\Z) )
    | (?P<dollar> \$(?P<tag>(?:[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*)?)\$.*?(?:\$(?P=tag)\$|\Z) )
    | (?P<identifier> "(?:[^"]|"")*" )
    | (?P<unfinished> " .* )
    # Taken whole, so that neither an e before a quote nor a $ begins a literal within one.
    | (?P<word> [A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]* )
    | (?P<semicolon> ; )
    """,
    re.VERBOSE | re.DOTALL,
)
_LITERALS = ("escaped", "plain", "dollar")

# A quote behind an odd number of backslashes.
_ESCAPED_QUOTE = re.compile(r"(?<!\\)(?:\\\\)*\\'")


def _tokens(text: str) -> Iterator[tuple[str, int, int]]:
    """The words, quoted parts, comments and semicolons of a text: kind, start, end."""
    position = 0
    while True:
        match = _TOKEN.search(text, position)
        if match is None:
            return
        kind = match.lastgroup or ""
        end = _end_of_comment(text, match.end()) if kind == "block_comment" else match.end()
        yield kind, match.start(), end
        position = end


def _end_of_comment(text: str, position: int) -> int:
    """Where a block comment ends: PostgreSQL nests them."""
    depth = 1
    for mark in re.compile(r"/\*|\*/").finditer(text, position):
        depth += 1 if mark.group() == "/*" else -1
        if depth == 0:
            return mark.end()
    return len(text)


def masked(text: str) -> str:
    """A query on one line, short, without its comments and with every quoted literal as '...'."""
    shown: list[str] = []
    position = 0
    characters = 0
    for kind, start, end in _tokens(text):
        shown.append(text[position:start] + _shown(kind, text[start:end]))
        position = end
        characters += len("".join(shown[-1].split()))
        if _hides_its_end(kind, text[start:end]) or characters > SHOWN_CHARACTERS:
            # Texts of many megabytes are read only as far as they are shown.
            position = len(text)
            break
    shown.append(text[position:])
    line = " ".join("".join(shown).split())
    return line if len(line) <= SHOWN_CHARACTERS else line[: SHOWN_CHARACTERS - 3] + "..."


def _shown(kind: str, token: str) -> str:
    if kind in _LITERALS:
        return "'...'"
    if kind == "unfinished":
        return '"...'
    return " " if "comment" in kind else token


def _hides_its_end(kind: str, token: str) -> bool:
    """Whether what follows cannot be told from what is inside.

    In sessions with standard_conforming_strings off, and in continued lines of
    an E'' literal, a backslash hides the quote behind it; elsewhere it does not.
    """
    return kind == "unfinished" or (kind == "plain" and _ESCAPED_QUOTE.search(token) is not None)


# What a check of the user's may begin with.
_QUERIES = ("select", "with", "values", "table", "show")


def is_query(text: str) -> bool:
    """Whether the first word is one that returns rows."""
    first = next((text[start:end] for kind, start, end in _tokens(text) if "comment" not in kind), "")
    return first.lower() in _QUERIES


def single_statement(text: str) -> bool:
    """Whether nothing but white space and comments follows the first semicolon."""
    tokens = list(_tokens(text))
    first = next((start for kind, start, _end in tokens if kind == "semicolon"), None)
    if first is None:
        return True
    rest = text[first:]
    for kind, start, end in reversed(tokens):
        if start >= first and ("comment" in kind or kind == "semicolon"):
            rest = rest[: start - first] + " " + rest[end - first :]
    return not rest.strip()
