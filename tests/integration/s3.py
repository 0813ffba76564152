"""A store that speaks S3 over TLS: moto behind a relay, since moto's own TLS is not what clients expect."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import select
import socket
import ssl
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.checkout import ROOT
from lab.docker import docker
from lab.nodes import Node
from lab.waiting import wait_until
from tests.unit.plugins.module_utils._tls.papers import Authority, key, pem, private_pem

HOST, BUCKET = "store.example.net", "backups"
AUTHORITIES = "/etc/ssl/store.crt"
KEY_SECRET = "never-in-any-log-42"


class Line:
    """Between clients and the store; it can be cut after so many bytes of theirs, and be mended."""

    def __init__(self) -> None:
        self._left: int | None = None

    def cut(self, after: int) -> None:
        self._left = after

    def mend(self) -> None:
        self._left = None

    def carry(self, data: bytes) -> None:
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                raise ConnectionError("The line is cut.")


@dataclass
class Store:
    """Where it listens, for containers; the certificate is of HOST."""

    address: str
    port: int
    ca: str
    process: subprocess.Popen[bytes]
    line: Line

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def introduce(self, *nodes: Node) -> None:
        """They know its name and trust its authority."""
        for node in nodes:
            node.exec(["tee", "-a", "/etc/hosts"], input=f"{self.address} {HOST}\n")
            node.write(AUTHORITIES, self.ca)

    def repository(self, **more: Any) -> dict[str, Any]:
        """As an inventory names it."""
        way = {"endpoint": HOST, "port": self.port, "region": "nowhere", "bucket": BUCKET, "uri_style": "path"}
        keys = {"key": "an-access-key", "key_secret": KEY_SECRET}
        return {"type": "s3", "path": "/ledger", "ca_file": AUTHORITIES, **way, **keys, **more}


def bridge() -> str:
    """This host as containers see it."""
    shape = "{{(index .IPAM.Config 0).Subnet}}"
    subnet = docker("network", "inspect", "bridge", "--format", shape).stdout.strip()
    return str(ipaddress.ip_network(subnet, strict=False)[1])


@contextlib.contextmanager
def store(place: Path) -> Iterator[Store]:
    """An empty bucket in it; everything is in memory and gone afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        behind = free.getsockname()[1]
    argv = [str(ROOT / ".venv/bin/moto_server"), "-H", "127.0.0.1", "-p", str(behind)]
    environment = {**os.environ, "S3_IGNORE_SUBDOMAIN_BUCKETNAME": "true"}
    process = subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until("moto answers", lambda: answers(behind))
        request = urllib.request.Request(f"http://127.0.0.1:{behind}/{BUCKET}", method="PUT")
        urllib.request.urlopen(request, timeout=10).close()
        authority, own = Authority("store", key()), key()
        (place / "store.pem").touch(mode=0o600)
        (place / "store.pem").write_text(private_pem(own) + pem(authority.sign(HOST, own, [HOST])))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(place / "store.pem")
        with socket.create_server((bridge(), 0)) as listening:
            line = Line()
            threading.Thread(target=serve, args=(listening, context, behind, line), daemon=True).start()
            yield Store(bridge(), listening.getsockname()[1], authority.text, process, line)
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False


def serve(listening: socket.socket, context: ssl.SSLContext, behind: int, line: Line) -> None:
    while True:
        try:
            client, _ = listening.accept()
        except OSError:
            return
        threading.Thread(target=relay, args=(client, context, behind, line), daemon=True).start()


def relay(client: socket.socket, context: ssl.SSLContext, behind: int, line: Line) -> None:
    """Both ways until either end closes, and the end said as TLS wants it: a client takes another for an attack."""
    with contextlib.suppress(OSError), context.wrap_socket(client, server_side=True) as clear:
        clear.settimeout(10)
        with socket.create_connection(("127.0.0.1", behind), timeout=60) as server:
            while True:
                ready = [clear] if clear.pending() else select.select([clear, server], [], [], 60)[0]
                data = [(source, source.recv(1 << 16)) for source in ready]
                for source, part in data:
                    if source is clear:
                        line.carry(part)
                    (server if source is clear else clear).sendall(part)
                if not ready or not all(part for _, part in data):
                    break
        clear.unwrap()
