# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether a PostgreSQL server answers at an address, without logging in.

That a connection is made says little: the kernel of a host makes it for a server that hangs. So the server is asked
whether it does TLS, which each answers before anything else, also one that is starting or has no connection left.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

_ASK = struct.pack("!ii", 8, 80877103)


@dataclass(frozen=True)
class Server:
    name: str
    address: str
    port: int


def answers(server: Server, seconds: float) -> bool | None:
    """None where its name leads nowhere, which says nothing of the server."""
    try:
        with socket.create_connection((server.address, server.port), timeout=seconds) as connection:
            connection.sendall(_ASK)
            return bool(connection.recv(1))
    except (socket.gaierror, UnicodeError):
        return None
    except OSError:
        return False


def looked(servers: Sequence[Server], seconds: float) -> dict[str, bool]:
    """All at once, since each that is silent takes its time."""
    if not servers:
        return {}
    with ThreadPoolExecutor(max_workers=min(len(servers), 32)) as threads:
        found = threads.map(lambda each: answers(each, seconds), servers)
        return {each.name: answer for each, answer in zip(servers, found) if answer is not None}
