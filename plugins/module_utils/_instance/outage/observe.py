# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Everything that may tell why an instance is down, looked at once. Nothing is written."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils import _debian, _promoters
from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Silent
from ansible_collections.runbook.postgres.plugins.module_utils._instance import observe as instances
from ansible_collections.runbook.postgres.plugins.module_utils._instance.configuration import without_passwords
from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage import kernel, places, story, systemd
from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage.found import Found, Server, Story
from ansible_collections.runbook.postgres.plugins.module_utils._ports import alive, listeners, program
from ansible_collections.runbook.postgres.plugins.module_utils._postmaster import Postmaster

_CONFIGURATION_SECONDS = 20.0
_ANSWER_SECONDS = 8.0
# Of a log that may have grown for months its end is what counts.
_LOG_BYTES = 512 * 1024
_STARTING = ("is starting up", "not yet accepting connections", "not accepting connections", "in recovery mode")
_REPLAYS = re.compile(r"startup (?P<what>recovering|waiting for) (?P<file>[0-9A-F]{24})")
_ASK = "SELECT json_build_object('in_recovery', pg_is_in_recovery())"


def observe(version: int, name: str) -> Found:
    instance = instances.observe(version, name)
    unit = _debian.unit(version, name)
    found = Found(
        instance.title, str(instance.directory), instance.port, places.place(version, instance.data_directory),
        systemd.show(unit),
        installed=(_debian.bin_directory(version) / "postgres").exists(),
        configured=instance.configuration is not None,
        start=instance.start,
        promoters=tuple(_promoters.running()),
    )  # fmt: skip
    if not found.installed or not found.configured:
        return found
    server = running(instance)
    if server is not None and server.answers:
        return replace(found, server=server, port=server.port)
    return _down(found, instance, server)


def _down(found: Found, instance: instances.Instance, server: Server | None) -> Found:
    data = instance.data_directory
    port, complaint = configured_port(instance)
    told = read_story(instance)
    return replace(
        found,
        server=server,
        port=port or found.port,
        volumes=places.volumes(data, _debian.log_file(instance.version, instance.name)),
        configuration=complaint,
        port_taken_by=None if server else holder(port or found.port),
        lock=None if server else places.lock(data),
        leftovers=() if server or not found.place.exists else places.leftovers(data),
        story=told,
        out_of_memory=kernel.killed() if any(each.killed for each in told.crashes) or _killed(found) else None,
    )


def _killed(found: Found) -> bool:
    return found.unit.result in ("oom-kill", "signal") or found.unit.main_signal is not None


def running(instance: instances.Instance) -> Server | None:
    """The server on this data, and what it says; its number may be another server's by now."""
    postmaster = instance.server
    if postmaster is None or not places.working_in(postmaster.pid, instance.data_directory):
        return None
    frozen = _stat(postmaster.pid)[:1] in (["T"], ["t"])
    what, file = _replay(postmaster.pid)
    return Server(
        postmaster.pid,
        postmaster.port,
        **({"silence": "it is stopped by a signal"} if frozen else _asked(postmaster)),
        frozen=frozen,
        replaying=file if what == "recovering" else None,
        awaits=file if what == "waiting for" else None,
    )


def _asked(postmaster: Postmaster) -> dict[str, object]:
    try:
        answer = postmaster.socket(read_only=True, seconds=_ANSWER_SECONDS).json(_ASK)
    except Silent as error:
        return {"silence": error.sentence}
    except Problem as error:
        return {"silence": error.sentence, "starting": any(words in error.sentence for words in _STARTING)}
    return {"in_recovery": bool(answer["in_recovery"])}


def _stat(pid: int) -> list[str]:
    """State and parent of a process, and what follows; nothing of one that is gone."""
    return (instances.read_text(Path(f"/proc/{pid}/stat")) or "").rpartition(")")[2].split()


def _replay(postmaster: int) -> tuple[str, str]:
    """What the startup process says that it is at."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _stat(int(entry.name))[1:2] == [str(postmaster)]:
            found = _REPLAYS.search(instances.read_text(entry / "cmdline") or "")
            if found:
                return found["what"], found["file"]
    return "", ""


def configured_port(instance: instances.Instance) -> tuple[int | None, str | None]:
    """The port as the server reads it, or what it says against its configuration."""
    file = instance.directory / "postgresql.conf"
    program_ = str(_debian.bin_directory(instance.version) / "postgres")
    # Not the data directory, which may be what is missing: the file names it.
    argv = [program_, "-C", "port", "-D", str(instance.directory), f"--config-file={file}"]
    try:
        printed = _debian.run_as_postgres(argv, _CONFIGURATION_SECONDS).strip()
    except ProgramFailed as error:
        return None, complaint(error.words) or str(error)
    return (int(printed) if printed.isdigit() else None), None


def complaint(words: str) -> str:
    """The server's words with file and line, each once, without what it says of its own way of telling."""
    lines = [re.sub(r"^.*?\b(?:LOG|WARNING|ERROR|FATAL|DETAIL|HINT):\s+", "", line) for line in words.split(" / ")]
    kept = [line.rstrip(".") for line in lines if not re.fullmatch(r'configuration file ".*" contains errors.*', line)]
    return without_passwords("; ".join(dict.fromkeys(kept or lines)))


def holder(port: int) -> str | None:
    """Another program that has the port."""
    for listener in listeners():
        if listener.port == port:
            return f"{listener.program} (PID {listener.pid})" if listener.pid else listener.program
    # A server that listens on no address still has the port's socket.
    words = (instances.read_text(Path(_debian.SOCKET_DIRECTORY) / f".s.PGSQL.{port}.lock") or "").split()
    if words and words[0].isdigit() and alive(int(words[0])) and program(int(words[0])) == "postgres":
        return f"another PostgreSQL server (PID {words[0]})"
    return None


def read_story(instance: instances.Instance) -> Story:
    """Of the log of Debian's and that of a collector of the server's own the one that was written last."""
    own = instances.read_text(instance.data_directory / "current_logfiles") or ""
    collected = [
        instance.data_directory / line.split(" ", 1)[1] for line in own.splitlines() if line.startswith("stderr ")
    ]
    files = [file for file in (_debian.log_file(instance.version, instance.name), *collected) if file.exists()]
    if not files:
        return Story("")
    file = max(files, key=lambda each: each.stat().st_mtime)
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - _LOG_BYTES))
        return story.read(str(file), opened.read().decode(errors="replace"))
