"""The program that tells of failed jobs, told to real servers on this host."""

from __future__ import annotations

import email
import json
import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

TELL = Path(__file__).resolve().parents[2] / "roles/schedule/files/tell.py"
UNIT = "runbook-backup.service"


class Hook(BaseHTTPRequestHandler):
    """Takes what is posted; a path that ends in /no is refused."""

    heard: list[dict[str, str]]

    def do_POST(self) -> None:
        self.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(500 if self.path.endswith("/no") else 200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has above
        pass


class Post(socketserver.StreamRequestHandler):
    """As much of SMTP as it takes to receive one message."""

    heard: list[str]

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            word = line.strip().upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                self.heard.append("".join(each.decode() for each in iter(self.rfile.readline, b".\r\n")))
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 yes\r\n")
            if word == b"QUIT":
                return


@contextmanager
def served(server: socketserver.TCPServer) -> Iterator[int]:
    with server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


def tell(*words: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **({"PATH": f"{path}:{os.environ['PATH']}"} if path else {})}
    argv = [sys.executable, str(TELL), *words, UNIT]
    return subprocess.run(argv, text=True, capture_output=True, check=False, env=environment)


@contextmanager
def webhook(heard: list[dict[str, str]], place: Path, path: str = "/secret") -> Iterator[str]:
    handler = type("Handler", (Hook,), {"heard": heard})
    with served(HTTPServer(("127.0.0.1", 0), handler)) as port:
        (place / "hook").write_text(f"http://127.0.0.1:{port}{path}\n", encoding="utf-8")
        yield f"--webhook-file={place / 'hook'}"


@contextmanager
def mail(heard: list[str]) -> Iterator[str]:
    handler = type("Handler", (Post,), {"heard": heard})
    with served(socketserver.TCPServer(("127.0.0.1", 0), handler)) as port:
        yield f"--smtp=127.0.0.1:{port}"


def test_both_are_told(tmp_path: Path) -> None:
    posted: list[dict[str, str]] = []
    mailed: list[str] = []
    with webhook(posted, tmp_path) as hook, mail(mailed) as smtp:
        done = tell(
            hook, smtp, "--mail-to=oncall@example.net", "--mail-to=dba@example.net", "--mail-from=a@example.net"
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert posted[0]["unit"] == UNIT
    assert posted[0]["text"].startswith(f"{UNIT} failed on ")
    assert "To: oncall@example.net, dba@example.net" in mailed[0]
    assert f"Subject: {UNIT} failed on " in mailed[0]


def test_who_cannot_be_told_is_said_and_keeps_nobody_else_from_it(tmp_path: Path) -> None:
    mailed: list[str] = []
    with webhook([], tmp_path, "/secret/no") as hook, mail(mailed) as smtp:
        done = tell(hook, smtp, "--mail-to=oncall@example.net")
    assert done.returncode == 1
    assert "webhook could not be told" in done.stderr
    assert "secret" not in done.stderr
    assert len(mailed) == 1
    (tmp_path / "hook").write_text("file:///etc/passwd", encoding="utf-8")
    assert tell(f"--webhook-file={tmp_path / 'hook'}").returncode == 1
    assert tell(f"--webhook-file={tmp_path / 'gone'}").returncode == 1
    assert tell("--smtp=127.0.0.1:1", "--mail-to=a@example.net").returncode == 1


PLAIN = "begins with http:// and would go over the network"


@pytest.mark.parametrize(
    ("address", "words", "said"),
    [
        ("https://chat.example.net/secret", [], ""),
        ("http://127.0.0.1:8090/secret", [], ""),
        ("http://[::1]/secret", [], ""),
        ("http://localhost/secret", [], ""),
        ("http://chat.example.net/secret", [], PLAIN),
        # Whose name begins so is no host of ours.
        ("http://127.0.0.1.example.net/secret", [], PLAIN),
        ("http://localhost@chat.example.net/secret", [], PLAIN),
        ("http://chat.example.net/secret", ["--webhook-plain"], ""),
        ("ftp://chat.example.net/secret", ["--webhook-plain"], "no address that begins with https://"),
        ("", [], "no address that begins with https://"),
    ],
)
def test_an_address_is_told_in_clear_text_to_nobody_else(
    address: str, words: list[str], said: str, tmp_path: Path
) -> None:
    (tmp_path / "hook").write_text(f"{address}\n", encoding="utf-8")
    done = tell(f"--webhook-file={tmp_path / 'hook'}", *words, "--check")
    assert (done.returncode, done.stdout) == (1 if said else 0, "")
    assert said in done.stderr
    assert "secret" not in done.stderr
    if said:
        # Nor is it when it comes to that.
        assert tell(f"--webhook-file={tmp_path / 'hook'}", *words).returncode == 1


def test_a_file_that_is_not_there_is_told_beforehand(tmp_path: Path) -> None:
    done = tell(f"--webhook-file={tmp_path / 'gone'}", "--check")
    assert (done.returncode, done.stderr) == (1, "it cannot be read (No such file or directory)\n")


LOG = r"""
fatal: could not connect to postgresql://app:hush@db/shop and sftp://app:hu@hush/x?at=@1
connection "host=db user=app password=hush dbname=shop" failed
connection "password = 'hu\'hush' port=5432" and password='hu''hush' port=5433
{"login_password": "hush", "port": 5434, "text": "{\"api_key\": \"hush\", "}
PGPASSWORD=hush repo1-cipher-pass: none PASSPHRASE: hush
ERROR in ALTER ROLE app PASSWORD 'hush' at line 7
FATAL: password authentication failed for user "app" (the secret is kept)
""".strip()


def test_what_the_log_tells_of_passwords_is_not_sent_on(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(LOG, encoding="utf-8")
    (tmp_path / "journalctl").write_text(f"#!/bin/sh\ncat {tmp_path / 'log'}\n", encoding="utf-8")
    (tmp_path / "journalctl").chmod(0o700)
    posted: list[dict[str, str]] = []
    mailed: list[str] = []
    with webhook(posted, tmp_path) as hook, mail(mailed) as smtp:
        done = tell(hook, smtp, "--mail-to=oncall@example.net", path=tmp_path)
    assert done.returncode == 0, done.stderr
    letter = email.message_from_string(mailed[0]).get_payload(decode=True)
    assert isinstance(letter, bytes)
    for told in (posted[0]["text"], posted[0]["log"], letter.decode()):
        assert "hush" not in told
        for kept in ("postgresql://app:", "@db/shop", "user=app", "dbname=shop", "5432", "5433", "5434", "at line 7"):
            assert kept in told
        assert 'FATAL: password authentication failed for user "app" (the secret is kept)' in told
