"""The program that tells of failed jobs, told to real servers on this host."""

from __future__ import annotations

import json
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

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


def tell(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(TELL), *words, UNIT], text=True, capture_output=True, check=False)


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
