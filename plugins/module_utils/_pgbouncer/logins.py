# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Passwords of those who may look at the console, kept as SCRAM secrets.

A secret has a random salt. One that fits the password stays as it is, so that a
second run writes nothing; neither the file nor anything else holds a password.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import unicodedata
from collections.abc import Sequence

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.request import Login

ITERATIONS = 4096

_ENTRY = re.compile(r'^"((?:[^"]|"")*)"\s+"([^"]*)"')
_SECRET = re.compile(r"SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)")


def userlist(logins: Sequence[Login], known: str) -> str:
    """The file for these logins; secrets of the known file stay where they fit."""
    before = dict(_entries(known))
    lines = []
    for login in logins:
        if not login.name or any(sign in login.name for sign in "\0\r\n"):
            raise Refused("The name of a console login is empty or holds a line break: give another.")
        if not login.password:
            raise Refused(f"The console login {login.name} has an empty password: give it one.")
        secret = before.get(login.name, "")
        if not fits(login.password, secret):
            secret = scram_secret(login.password, secrets.token_bytes(16))
        quoted = login.name.replace('"', '""')
        lines.append(f'"{quoted}" "{secret}"\n')
    return "".join(lines)


def _entries(text: str) -> list[tuple[str, str]]:
    matches = (_ENTRY.match(line) for line in text.splitlines())
    return [(match[1].replace('""', '"'), match[2]) for match in matches if match]


def scram_secret(password: str, salt: bytes, iterations: int = ITERATIONS) -> str:
    """As PostgreSQL stores it."""
    prepared = unicodedata.normalize("NFKC", password).encode()
    salted = hashlib.pbkdf2_hmac("sha256", prepared, salt, iterations)
    stored = hashlib.sha256(_keyed(salted, b"Client Key")).digest()
    parts = (_text(salt), _text(stored), _text(_keyed(salted, b"Server Key")))
    return f"SCRAM-SHA-256${iterations}:{parts[0]}${parts[1]}:{parts[2]}"


def fits(password: str, secret: str) -> bool:
    match = _SECRET.fullmatch(secret)
    if match is None:
        return False
    try:
        salt = base64.b64decode(match[2], validate=True)
    except binascii.Error:
        return False
    return hmac.compare_digest(scram_secret(password, salt, int(match[1])), secret)


def _keyed(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
