# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""pg_hba.conf and pg_ident.conf as text, whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ansible_collections.runbook.postgres.plugins.module_utils._hba.rules import SECRETS, Line, MapLine
from ansible_collections.runbook.postgres.plugins.module_utils._hba.words import (
    EXPRESSIONS_SINCE,
    NAME,
    Word,
    quoted,
    written,
)

HEADER = (
    "# Managed by Ansible (runbook.postgres.pg_hba). What is changed here by hand is",
    "# undone by the next run; the first line that matches a login decides.",
    "",
)
HBA_TITLES = ("# TYPE", "DATABASE", "USER", "ADDRESS", "METHOD")
IDENT_TITLES = ("# MAP", "SYSTEM-USERNAME", "DATABASE-USERNAME")

# Wider fields, such as long lists of names, do not push the others to the right.
_WIDEST = 32
_PLAIN_VALUE = re.compile(r"[^\s,\"#\\]+")


def hba_text(lines: Sequence[Line], version: int) -> str:
    rows: list[Sequence[str] | str] = [HBA_TITLES]
    for line in lines:
        if line.comment:
            rows.append(f"# {line.comment}")
        rows.append(_hba_fields(line, version))
    return _text(rows)


def _hba_fields(line: Line, version: int) -> list[str]:
    options = [f"{name}={_value(value)}" for name, value in line.options]
    return [
        line.kind,
        _words(line.databases, expressions=version >= EXPRESSIONS_SINCE),
        _words(line.users, expressions=version >= EXPRESSIONS_SINCE),
        "" if line.address is None else line.address.text,
        " ".join([line.method, *options]),
    ]


def _words(words: Iterable[Word], *, expressions: bool) -> str:
    return ",".join(written(word, expressions=expressions) for word in words)


def _value(text: str) -> str:
    return text if _PLAIN_VALUE.fullmatch(text) else quoted(text)


def ident_text(lines: Sequence[MapLine], version: int) -> str:
    rows: list[Sequence[str] | str] = [IDENT_TITLES]
    for line in lines:
        name = written(Word(NAME, line.map), expressions=False)
        system_user = written(line.system_user, expressions=True)
        rows.append([name, system_user, written(line.database_user, expressions=version >= EXPRESSIONS_SINCE)])
    return _text(rows)


def _text(rows: Sequence[Sequence[str] | str]) -> str:
    """Fields below their titles; a row that is text stands as it is."""
    fields = [row for row in rows if not isinstance(row, str)]
    widths = [max(len(row[place]) for row in fields if len(row[place]) <= _WIDEST) for place in range(len(fields[0]))]
    lines = [row if isinstance(row, str) else _aligned(row, widths) for row in rows]
    return "".join(f"{line}\n" for line in (*HEADER, *lines))


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(field.ljust(width) for field, width in zip(row, widths)).rstrip()


_SECRET = re.compile(rf"\b({'|'.join(SECRETS)})=(\"(?:[^\"]|\"\")*\"|[^\s,]*)+")


_HIDDEN, _HIDDEN_ANEW = r"\1=(not shown)", r"\1=(not shown, another)"


def without_secrets(before: str, after: str) -> tuple[str, str]:
    """Both texts, to be shown; a line in which nothing but a secret is new says so."""
    old = before.split("\n")
    hidden = [_SECRET.sub(_HIDDEN, line) for line in old]
    new = []
    for line in after.split("\n"):
        plain = _SECRET.sub(_HIDDEN, line)
        only_secret = plain != line and line not in old and plain in hidden
        new.append(_SECRET.sub(_HIDDEN_ANEW, line) if only_secret else plain)
    return "\n".join(hidden), "\n".join(new)
