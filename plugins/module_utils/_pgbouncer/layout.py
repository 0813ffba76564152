# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Where the processes of a pooler keep their files, and what each of them is told that the others are not.

One process is Debian's own service. Several share the port (so_reuseport), each
with a socket of its own, over which they hand a client's cancel request to
whichever of them holds that client.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CONFIG_DIRECTORY = Path("/etc/pgbouncer")
USERLIST = CONFIG_DIRECTORY / "userlist.txt"
LOG_DIRECTORY = Path("/var/log/postgresql")
TEMPLATE_UNIT = Path("/etc/systemd/system/pgbouncer@.service")
SINGLE_UNIT = "pgbouncer.service"

# Debian's unit with an instance's name in it.
TEMPLATE = """\
# Written by runbook.postgres; changes made here by hand are lost at its next run.
[Unit]
Description=connection pooler for PostgreSQL, process %i
Documentation=man:pgbouncer(1)
After=network.target

[Service]
Type=notify
User=postgres
RuntimeDirectory=pgbouncer/%i
ExecStart=/usr/sbin/pgbouncer /etc/pgbouncer/process-%i.ini
ExecReload=/bin/kill -HUP $MAINPID
KillSignal=SIGINT

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class Process:
    """One process, by its number; 0 is the only one."""

    number: int = 0

    @property
    def unit(self) -> str:
        return f"pgbouncer@{self.number}.service" if self.number else SINGLE_UNIT

    @property
    def ini(self) -> Path:
        return CONFIG_DIRECTORY / (f"process-{self.number}.ini" if self.number else "pgbouncer.ini")

    @property
    def socket_directory(self) -> str:
        return f"/run/pgbouncer/{self.number}" if self.number else "/var/run/postgresql"

    @property
    def pidfile(self) -> str:
        return f"{self.socket_directory}/pgbouncer.pid"

    @property
    def own_settings(self) -> dict[str, str]:
        log = f"pgbouncer-{self.number}.log" if self.number else "pgbouncer.log"
        own = {
            "logfile": str(LOG_DIRECTORY / log),
            "pidfile": self.pidfile,
            "unix_socket_dir": self.socket_directory,
            "auth_file": str(USERLIST),
        }
        if self.number:
            own.update(so_reuseport="1", peer_id=str(self.number))
        return own


def processes(count: int) -> tuple[Process, ...]:
    return (Process(),) if count == 1 else tuple(Process(number) for number in range(1, count + 1))


def peers(all_of_them: tuple[Process, ...], port: int) -> dict[str, Mapping[str, str]]:
    if len(all_of_them) == 1:
        return {}
    return {str(one.number): {"host": one.socket_directory, "port": str(port)} for one in all_of_them}
