# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A standby that is in its place is started, and waited for until it streams."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed, run
from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._debian import (
    bin_directory,
    config_directory,
    log_file,
    run_as_postgres,
    unit,
)
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._standby.local import Host, log_size, server_of
from ansible_collections.runbook.postgres.plugins.module_utils._standby.place import Place

_PAUSE = 0.2
_TAIL_BYTES = 16384
_SHOWN_LINES = 4
# Whatever says why it does not stream has one of these in it.
_TELLING = ("FATAL:", "ERROR:", "PANIC:", "DETAIL:", "HINT:", "could not", "WARNING:")


@dataclass(frozen=True)
class Start:
    title: str

    @property
    def sentence(self) -> str:
        return f"start instance {self.title}"


def too_low(found: dict[str, int], needed: dict[str, int]) -> list[str]:
    """The settings in which a standby would have less than its primary had: it would not start, or stop replaying."""
    return [
        f"{name} = {found[name]} where the primary has {value}"
        for name, value in needed.items()
        if name in found and found[name] < value
    ]


def refuse_too_low(version: int, instance: str, host: Host) -> None:
    """Before it is started: afterwards it says the same in its log and is down."""
    if host.data is None or host.data.control is None:
        return
    needed = dict(host.data.control.settings)
    found = {name: _configured(version, instance, name) for name in needed}
    low = too_low(found, needed)
    if low:
        raise Refused(
            f"Instance {version}/{instance} cannot be a standby with {', '.join(low)}: "
            "raise that here first; what is lowered is lowered on the primary first."
        )


def _configured(version: int, instance: str, name: str) -> int:
    file = config_directory(version, instance) / "postgresql.conf"
    argv = [str(bin_directory(version) / "postgres"), "-C", name, "-c", f"config_file={file}"]
    try:
        return int(run_as_postgres(argv, 30))
    except ProgramFailed as error:
        raise Refused(f"The settings of instance {version}/{instance} cannot be used: {error.words}.") from error


def start(version: int, instance: str, seconds: float) -> None:
    since = log_size(version, instance)
    try:
        run(["systemctl", "start", unit(version, instance)], seconds)
    except ProgramFailed as error:
        raise Problem(
            f"Instance {version}/{instance} does not start{_log(version, instance, since)}; "
            f"see {log_file(version, instance)}."
        ) from error


def wait(version: int, instance: str, port: int, place: Place, seconds: float, since: int) -> None:
    """Return when it streams; else the sentence has what the log said meanwhile."""
    deadline = Deadline(seconds)
    while True:
        server = server_of(port, place.data)
        if server is not None and server.streaming:
            return
        if server is not None and server.in_recovery is False:
            raise Problem(f"Instance {version}/{instance} is no standby any more: somebody promoted it.")
        if deadline.passed():
            state = "does not run" if server is None else "runs but does not stream from its upstream"
            raise Problem(
                f"Instance {version}/{instance} {state} after {seconds:.0f} s{_log(version, instance, since)}; "
                f"see {log_file(version, instance)}."
            )
        time.sleep(_PAUSE)


def _log(version: int, instance: str, since: int) -> str:
    lines = telling_lines(_tail(log_file(version, instance), since))
    return f", its log says: {' / '.join(lines)}" if lines else ", its log says nothing about it"


def _tail(path: Path, since: int) -> str:
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            file.seek(max(min(since, size), size - _TAIL_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def telling_lines(text: str) -> list[str]:
    """The last different lines that tell of trouble, without the time in front."""
    told = [line.partition("] ")[2] or line for line in text.splitlines() if any(word in line for word in _TELLING)]
    return list(dict.fromkeys(" ".join(line.split()) for line in reversed(told)))[:_SHOWN_LINES][::-1]
