"""Where a password can be read that nobody is to see, however it is spelled there."""

from __future__ import annotations

import json

from lab.nodes import Node

PLACES = ("/etc", "/var/log", "/var/lib/postgresql", "/tmp", "/root", "/home", "/run/log")


def spellings(secret: str) -> list[str]:
    """As it is, in a statement, in a passfile; and each in JSON, and as Python shows it in a message or a log."""
    plain = (secret, secret.replace("'", "''"), secret.replace("\\", "\\\\").replace(":", "\\:"))
    shown = [json.dumps(word, ensure_ascii=ascii_only)[1:-1] for word in plain for ascii_only in (True, False)]
    return list(dict.fromkeys([*plain, *shown, *(repr(word)[1:-1] for word in plain)]))


def told(secret: str, text: str) -> bool:
    return any(spelling in text for spelling in spellings(secret))


def found(secret: str, node: Node) -> list[str]:
    """The files of a node that hold it, and its journal, which keeps some of its text packed."""
    words = [word for spelling in spellings(secret) for word in ("-e", spelling)]
    files = node.exec(["grep", "-rlaFs", *words, *PLACES], check=False).stdout.splitlines()
    journal = node.exec(["journalctl", "--no-pager", "--all", "--quiet"]).stdout
    return [*files, *(["the journal"] if told(secret, journal) else [])]
