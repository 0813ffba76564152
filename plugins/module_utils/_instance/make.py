# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Make an instance with Debian's tools, start and stop it; a run that is killed is finished by the next."""

from __future__ import annotations

import fcntl
import json
import re
import shutil
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Callable

from ansible_collections.runbook.postgres.plugins.module_utils import _debian
from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed, run
from ansible_collections.runbook.postgres.plugins.module_utils._controldata import parsed, printed
from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, QueryFailed, Refused, Unreachable
from ansible_collections.runbook.postgres.plugins.module_utils._files import File, changed, put
from ansible_collections.runbook.postgres.plugins.module_utils._files import observe as observe_file
from ansible_collections.runbook.postgres.plugins.module_utils._instance import observe as instances
from ansible_collections.runbook.postgres.plugins.module_utils._instance.creation import (
    Found,
    Mark,
    Step,
    Traits,
    Wish,
)
from ansible_collections.runbook.postgres.plugins.module_utils._instance.service import control
from ansible_collections.runbook.postgres.plugins.module_utils._mounts import unmounted

_SETTLED = """
SELECT json_build_array(pg_encoding_to_char(encoding), datcollate) FROM pg_database WHERE datname = 'template0'
"""
_CONTROL_SECONDS = 20.0
# Another run, or the rest of one that was killed, may still be at work.
_WAIT_SECONDS = 300


def observe(wish: Wish) -> Found:
    instance = instances.observe(wish.version, wish.name, wish.data_directory)
    data = instance.data_directory
    found = Found(
        instance,
        instances.contents(data),
        None if wish.wal_directory is None else instances.contents(wish.wal_directory),
        instances.pg_version(data),
        (_debian.bin_directory(wish.version) / "initdb").exists(),
        read_mark(mark_path(wish)),
        instances.log_end(wish.version, wish.name),
        None if instance.configuration is not None else unmounted(data, wish.wal_directory),
    )
    return replace(found, traits=_traits(wish, found)) if found.exists and found.pg_version else found


def mark_path(wish: Wish) -> Path:
    return _debian.unfinished_mark(wish.version, wish.name)


def read_mark(path: Path) -> Mark | None:
    found = observe_file(path)
    if found is None:
        return None
    try:
        return Mark(**json.loads(found.content))
    except (TypeError, ValueError) as error:
        raise Refused(f"{path} was not written by this module: look what it is and remove it.") from error


def _traits(wish: Wish, found: Found) -> Traits:
    instance = found.instance
    wal = instance.data_directory / "pg_wal"
    encoding = locale = None
    if instance.server is not None:
        try:
            encoding, locale = instance.server.socket(read_only=True).json(_SETTLED)
        except (Unreachable, QueryFailed):
            # It is starting or stopping: another time, then.
            encoding = locale = None
    return Traits(
        _checksums(wish.version, instance.data_directory) if wish.checksums else None,
        encoding,
        locale,
        wal.resolve(),
    )


def _checksums(version: int, data: Path) -> bool | None:
    if not (_debian.bin_directory(version) / "pg_controldata").exists():
        return None
    found = parsed(printed(version, data, _CONTROL_SECONDS))
    return None if found is None else found.checksums


def apply(wish: Wish, found: Found, plan: Plan) -> None:
    ways: dict[Step, Callable[[Wish, Found], None]] = {
        Step.CLEAR: _clear,
        Step.FINISH: _finish,
        Step.CREATE: _create,
        Step.START: _start,
        Step.STOP: _stop,
    }
    for deed in plan.changes:
        ways[deed.step](wish, found)


def _clear(wish: Wish, found: Found) -> None:
    _wait_for_others(mark_path(wish))
    for directory in (found.instance.data_directory, wish.wal_directory):
        if directory is not None and directory.exists():
            # Not as root: the directory is postgres's, who could have left a link in it.
            _debian.run_as_postgres(["find", f"{directory}/", "-mindepth", "1", "-delete"], _WAIT_SECONDS)
    shutil.rmtree(found.instance.directory, ignore_errors=True)


def _wait_for_others(mark: Path) -> None:
    """A killed run's pg_createcluster goes on without it, and holds this lock."""
    deadline = Deadline(_WAIT_SECONDS)
    with mark.open("rb") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if deadline.passed():
                    raise Problem(f"Another run makes this instance (lock on {mark}): wait for its end.") from None
                time.sleep(0.2)
            else:
                return


def _create(wish: Wish, found: Found) -> None:
    data = found.instance.data_directory
    path = mark_path(wish)
    mark = Mark(str(data), None if wish.wal_directory is None else str(wish.wal_directory), found.log_bytes)
    put(File(path, json.dumps(asdict(mark)).encode() + b"\n", mode=0o600), path)
    if wish.wal_directory is not None:
        owned = ["install", "-d", "-o", "postgres", "-g", "postgres", "-m", "0700"]
        run([*owned, str(wish.wal_directory)], _CONTROL_SECONDS)
    # Nothing starts it before it is finished, not even a reboot.
    argv = ["pg_createcluster", "--start-conf", _debian.MANUAL, "--port", str(wish.port), "-d", str(data)]
    argv += ["--encoding", wish.encoding, "--locale", wish.locale, str(wish.version), wish.name, "--"]
    argv += ["--data-checksums"] if wish.checksums else []
    argv += [f"--waldir={wish.wal_directory}"] if wish.wal_directory is not None else []
    try:
        run(["flock", "--timeout", str(_WAIT_SECONDS), str(path), *argv], wish.seconds, umask=_debian.UMASK)
    except ProgramFailed as error:
        raise Problem(f"Instance {found.instance.title} could not be made: {error.sentence}") from error
    _start_at_boot(wish)
    put(None, path)


def _finish(wish: Wish, _found: Found) -> None:
    put(None, mark_path(wish))


def _start_at_boot(wish: Wish) -> None:
    path = _debian.config_directory(wish.version, wish.name) / "start.conf"
    found = observe_file(path)
    if found is None:
        raise Problem(f"pg_createcluster made no {path}: look what became of the instance, and drop it if it is empty.")
    text = re.sub(rb"^\s*manual\s*$", _debian.AUTO.encode(), found.content, flags=re.MULTILINE)
    change = changed(replace(found, content=text), found)
    if change is not None:
        change.apply()


def _start(wish: Wish, _found: Found) -> None:
    deadline = Deadline(wish.seconds)
    instance = control("start", wish.version, wish.name, wish.seconds)
    while True:
        try:
            if instance.server is not None:
                instance.server.socket(seconds=10).json("SELECT 1")
        except Unreachable as error:
            if deadline.passed():
                raise Problem(
                    f"Instance {instance.title} was started and takes no connections after {wish.seconds:.0f} s "
                    f"({error.sentence}): look at {_debian.log_file(wish.version, wish.name)}."
                ) from error
            time.sleep(0.2)
        else:
            return


def _stop(wish: Wish, _found: Found) -> None:
    control("stop", wish.version, wish.name, wish.seconds)
