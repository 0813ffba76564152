# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Pools that lead to the primary: made to wait, led to another server, and let go on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, QueryFailed, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._files import File, FileChange
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.console import console
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.host import Host, read_host
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.layout import Process
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session, compose, identifier
from ansible_collections.runbook.postgres.plugins.module_utils._switchover import pools
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.notes import Notebook

_TLS = {"sslmode": "sslmode", "ca_file": "sslrootcert", "cert_file": "sslcert", "key_file": "sslkey"}
_CONSOLE_SECONDS = 5.0


@dataclass(frozen=True)
class Repointing:
    """A process of PgBouncer with its pools that lead to the primary, and its file once they lead to the candidate."""

    process: Process
    port: int
    names: tuple[str, ...]
    change: FileChange

    def console(self, seconds: float) -> contextlib.AbstractContextManager[Session]:
        return console(self.process.socket_directory, self.port, seconds)


@dataclass(frozen=True)
class Way:
    """From which server to which one, and how a pooler logs in there."""

    primary: str
    candidate: str
    port: int
    auth_user: str


def repointings(host: Host, old: Sequence[str], new: str) -> list[Repointing]:
    """The processes with pools that lead to one of `old`, which are to lead to `new`."""
    found = []
    for process, running in host.running.items():
        file = host.files.get(process.ini)
        text = "" if file is None else file.content.decode(errors="surrogateescape")
        if file is None or not pools.ours(text):
            raise Refused(
                f"{process.ini} was not written by role pgbouncer: run site first, which has it as it should be."
            )
        after, names = text, list[str]()
        for address in old:
            after, led = pools.repointed(after, address, new)
            names += led
        if names:
            wanted = File(file.path, after.encode(errors="surrogateescape"), file.owner, file.group, file.mode)
            port = int(running.settings["listen_port"][0])
            found.append(Repointing(process, port, tuple(names), FileChange(file, wanted)))
    if not found:
        raise Refused(
            f"No pool of this pooler leads to {' or '.join(old)}, the primary: run site first, which sees to that."
        )
    return found


def parameters(host: Host, primaries: Sequence[str], port: int, auth_user: str) -> Callable[[str], dict[str, Any]]:
    """How PgBouncer itself connects to a server to look up passwords."""
    running = next(iter(host.running.values()))
    tls = {theirs: running.settings.get(f"server_tls_{ours}", ("", True))[0] for ours, theirs in _TLS.items()}
    database = next(each["database"] for each in running.databases.values() if each.get("host") in primaries)
    common = {name: value for name, value in tls.items() if value}
    common.update(user=auth_user, dbname=database, port=str(port))
    return lambda address: {**common, "host": address}


def _pause(session: Session, name: str) -> bool:
    try:
        session.fetch(compose("PAUSE {name}", name=identifier(name)))
    except Problem:
        return False
    return True


def pause(processes: Sequence[Repointing], seconds: float) -> list[str]:
    """All pools at once, since each waits for the transactions that are open in it; returns those that did not pause
    in time, after which all of them go on."""
    with contextlib.ExitStack() as opened:
        asked = [(name, opened.enter_context(each.console(seconds))) for each in processes for name in each.names]
        with ThreadPoolExecutor(max_workers=len(asked)) as threads:
            begun = {threads.submit(_pause, session, name): name for name, session in asked}
            done, _late = wait(begun, timeout=seconds)
            late = [name for future, name in begun.items() if future not in done or not future.result()]
            if late:
                # Before the threads are waited for, which look a moment longer.
                resume(processes)
    return late


def lead(processes: Sequence[Repointing], address: str) -> None:
    for each in processes:
        each.change.apply()
        with each.console(_CONSOLE_SECONDS) as session:
            session.fetch("RELOAD")
            # PgBouncer answers the same whether it took the file or not.
            told = {row["name"]: row["host"] for row in session.fetch("SHOW DATABASES")}
        astray = [name for name in each.names if told.get(name) != address]
        if astray:
            raise Problem(
                f"{each.process.unit} was reloaded and its pool {astray[0]} does not lead to {address}: look into its "
                "log, and run this again."
            )


def resume(processes: Sequence[Repointing]) -> None:
    """One that is not paused says so, which is as good."""
    failed: list[str] = []
    for each in processes:
        for name in each.names:
            try:
                with each.console(_CONSOLE_SECONDS) as session, contextlib.suppress(QueryFailed):
                    session.fetch(compose("RESUME {name}", name=identifier(name)))
            except Problem as error:
                failed.append(error.sentence)
    if failed:
        raise Problem(f"Clients may still wait: {failed[0]} Have PgBouncer's console do RESUME.")


def settle(host: Host, notes: Notebook) -> str | None:
    """Nobody is left waiting by a part that ended on its way."""
    note = notes.read()
    if note is None or not note.unfinished:
        return None
    for process, running in host.running.items():
        with console(process.socket_directory, int(running.settings["listen_port"][0])) as session:
            for name in running.databases:
                with contextlib.suppress(QueryFailed):
                    session.fetch(compose("RESUME {name}", name=identifier(name)))
    notes.end("its clients go on")
    return "resumed"


def prepared(way: Way) -> tuple[list[Repointing], Callable[[str], dict[str, Any]]]:
    host = running_here()
    repoint = repointings(host, (way.primary,), way.candidate)
    return repoint, parameters(host, (way.primary,), way.port, way.auth_user)


def running_here() -> Host:
    host = read_host((Process(),), None)
    if host.program is None or not host.running:
        raise Refused(
            "PgBouncer does not run on this host, so that its clients cannot be kept waiting: run site first."
        )
    return host
