# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The exchange: the old server stops, its directory goes aside, what was proven takes the place and starts."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils import _debian, _files, _registration
from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed, run
from ansible_collections.runbook.postgres.plugins.module_utils._controldata import parsed, printed
from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._instance.settings import AUTO_FILE
from ansible_collections.runbook.postgres.plugins.module_utils._postmaster import Postmaster, postmaster
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.place import Place
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.seclusion import quoted
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.target import Stop
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.trial import STOPPED_AT

_STOP_SECONDS = 600.0
_START_SECONDS = 300.0
_POLL_SECONDS = 0.2
_PROMOTE_SECONDS = 300
# What is written for a server that is to stay paused, and taken away when it is promoted; a server that writes its file
# itself keeps the settings and not the line.
_OURS = b"# runbook.postgres: recovery\n"
_RECOVERY = re.compile(r"(?m)^\s*(restore_command|recovery_target\w*)\s*=")
_ASK = """
SELECT json_build_object(
  'in_recovery', pg_is_in_recovery(),
  'system_identifier', (SELECT system_identifier::text FROM pg_control_system()))
"""


def stop(place: Place) -> None:
    """The unit first, so that systemd does not take it for a crash; then whoever else started it."""
    run(["systemctl", "stop", _debian.unit(place.version, place.instance)], _STOP_SECONDS)
    if postmaster(place.data) is not None:
        argv = [str(_debian.bin_directory(place.version) / "pg_ctl"), "stop", "-D", str(place.data), "-m", "fast", "-w"]
        _debian.run_as_postgres(argv, _STOP_SECONDS)
    if postmaster(place.data) is not None:
        raise Problem(f"The server on {place.data} does not stop: look what it waits for; nothing else was done.")


def aside(place: Place, stamp: str) -> None:
    """Nothing of it is lost: the directory gets another name, and what it links to stays where it is."""
    place.data.rename(place.aside(stamp))
    sync(place.data.parent)


def put(place: Place) -> None:
    """Onto nothing; onto anything but an empty directory the kernel refuses."""
    place.restored.rename(place.data)
    sync(place.data.parent)


def way_back(place: Place, old: Path) -> str:
    """Back to where the old data was in its place and the recovered one beside it, for the next run to go on from."""
    unit = _debian.unit(place.version, place.instance)
    steps = [["systemctl", "stop", unit]]
    if place.data.exists():
        steps.append(["mv", "-T", str(place.data), str(place.restored)])
    steps += [["mv", "-T", str(old), str(place.data)], ["systemctl", "start", unit]]
    return (
        f"What was there before is in {old}. This has it serve again, and keeps what was recovered for another run: "
        f"{' && '.join(map(shlex.join, steps))}"
    )


def register(place: Place, port: int) -> None:
    """For Debian's tools, with what the cluster had when it was backed up."""
    known = parsed(printed(place.version, place.data))
    settings = {} if known is None else {name: str(value) for name, value in known.settings.items()}
    _registration.register(place.version, place.instance, port, place.data, place.registration, settings)


def stay_paused(place: Place, recovery: Mapping[str, str]) -> None:
    """Have the restored data stop at the target again whenever it starts."""
    file = place.restored / AUTO_FILE
    text = file.read_bytes().partition(_OURS)[0]
    lines = "".join(f"{name} = {quoted(value)}\n" for name, value in recovery.items())
    content = text + _OURS + lines.encode()
    _files.put(_files.File(file, content, _debian.SUPERUSER, _debian.SUPERUSER, 0o600), file)


def silence(place: Place) -> None:
    """Have no server on the restored data archive, whatever configuration it is given."""
    file = place.restored / AUTO_FILE
    # The last line of a name counts.
    content = file.read_bytes().partition(_OURS)[0] + b"archive_mode = 'off'\n"
    _files.put(_files.File(file, content, _debian.SUPERUSER, _debian.SUPERUSER, 0o600), file)


def start(place: Place, *, paused: bool) -> None:
    """Start it in its place and return when it is what it is to be."""
    unit = _debian.unit(place.version, place.instance)
    if postmaster(place.data) is None:
        try:
            run(["systemctl", "start", unit], _START_SECONDS)
        except ProgramFailed as error:
            raise _does_not_start(place) from error
    deadline = Deadline(_START_SECONDS)
    while not _is_up(place, paused=paused):
        if deadline.passed() or postmaster(place.data) is None:
            raise _does_not_start(place)
        time.sleep(_POLL_SECONDS)


def _does_not_start(place: Place) -> Problem:
    log = _debian.log_file(place.version, place.instance)
    return Problem(
        f"What was recovered is in {place.data}, and instance {place.version}/{place.instance} does not start on it: "
        f"see {log}, mend that and run this again."
    )


def _is_up(place: Place, *, paused: bool) -> bool:
    found = postmaster(place.data)
    if found is None:
        return False
    try:
        said = dict(found.socket(read_only=True, seconds=10.0).json(_ASK))
        return stopped(place).paused if paused else not said["in_recovery"]
    except Problem:
        return False


def stopped(place: Place) -> Stop:
    """Where the instance says that it is paused."""
    found = postmaster(place.data)
    if found is None:
        raise Problem(f"No server runs on {place.data}: start it, and look at its log.")
    said: Mapping[str, Any] = found.socket(read_only=True).json(STOPPED_AT)
    return Stop.of(said)


def promote(place: Place) -> int:
    """Let a paused one take writes; the timeline that begins."""
    found = postmaster(place.data)
    if found is None:
        raise Problem(f"No server runs on {place.data}: start it, and run this again.")
    patient = found.socket(seconds=_PROMOTE_SECONDS + 20.0)
    if patient.json(_ASK)["in_recovery"]:
        # It says no when the time is over, and may be through a moment later.
        in_time = patient.psql(f"SELECT pg_promote(true, {_PROMOTE_SECONDS})").strip() == "t"
        if not in_time and patient.json(_ASK)["in_recovery"]:
            raise Problem(
                f"Instance {place.version}/{place.instance} was told to end its recovery and has not in "
                f"{_PROMOTE_SECONDS} s: see {_debian.log_file(place.version, place.instance)} for what it waits for, "
                "and run this again. It keeps its target until then, also when it is restarted."
            )
    forget_target(place, found)
    asked = "SELECT to_json(('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int)"
    return int(found.socket().json(asked))


def forget_target(place: Place, server: Postmaster) -> None:
    """Only once recovery has ended: without them one that is started again replays past its target, or not at all."""
    text = (place.data / AUTO_FILE).read_text(errors="surrogateescape")
    names = dict.fromkeys(_RECOVERY.findall(text))
    resets = "".join(f"ALTER SYSTEM RESET {_debian.identifier(name)};\n" for name in names)
    server.socket().psql(resets + "SELECT pg_reload_conf();")


def clear(place: Place) -> None:
    """The mark goes last: while it is there, the run has not ended."""
    for each in place.growing.iterdir():
        if each != place.mark:
            shutil.rmtree(each) if each.is_dir() else each.unlink()
    place.mark.unlink()
    place.growing.rmdir()
    sync(place.growing.parent)


def sync(directory: Path) -> None:
    """A rename lasts once its directory is on the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
