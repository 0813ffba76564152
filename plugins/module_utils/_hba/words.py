# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Names in pg_hba.conf and pg_ident.conf: what an option means, and how the files have to spell it.

An option follows the files' own convention: a keyword is a keyword, `+name` the
members of a role, `/expression` a regular expression, and what stands in double
quotes is a name whatever it says. Unlike in the files, a name that holds blanks
or commas needs no quotes in an option.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection
from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused

NAME, KEYWORD, GROUP, EXPRESSION = "name", "keyword", "group", "expression"

ALL = "all"
REPLICATION = "replication"
DATABASE_KEYWORDS = ("all", "sameuser", "samerole", "samegroup", "replication")
USER_KEYWORDS = ("all",)

# The first version in which databases and users may be regular expressions.
EXPRESSIONS_SINCE = 16

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_PLAIN_EXPRESSION = re.compile(r"""[^\s,"#\\]+""")
_LINE_BREAKS = re.compile(r"[\n\r\0]")


@dataclass(frozen=True)
class Word:
    """One entry of a field; `text` is what it means, without quotes or a leading sign."""

    kind: str
    text: str


def read_word(text: str, keywords: Collection[str], *, groups: bool = False) -> Word:
    """What an entry of an option means."""
    if not text or text == '""':
        raise Refused("an empty name stands for nothing: leave it out")
    if one_line(text) is None:
        raise Refused(f"name {text!r} holds a line break, which these files cannot express: rename it")
    if text.startswith('"'):
        return Word(NAME, unquoted(text))
    if text.startswith("@"):
        raise Refused(f"{text} would include a file, whose content nobody reviews: list the names themselves")
    if text.startswith("+") and groups:
        if len(text) == 1:
            raise Refused("+ stands for the members of a role: put the role's name behind it")
        return Word(GROUP, unquoted(text[1:]) if text.startswith('+"') else text[1:])
    if text.startswith("/") and len(text) > 1:
        return Word(EXPRESSION, text[1:])
    return Word(KEYWORD if text in keywords else NAME, text)


def one_line(text: str) -> str | None:
    """The text, unless it could not stand on one line."""
    return None if _LINE_BREAKS.search(text) else text


def unquoted(text: str) -> str:
    inner = text[1:-1].replace('""', "")
    if len(text) < 3 or not text.endswith('"') or '"' in inner:
        raise Refused(f"{text} has quotes that do not match: a quote within quotes is written twice")
    return text[1:-1].replace('""', '"')


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def written(word: Word, *, expressions: bool) -> str:
    """How the files spell it; `expressions` says whether a leading slash makes one in this field and version."""
    if word.kind == KEYWORD:
        return word.text
    if word.kind == GROUP:
        # The sign stays outside of the quotes, within them it would be part of the name.
        return "+" + (word.text if _PLAIN.fullmatch(word.text) else quoted(word.text))
    if word.kind == EXPRESSION:
        text = f"/{word.text}"
        return text if _PLAIN_EXPRESSION.fullmatch(text) else quoted(text)
    if word.text.startswith("/") and expressions:
        # Quotes do not keep the server from reading this as an expression, so it gets one that matches the name alone.
        return quoted(f"/^{literally(word.text)}$")
    return word.text if _PLAIN.fullmatch(word.text) and word.text not in DATABASE_KEYWORDS else quoted(word.text)


def literally(text: str) -> str:
    """An expression that matches this text."""
    return re.sub(r"([^\w\s]|\s)", _escaped, text, flags=re.ASCII)


def _escaped(found: re.Match[str]) -> str:
    character = found.group()
    return character if ord(character) > 127 else f"\\{character}"


def matches(word: Word, text: str) -> bool:
    """Whether a name or an expression is this text; keywords and groups are the caller's to know."""
    if word.kind == EXPRESSION:
        # The server's dialect has more to it than ours: what we cannot read does not count as a match.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            try:
                return re.search(word.text, text) is not None
            except re.error:
                return False
    return word.kind == NAME and word.text == text
