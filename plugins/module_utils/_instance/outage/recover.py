# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Start a server that is down, watch what it is at, and return when it has proved that it serves."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils import _debian
from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._instance import observe as instances
from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage import places, story, systemd
from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage.diagnose import doing
from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage.found import Found, Server
from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage.observe import running
from ansible_collections.runbook.postgres.plugins.module_utils._receiver import STREAMS

_PAUSE = 0.5
# Debian's tools need a moment from when systemd calls the unit started until its server has written its lock.
_GONE_SECONDS = 5.0
_LEFTOVER_SECONDS = 60.0
_STREAM_SECONDS = 30.0
# A transaction with something in it, so that its commit has to reach the disk. It waits for no standby.
_WRITE = """
BEGIN;
SET LOCAL transaction_read_only = off;
SET LOCAL synchronous_commit = local;
SELECT pg_logical_emit_message(true, 'runbook.postgres', 'recovered');
COMMIT;
"""
_STANDBY = f"""
SELECT json_build_object(
  'configured', current_setting('primary_conninfo') <> '',
  'streaming', {STREAMS})
"""


@dataclass
class Outcome:
    """What came of it, so far."""

    role: str | None = None
    seconds: float = 0.0
    streaming: bool | None = None
    # The WAL files that it was seen to replay, each with the seconds at which.
    progress: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def result(self) -> dict[str, Any]:
        told = {"role": self.role, "seconds": round(self.seconds, 1), "streaming": self.streaming}
        return {**told, "progress": self.progress, "warnings": self.warnings}


def bring_up(version: int, name: str, found: Found, seconds: float, outcome: Outcome) -> None:
    """`outcome` is filled on the way: what was seen until it failed is worth knowing as well."""
    began, deadline = time.monotonic(), Deadline(seconds)
    since = instances.log_end(version, name)
    if found.server is None:
        _let_end(found, deadline.at_most(_LEFTOVER_SECONDS))
        systemd.begin(found.unit.name)
    try:
        server = _served(version, name, found, since, deadline, outcome, began)
    finally:
        outcome.seconds = time.monotonic() - began
    _verify(version, name, found, server, deadline, outcome)
    outcome.seconds = time.monotonic() - began


def _let_end(found: Found, deadline: Deadline) -> None:
    """A server that was killed leaves processes that end when they notice; before that no other may start."""
    while True:
        left = [pid for pid in found.leftovers if places.working_in(pid, Path(found.place.path))]
        if not left:
            return
        if deadline.passed():
            numbers = " ".join(str(pid) for pid in left)
            raise Refused(
                f"Processes {numbers} of a server that is gone still use {found.place.path} and do not end: see what "
                f"they do, end them with 'kill -TERM {numbers}', and run this again."
            )
        time.sleep(_PAUSE)


def _served(
    version: int, name: str, found: Found, since: int, deadline: Deadline, outcome: Outcome, began: float
) -> Server:
    gone = Deadline(_GONE_SECONDS)
    while True:
        server = running(instances.observe(version, name))
        if server is not None and server.answers:
            return server
        if server is not None or systemd.show(found.unit.name).active in ("activating", "reloading"):
            gone = Deadline(_GONE_SECONDS)
        if server is not None and server.replaying:
            _note(outcome, server.replaying, time.monotonic() - began)
        if gone.passed():
            raise Problem(f"{found.unit.name} was started and ended again: {_why(version, name, since)}; mend that.")
        if deadline.passed():
            raise Problem(_not_in_time(found, server, outcome, time.monotonic() - began))
        time.sleep(_PAUSE)


def _note(outcome: Outcome, file: str, seconds: float) -> None:
    if not outcome.progress or outcome.progress[-1]["replaying"] != file:
        outcome.progress.append({"seconds": round(seconds, 1), "replaying": file})


def _why(version: int, name: str, since: int) -> str:
    log = _debian.log_file(version, name)
    text = ""
    if log.exists():
        with log.open("rb") as file:
            file.seek(since if since <= log.stat().st_size else 0)
            text = file.read(1 << 20).decode(errors="replace")
    words = story.read(str(log), text).words
    return "; ".join(words) if words else f"its log tells no reason, see 'journalctl -u {_debian.unit(version, name)}'"


def _not_in_time(found: Found, server: Server | None, outcome: Outcome, seconds: float) -> str:
    if server is None:
        return f"{found.unit.name} has no server after {seconds:.0f} s: see 'systemctl status {found.unit.name}'."
    done = len(outcome.progress)
    files = f" ({done} WAL files since, from {outcome.progress[0]['replaying']})" if done else ""
    at = doing(replace(found, server=server))
    return (
        f"The server of instance {found.title} takes no connections after {seconds:.0f} s{at}{files}: it goes on by "
        "itself; run this again to wait on, with more timeout if it has much to replay."
    )


def _verify(version: int, name: str, found: Found, server: Server, deadline: Deadline, outcome: Outcome) -> None:
    outcome.role = "standby" if server.in_recovery else "primary"
    expected = "standby" if found.place.standby else "primary"
    if outcome.role != expected and not found.place.recovering:
        raise Problem(
            f"Instance {found.title} was to come up as a {expected} and is a {outcome.role}: somebody changed it "
            "meanwhile; see with runbook.postgres.topology who is what."
        )
    now = instances.observe(version, name)
    if now.server is None:
        raise Problem(f"Instance {found.title} came up and ended again: see {_debian.log_file(version, name)}.")
    socket = now.server.socket(seconds=30.0)
    if outcome.role == "primary":
        socket.psql(_WRITE)
        return
    told = socket.json(_STANDBY)
    waits = deadline.at_most(_STREAM_SECONDS)
    while told["configured"] and not told["streaming"] and not waits.passed():
        time.sleep(_PAUSE)
        told = socket.json(_STANDBY)
    outcome.streaming = told["streaming"]
    if told["configured"] and not told["streaming"]:
        outcome.warnings.append(
            f"Instance {found.title} serves reads and does not stream: see whether its primary runs, and its log."
        )
