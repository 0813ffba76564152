# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Looking at SQL as text: where its literals are, and whether it is one statement.

Queries of other sessions hold passwords (ALTER ROLE ... PASSWORD), personal
data and keys. They reach logs and job output through us, so no literal leaves
this module in clear.
"""

from __future__ import annotations

import re

SHOWN_CHARACTERS = 300

# In order: what may hide a quote or a semicolon comes before what it hides.
# An opening quote without its end (the server cuts long queries) runs to the end.
_TOKEN = re.compile(
    r"""
      (?P<line_comment> --[^\n]* )
    | (?P<block_comment> /\* )
    | (?P<escaped> (?<![\w$])[eE]'(?:[^'\\]|\\.|'')*(?:'|\\?\Z) )
    | (?P<plain> '(?:[^']|'')*(?:'|\Z) )
    | (?P<dollar> (?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z) )
    | (?P<identifier> "(?:[^"]|"")*(?:"|\Z) )
    | (?P<semicolon> ; )
    """,
    re.VERBOSE | re.DOTALL,
)
_LITERALS = ("escaped", "plain", "dollar")


def _tokens(text: str) -> list[tuple[str, int, int]]:
    """The quoted parts, comments and semicolons of a text: kind, start, end."""
    found: list[tuple[str, int, int]] = []
    position = 0
    while True:
        match = _TOKEN.search(text, position)
        if match is None:
            return found
        kind = match.lastgroup or ""
        end = _end_of_comment(text, match.end()) if kind == "block_comment" else match.end()
        found.append((kind, match.start(), end))
        position = end


def _end_of_comment(text: str, position: int) -> int:
    """Where a block comment ends: PostgreSQL nests them."""
    depth = 1
    for mark in re.finditer(r"/\*|\*/", text[position:]):
        depth += 1 if mark.group() == "/*" else -1
        if depth == 0:
            return position + mark.end()
    return len(text)


def masked(text: str) -> str:
    """A query on one line, short, without its comments and with every literal as '...'."""
    shown = []
    position = 0
    for kind, start, end in _tokens(text):
        shown.append(text[position:start])
        if kind in _LITERALS:
            shown.append("'...'")
        elif "comment" in kind:
            shown.append(" ")
        else:
            shown.append(text[start:end])
        position = end
    shown.append(text[position:])
    line = " ".join("".join(shown).split())
    return line if len(line) <= SHOWN_CHARACTERS else line[: SHOWN_CHARACTERS - 3] + "..."


def single_statement(text: str) -> bool:
    """Whether nothing but white space and comments follows the first semicolon."""
    tokens = _tokens(text)
    first = next((start for kind, start, _end in tokens if kind == "semicolon"), None)
    if first is None:
        return True
    rest = text[first:]
    for kind, start, end in reversed(tokens):
        if start >= first and ("comment" in kind or kind == "semicolon"):
            rest = rest[: start - first] + " " + rest[end - first :]
    return not rest.strip()
