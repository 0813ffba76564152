# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What rules must not say, told before anything is changed: pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from ansible_collections.runbook.postgres.plugins.module_utils._hba.rules import LOCAL, Line, MapLine
from ansible_collections.runbook.postgres.plugins.module_utils._hba.words import (
    ALL,
    KEYWORD,
    REPLICATION,
    Word,
    matches,
)

# How the module itself logs in.
US = "postgres"

_WEAK = {
    "trust": "lets anybody in who says a name",
    "md5": "keeps passwords as MD5, which is broken",
    "password": "has clients send the password itself",
    "ident": "believes what the client's host says about its users",
}
# The kinds that take connections without encryption.
_PLAIN = ("host", "hostnossl", "hostnogssenc")
# Which kinds of connections, by (TLS, GSSAPI, neither), each kind of rule is about.
_REACH = {
    "host": {"tls", "gss", "plain"},
    "hostssl": {"tls"},
    "hostnossl": {"gss", "plain"},
    "hostgssenc": {"gss"},
    "hostnogssenc": {"tls", "plain"},
    LOCAL: {"socket"},
}


def refusals(lines: Sequence[Line], maps: Sequence[MapLine], allow: Collection[str]) -> list[str]:
    """Everything at once: who puts one right should not meet the next one only then."""
    found = [sentence for line in lines for sentence in _weaknesses(line, allow)]
    found += [sentence for line in lines for sentence in _missing_map(line, maps)]
    found += [
        f"{_capital(line.words)} can never be reached, because {earlier.words} decides all of its logins first: "
        "move it up or leave it out."
        for earlier, line in shadowed(lines)
        if not _same_verdict(earlier, line)
    ]
    found += _locked_out(lines, maps)
    return list(dict.fromkeys(found))


def warnings(lines: Sequence[Line]) -> list[str]:
    return list(
        dict.fromkeys(
            f"{_capital(line.words)} changes nothing, because {earlier.words} says the same of more logins."
            for earlier, line in shadowed(lines)
            if _same_verdict(earlier, line)
        )
    )


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _weaknesses(line: Line, allow: Collection[str]) -> Iterator[str]:
    weak = _WEAK.get(line.method)
    # Over the socket ident is another word for peer.
    if line.kind == LOCAL and line.method == "ident":
        weak = None
    if weak and line.method not in allow:
        yield f"{_capital(line.words)} {weak}: use scram-sha-256 or cert, or name {line.method} in allow."
    if weak and line.address is not None and line.address.everywhere:
        yield f"{_capital(line.words)} {weak}, and is for the whole world: name the networks that need it."
    if _plain_network(line) and "plain_network" not in allow:
        yield (
            f"{_capital(line.words)} lets connections in that are not encrypted: "
            "use type hostssl, or name plain_network in allow."
        )


def _plain_network(line: Line) -> bool:
    there = line.address is not None and not line.address.inside
    return there and line.kind in _PLAIN and line.method != "reject"


def _missing_map(line: Line, maps: Sequence[MapLine]) -> Iterator[str]:
    if line.map is not None and line.map not in {each.map for each in maps}:
        yield f"{_capital(line.words)} uses the map {line.map}, of which maps has no entry: add one, or nobody gets in."


def shadowed(lines: Sequence[Line]) -> list[tuple[Line, Line]]:
    """Each line that one before it covers whole, with that one."""
    found = []
    for place, line in enumerate(lines):
        earlier = next((each for each in lines[:place] if covers(each, line)), None)
        if earlier is not None:
            found.append((earlier, line))
    return found


def covers(one: Line, other: Line) -> bool:
    """Whether every login that the other matches is matched by this one."""
    return (
        _REACH[one.kind] >= _REACH[other.kind]
        and all(_covers_database(one.databases, word) for word in other.databases)
        and all(_covers_user(one.users, word) for word in other.users)
        and (one.address is None or (other.address is not None and one.address.covers(other.address)))
    )


def _covers_database(words: Sequence[Word], other: Word) -> bool:
    # All databases are not the pseudo-database of physical replication.
    return other in words or (other != Word(KEYWORD, REPLICATION) and Word(KEYWORD, ALL) in words)


def _covers_user(words: Sequence[Word], other: Word) -> bool:
    return other in words or Word(KEYWORD, ALL) in words


def _same_verdict(one: Line, other: Line) -> bool:
    return (one.method, dict(one.options)) == (other.method, dict(other.options))


def _locked_out(lines: Sequence[Line], maps: Sequence[MapLine]) -> Iterator[str]:
    """The rule by which the module gets in is the first that matches it, so that one has to let it in."""
    first = next((line for line in lines if line.kind == LOCAL and _is_about_us(line)), None)
    remedy = "put a rule 'local all postgres peer' first."
    if first is None:
        yield f"No rule lets the system's postgres in over the socket, and the module with it: {remedy}"
    elif first.method not in ("peer", "ident", "trust"):
        yield f"{_capital(first.words)} keeps the system's postgres, and the module with it, from the socket: {remedy}"
    elif first.map is not None and first.method != "trust" and not _mapped(first.map, maps):
        yield (
            f"{_capital(first.words)} uses the map {first.map}, which does not let the system's postgres in "
            "as postgres: add that to maps."
        )


def _is_about_us(line: Line) -> bool:
    databases = any(
        word in (Word(KEYWORD, ALL), Word(KEYWORD, "sameuser"), Word(KEYWORD, "samerole"), Word(KEYWORD, "samegroup"))
        or matches(word, US)
        for word in line.databases
    )
    # A superuser is a member of no role that it was not made one of.
    return databases and any(word == Word(KEYWORD, ALL) or matches(word, US) for word in line.users)


def _mapped(name: str, maps: Sequence[MapLine]) -> bool:
    return any(
        each.map == name
        and matches(each.system_user, US)
        and (
            each.database_user == Word(KEYWORD, ALL)
            or matches(each.database_user, US)
            or "\\1" in each.database_user.text
        )
        for each in maps
    )
