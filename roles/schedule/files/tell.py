# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Tell people that a unit of systemd failed: by a webhook, by mail, or both; every way is tried.

The webhook's address is as good as a password, and is read from a file.
"""

from __future__ import annotations

import argparse
import json
import smtplib
import socket
import subprocess
import sys
import urllib.request
from email.message import EmailMessage
from pathlib import Path

SECONDS = 30
LINES = 20


def log_of(unit: str) -> str:
    """What it said last, as far as this user may read it."""
    argv = ["journalctl", "--unit", unit, "--lines", str(LINES), "--output=cat", "--no-pager", "--quiet"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def post(address: str, sentence: str, unit: str, log: str) -> None:
    """In the shape that chats take (text), with the parts for programs beside it."""
    text = f"{sentence}\n{log}" if log else sentence
    body = json.dumps({"text": text, "unit": unit, "host": socket.gethostname(), "log": log}).encode()
    if not address.startswith(("http://", "https://")):
        raise ValueError("the file holds no address that begins with https://")
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
    parser.add_argument("--mail-to", action="append", default=[])
    parser.add_argument("--mail-from", default=f"runbook@{socket.getfqdn()}")
    parser.add_argument("--smtp", default="localhost:25")
    parser.add_argument("unit")
    return parser.parse_args()


def main() -> int:
    given = arguments()
    sentence = f"{given.unit} failed on {socket.gethostname()}."
    log = log_of(given.unit)
    failed = False
    ways = []
    if given.webhook_file is not None:
        ways.append(("webhook", lambda: post(given.webhook_file.read_text().strip(), sentence, given.unit, log)))
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
