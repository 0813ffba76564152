# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Tell people that a unit of systemd failed: by a webhook, by mail, or both; every way is tried.

The webhook's address is as good as a password: it is read from a file, and goes over no network in clear text unless
that is said to be right. What a log tells of passwords is not sent on.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import re
import smtplib
import socket
import subprocess
import sys
import urllib.parse
import urllib.request
from email.message import EmailMessage
from pathlib import Path

SECONDS = 30
LINES = 20
MASK = "********"
# scheme://user:PASSWORD@host, to the last @ of the word: a password may hold one.
IN_ADDRESS = re.compile(r"(\w[\w+.-]*://[^\s/:@]*:)\S*@")
# password=..., "login_password": "...", PGPASSWORD='...', PASSWORD '...'; a value in quotes ends with them.
SECRET = re.compile(
    r"""((?:pass(?:word|wd|phrase)|secret|token|api[_-]?key)[\w-]*\\*["']?(?:\s*[=:]\s*|\s+(?=["'])))"""
    r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.|'')*'|\S+)""",
    re.IGNORECASE,
)


def log_of(unit: str) -> str:
    """What it said last, as far as this user may read it."""
    argv = ["journalctl", "--unit", unit, "--lines", str(LINES), "--output=cat", "--no-pager", "--quiet"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return masked(done.stdout.strip())


def masked(log: str) -> str:
    """Chats and mailboxes are read by more people than the journal of this host."""
    return SECRET.sub(rf"\g<1>{MASK}", IN_ADDRESS.sub(rf"\g<1>{MASK}@", log))


def address_in(path: Path, *, plain: bool) -> str:
    """Where to; in clear text no further than to this host, unless that is wanted."""
    address = path.read_text(encoding="utf-8").strip()
    scheme, _colon, rest = address.partition("://")
    if scheme not in ("http", "https") or not rest:
        raise ValueError("the file holds no address that begins with https://")
    if scheme == "http" and not plain and not here(urllib.parse.urlsplit(address).hostname or ""):
        raise ValueError("its address begins with http:// and would go over the network for all to read")
    return address


def here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def post(address: str, sentence: str, unit: str, log: str) -> None:
    """In the shape that chats take (text), with the parts for programs beside it."""
    text = f"{sentence}\n{log}" if log else sentence
    body = json.dumps({"text": text, "unit": unit, "host": socket.gethostname(), "log": log}).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"}, method="POST")
    with urllib.request.urlopen(request, timeout=SECONDS):
        pass


def send(server: str, sender: str, receivers: list[str], sentence: str, log: str) -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = sentence, sender, ", ".join(receivers)
    message.set_content(f"{sentence}\n\n{log or 'Its log is in the journal of the host.'}\n")
    host, _colon, port = server.partition(":")
    with smtplib.SMTP(host, int(port or 25), timeout=SECONDS) as connection:
        connection.send_message(message)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Tell people that a unit failed.")
    parser.add_argument("--webhook-file", type=Path)
    parser.add_argument("--webhook-plain", action="store_true", help="also by http:// to other hosts")
    parser.add_argument("--check", action="store_true", help="only look whether the webhook's file can be used")
    parser.add_argument("--mail-to", action="append", default=[])
    parser.add_argument("--mail-from", default=f"runbook@{socket.getfqdn()}")
    parser.add_argument("--smtp", default="localhost:25")
    parser.add_argument("unit")
    return parser.parse_args()


def checked(given: argparse.Namespace) -> int:
    try:
        address_in(given.webhook_file, plain=given.webhook_plain)
    except OSError as error:
        sys.stderr.write(f"it cannot be read ({error.strerror})\n")
        return 1
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def main() -> int:
    given = arguments()
    if given.check:
        return checked(given)
    sentence = f"{given.unit} failed on {socket.gethostname()}."
    log = log_of(given.unit)
    failed = False
    ways = []
    if given.webhook_file is not None:
        where, plain = given.webhook_file, given.webhook_plain
        ways.append(("webhook", lambda: post(address_in(where, plain=plain), sentence, given.unit, log)))
    if given.mail_to:
        ways.append(("mail", lambda: send(given.smtp, given.mail_from, given.mail_to, sentence, log)))
    for name, tell in ways:
        try:
            tell()
        except (OSError, ValueError, smtplib.SMTPException) as error:
            # The kind alone: the words of an error may hold the address.
            sys.stderr.write(f"The {name} could not be told that {given.unit} failed: {type(error).__name__}.\n")
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
