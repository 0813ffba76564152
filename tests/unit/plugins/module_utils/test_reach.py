"""Whether a server answers: one that hangs takes the connection and does not."""

from __future__ import annotations

import socket
import threading

from ansible_collections.runbook.postgres.plugins.module_utils._reach import Server, looked


def test_who_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as alive, socket.create_server(("127.0.0.1", 0)) as hangs:

        def serve() -> None:
            connection, _ = alive.accept()
            with connection:
                assert connection.recv(8) == b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
                connection.sendall(b"S")

        server = threading.Thread(target=serve)
        server.start()
        with socket.create_server(("127.0.0.1", 0)) as closed:
            nobody = closed.getsockname()[1]
        servers = [
            Server("alive", "127.0.0.1", alive.getsockname()[1]),
            Server("hangs", "127.0.0.1", hangs.getsockname()[1]),
            Server("refuses", "127.0.0.1", nobody),
            Server("unknown", "no such name", 5432),
        ]
        assert looked(servers, 0.5) == {"alive": True, "hangs": False, "refuses": False}
        server.join()


def test_nobody_is_asked_where_nobody_is_named() -> None:
    assert looked([], 1.0) == {}
