"""A server that speaks just enough of PostgreSQL's protocol to say what a test wants, or to fall silent."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType

# What to do instead of sending an answer.
SILENCE = b"silence"
HANG_UP = b"hang up"

Answer = Callable[[str], bytes]

_SSL, _GSS = 80877103, 80877104
_TYPES = {bool: 16, int: 23, str: 25, bytes: 25, float: 701, type(None): 25}


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _text(value: str) -> bytes:
    return value.encode() + b"\0"


READY = _message(b"Z", b"I")


def error(sqlstate: str, message: str) -> bytes:
    fields = [("S", "ERROR"), ("V", "ERROR"), ("C", sqlstate), ("M", message)]
    return _message(b"E", b"".join(_text(key + value) for key, value in fields) + b"\0") + READY


def done(tag: str = "SET") -> bytes:
    """A statement without a result."""
    return _message(b"C", _text(tag)) + READY


def table(names: Sequence[str], *rows: Sequence[bool | int | float | str | bytes | None]) -> bytes:
    """Rows of values; bytes go out as they are, whether or not they are text."""
    kinds = [_TYPES[type(value)] for value in rows[0]] if rows else [25] * len(names)
    columns = (_text(name) + struct.pack("!ihihih", 0, 0, kind, -1, -1, 0) for name, kind in zip(names, kinds))
    sent = _message(b"T", struct.pack("!h", len(names)) + b"".join(columns))
    for row in rows:
        sent += _message(b"D", struct.pack("!h", len(row)) + b"".join(map(_cell, row)))
    return sent + _message(b"C", _text(f"SELECT {len(rows)}")) + READY


def _cell(value: bool | int | float | str | bytes | None) -> bytes:
    if value is None:
        return struct.pack("!i", -1)
    if isinstance(value, bool):
        value = "t" if value else "f"
    sent = value if isinstance(value, bytes) else str(value).encode()
    return struct.pack("!i", len(sent)) + sent


def _welcome() -> bytes:
    settings = {
        "server_version": "15.14",
        "server_encoding": "UTF8",
        "client_encoding": "UTF8",
        "DateStyle": "ISO, DMY",
        "standard_conforming_strings": "on",
        "integer_datetimes": "on",
    }
    told = b"".join(_message(b"S", _text(name) + _text(value)) for name, value in settings.items())
    return _message(b"R", struct.pack("!i", 0)) + told + _message(b"K", struct.pack("!ii", 1, 1)) + READY


class Wire:
    """Listens on a port of its own; `greeting` answers the start of a session, `answer` each statement."""

    def __init__(self, answer: Answer = lambda _query: done(), greeting: bytes | None = None) -> None:
        self.started: list[dict[str, str]] = []
        self.asked: list[str] = []
        self._answer = answer
        self._greeting = _welcome() if greeting is None else greeting
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    @property
    def parameters(self) -> dict[str, object]:
        return {"host": "127.0.0.1", "port": self.port, "user": "monitoring", "dbname": "shop"}

    def __enter__(self) -> Wire:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        # Wakes who waits in accept() or recv(), which closing alone would not.
        for each in (self._listener, *self._connections):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _address = self._listener.accept()
                self._connections.append(connection)
                thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError, EOFError):
            self._start(connection)
            if not self._send(connection, self._greeting):
                return
            while True:
                kind = _read(connection, 1)
                (length,) = struct.unpack("!i", _read(connection, 4))
                body = _read(connection, length - 4)
                if kind != b"Q":
                    return
                query = body[:-1].decode()
                self.asked.append(query)
                if not self._send(connection, self._answer(query)):
                    return

    def _start(self, connection: socket.socket) -> None:
        while True:
            length, code = struct.unpack("!ii", _read(connection, 8))
            if code not in (_SSL, _GSS):
                words = _read(connection, length - 8).decode().split("\0")
                self.started.append(dict(zip(words[::2], words[1::2])))
                return
            if self._greeting == SILENCE:
                self._ended.wait()
            connection.sendall(b"N")

    def _send(self, connection: socket.socket, answer: bytes) -> bool:
        if answer == SILENCE:
            self._ended.wait()
        if answer in (SILENCE, HANG_UP):
            return False
        connection.sendall(answer)
        return True


def _read(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        part = connection.recv(count - len(found))
        if not part:
            raise EOFError
        found += part
    return found
