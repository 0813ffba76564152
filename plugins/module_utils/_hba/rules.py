# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The options of pg_hba as rules and maps, read before anything is looked at."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._hba.addresses import Address, read_address
from ansible_collections.runbook.postgres.plugins.module_utils._hba.words import (
    DATABASE_KEYWORDS,
    EXPRESSION,
    EXPRESSIONS_SINCE,
    GROUP,
    USER_KEYWORDS,
    Word,
    one_line,
    read_word,
)

LOCAL = "local"
TYPES = (LOCAL, "host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc")
# What PostgreSQL on Debian was built with; oauth from 18 on.
METHODS = (
    *("trust", "reject", "scram-sha-256", "md5", "password", "gss", "ident"),
    *("peer", "ldap", "radius", "cert", "pam", "oauth"),
)
ALLOWANCES = ("trust", "ident", "md5", "password", "plain_network")
# Options of methods whose values are nobody's business.
SECRETS = ("ldapbindpasswd", "radiussecrets")

HBA_OPTIONS: dict[str, Any] = {
    "version": {"type": "int", "required": True},
    "instance": {"type": "str", "default": "main"},
    "port": {"type": "int", "default": 5432},
    "rules": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "type": {"type": "str", "required": True, "choices": list(TYPES)},
            "databases": {"type": "list", "elements": "str", "default": ["all"]},
            "users": {"type": "list", "elements": "str", "default": ["all"]},
            "addresses": {"type": "list", "elements": "str", "default": []},
            "method": {"type": "str", "required": True},
            "options": {"type": "dict", "default": {}},
            "comment": {"type": "str"},
        },
    },
    "maps": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "map": {"type": "str", "required": True},
            "system_user": {"type": "str", "required": True},
            "database_user": {"type": "str", "required": True},
        },
    },
    "allow": {"type": "list", "elements": "str", "default": [], "choices": list(ALLOWANCES)},
    "prove": {"type": "list", "elements": "dict", "default": []},
    "timeout": {"type": "int", "default": 10},
}

_OPTION_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Line:
    """One line of pg_hba.conf. A rule with several addresses makes several."""

    number: int
    kind: str
    databases: tuple[Word, ...]
    users: tuple[Word, ...]
    address: Address | None
    method: str
    options: tuple[tuple[str, str], ...] = ()
    comment: str | None = None

    @property
    def words(self) -> str:
        """The rule in a message, as a person would say it; what options say stays unsaid."""
        fields = [self.kind, _list(self.databases), _list(self.users)]
        fields += [] if self.address is None else [self.address.text]
        return f"rule {self.number} ({' '.join([*fields, self.method])})"

    @property
    def map(self) -> str | None:
        return dict(self.options).get("map")


@dataclass(frozen=True)
class MapLine:
    """One line of pg_ident.conf."""

    map: str
    system_user: Word
    database_user: Word


def _list(words: Sequence[Word]) -> str:
    return ",".join(({GROUP: "+", EXPRESSION: "/"}.get(word.kind, "") + word.text) for word in words)


def read_rules(rules: Sequence[Mapping[str, Any]], version: int) -> tuple[Line, ...]:
    return tuple(line for number, rule in enumerate(rules, 1) for line in _lines(rule, number, version))


def _lines(rule: Mapping[str, Any], number: int, version: int) -> list[Line]:
    try:
        databases = _field("databases", rule["databases"], DATABASE_KEYWORDS, version)
        users = _field("users", rule["users"], USER_KEYWORDS, version, groups=True)
        options = _options(rule["options"])
        comment = _comment(rule["comment"])
        addresses = _addresses(rule)
        _refuse_method(rule["type"], rule["method"], version)
    except Refused as error:
        raise Refused(f"Rule {number}: {error.sentence}; nothing was changed.") from error
    return [
        Line(number, rule["type"], databases, users, address, rule["method"], options, comment if first else None)
        for first, address in zip([True] + [False] * len(addresses), addresses)
    ]


def _field(
    name: str, texts: Sequence[str], keywords: Sequence[str], version: int, *, groups: bool = False
) -> tuple[Word, ...]:
    if not texts:
        raise Refused(f"{name} is empty, so that the rule would match nobody: name some, or all")
    words = tuple(dict.fromkeys(read_word(text, keywords, groups=groups) for text in texts))
    for word in words:
        if word.kind == EXPRESSION and version < EXPRESSIONS_SINCE:
            raise Refused(
                f"{name} holds /{word.text}, and PostgreSQL {version} knows expressions there only from "
                f'{EXPRESSIONS_SINCE} on: list the names, and put one that begins with a slash in quotes, as in "/x"'
            )
    return words


def _addresses(rule: Mapping[str, Any]) -> list[Address | None]:
    given = rule["addresses"]
    if rule["type"] == LOCAL:
        if given:
            raise Refused(f"a rule of type local is about the socket and has no addresses, but {given[0]} is given")
        return [None]
    if not given:
        raise Refused(f"a rule of type {rule['type']} needs addresses: name networks, hosts, or all")
    return list(dict.fromkeys(read_address(text) for text in given))


def _refuse_method(kind: str, method: str, version: int) -> None:
    known = [each for each in METHODS if each != "oauth" or version >= 18]
    if method not in known:
        raise Refused(
            f"method '{method}' is none that PostgreSQL {version} on Debian has: use one of {', '.join(known)}"
        )
    if method == "peer" and kind != LOCAL:
        raise Refused("method peer asks the operating system about the socket's other end: it needs type local")
    if method == "cert" and kind != "hostssl":
        raise Refused("method cert needs a client's certificate and so type hostssl")
    if method == "gss" and kind == LOCAL:
        raise Refused("method gss does not work over the socket: use peer")


def _options(given: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    options = []
    for name, value in given.items():
        text = str(int(value)) if isinstance(value, bool) else str(value)
        if not _OPTION_NAME.fullmatch(name):
            raise Refused(f"options names '{name}', which is no option of a method: use those of PostgreSQL's manual")
        if one_line(text) is None:
            raise Refused(f"option {name} holds a line break, which the file cannot express")
        options.append((name, text))
    return tuple(options)


def _comment(text: str | None) -> str | None:
    if text is None or not text.strip():
        return None
    if one_line(text) is None:
        raise Refused("comment holds a line break: say it on one line")
    if text.rstrip().endswith("\\"):
        # The server would take the next line for a part of it.
        raise Refused("comment ends with a backslash, which would swallow the rule below it: end it otherwise")
    return text.strip()


def read_maps(maps: Sequence[Mapping[str, Any]], version: int) -> tuple[MapLine, ...]:
    lines = []
    # Before, the field is a name and nothing else.
    keywords = USER_KEYWORDS if version >= EXPRESSIONS_SINCE else ()
    for number, entry in enumerate(maps, 1):
        try:
            name = read_word(entry["map"], ())
            database_user = read_word(entry["database_user"], keywords, groups=version >= EXPRESSIONS_SINCE)
            if database_user.kind == EXPRESSION and version < EXPRESSIONS_SINCE:
                database_user = Word("name", f"/{database_user.text}")
            lines.append(MapLine(name.text, read_word(entry["system_user"], ()), database_user))
        except Refused as error:
            raise Refused(f"Entry {number} of maps: {error.sentence}; nothing was changed.") from error
    return tuple(dict.fromkeys(lines))


def secrets(rules: Sequence[Mapping[str, Any]]) -> set[str]:
    """What must be shown to nobody."""
    return {str(value) for rule in rules for name, value in (rule["options"] or {}).items() if name in SECRETS}
