"""How the server reads a line of pg_hba.conf, as its source does it: the other side of the quoting."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Token:
    text: str
    # It began with a quote, so that keywords and signs in it mean nothing.
    quoted: bool


def fields(line: str) -> list[list[Token]]:
    """The fields of a line, each a list of tokens."""
    found: list[list[Token]] = []
    place = 0
    while True:
        field, place = _field(line, place)
        if not field:
            return found
        found.append(field)


def _field(line: str, place: int) -> tuple[list[Token], int]:
    tokens = []
    while True:
        token, place, comma = _token(line, place)
        if token is not None:
            tokens.append(token)
        if not comma:
            return tokens, place


def _token(line: str, place: int) -> tuple[Token | None, int, bool]:
    while place < len(line) and line[place] in " \t\r,":
        place += 1
    text, in_quote, was_quote, saw_quote, initial, comma = "", False, False, False, False, False
    while place < len(line) and (line[place] not in " \t\r" or in_quote):
        character = line[place]
        if character == "#" and not in_quote:
            place = len(line)
            break
        if character == "," and not in_quote:
            comma = True
            place += 1
            break
        if character != '"' or was_quote:
            text += character
        was_quote = not was_quote if in_quote and character == '"' else False
        if character == '"':
            in_quote = not in_quote
            saw_quote = True
            initial = initial or not text
        place += 1
    token = Token(text, initial) if saw_quote or text else None
    return token, place, comma
