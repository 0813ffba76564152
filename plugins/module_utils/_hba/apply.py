# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Make rules the rules in force, or leave those that were.

What was in force is kept beside the new files until a login has proved the new
rules: a run that is killed anywhere before is recognised by that.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils import _files
from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed, run
from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._files import File, put
from ansible_collections.runbook.postgres.plugins.module_utils._hba.plan import FILES, HbaPlan, Observed, faulty
from ansible_collections.runbook.postgres.plugins.module_utils._hba.server import (
    CLOSED,
    RUNNING,
    STOPPED,
    Server,
    Way,
    log_in,
)

_KEPT = ".before-runbook"
# Between two looks at whether the server has reloaded.
_PAUSE = 0.1
# A login may fail for a moment for reasons that are not ours.
_PATIENCE = 3.0
# The server's clock has a finer grain than a number of seconds can hold.
_GRAIN = 0.001


def observe(way: Way) -> Observed:
    server = way.look()
    if server.state == CLOSED:
        way.wait_while_starting()
        server = way.look()
    paths = [way.directory / name for name in FILES]
    kept = [_files.observe(_beside(path)) for path in paths]
    return Observed(
        directory=way.directory,
        files=tuple(_files.observe(path) for path in paths),
        written=max([0.0, *(_written(path) for path in paths)]),
        kept=tuple(file for file in kept if file is not None),
        server=server,
    )


def _beside(path: Path) -> Path:
    return path.with_name(path.name + _KEPT)


def _copy(file: File, path: Path) -> None:
    """With its time, by which we know later whether the server has loaded it."""
    moment = _written(file.path)
    put(replace(file, path=path), path)
    os.utime(path, (moment, moment), follow_symlinks=False)


def _written(path: Path) -> float:
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return 0.0


class Rules:
    """The rules of one instance, changed so that the way back stays open."""

    def __init__(self, way: Way, prove: Sequence[Mapping[str, Any]]) -> None:
        self._way = way
        self._prove = prove

    def recover(self, found: Observed) -> Observed:
        """An earlier run was killed after it had locked us out: what was in force before is put back first."""
        if found.server.state != CLOSED or not found.kept:
            return found
        self._put_back()
        self._reload()
        self._wait_for(time.time() - self._way.seconds)
        return observe(self._way)

    def carry_out(self, plan: HbaPlan, found: Observed) -> None:
        if not plan.changed:
            return
        if not found.directory.is_dir():
            raise Refused(f"{found.directory} is not there: make instance {self._way.name} first.")
        if found.server.state == STOPPED:
            for change in plan.changes:
                change.apply()
            self._forget()
            return
        self._keep(plan, found)
        for change in plan.changes:
            change.apply()
        if found.server.state == RUNNING:
            self._validate()
        self._put_in_force()
        self._forget()

    def give_up(self, plan: HbaPlan, found: Observed, *, pretend: bool) -> None:
        """What cannot be loaded is not left for the server's next start to stumble over."""
        if found.kept and not pretend:
            self._give_back()
        raise Refused(" ".join(plan.refusals))

    def _give_back(self) -> None:
        self._put_back()
        self._forget()

    def _keep(self, plan: HbaPlan, found: Observed) -> None:
        there = {file.path for file in found.kept}
        for change in plan.changes:
            old = change.before
            if old is not None and _beside(old.path) not in there:
                _copy(old, _beside(old.path))

    def _validate(self) -> None:
        server = self._way.look()
        if server.faults:
            self._give_back()
            raise Problem(faulty(server, "the old files are back, and nothing was reloaded"))

    def _put_in_force(self) -> None:
        issued = time.time()
        try:
            self._reload()
            server = self._wait_for(issued)
            if server.faults:
                raise Problem(faulty(server, "it did not load the rules"))
            for parameters in self._prove:
                self._log_in(parameters)
        except Problem as error:
            self._put_back()
            raise Problem(f"{error.sentence.rstrip('.')}; {self._back_in_force()}.") from error

    def _back_in_force(self) -> str:
        issued = time.time()
        try:
            self._reload()
            self._wait_for(issued)
        except Problem as error:
            return f"the old files are back, but {error.sentence.rstrip('.')}"
        self._forget()
        return "the old files are back and in force"

    def _log_in(self, parameters: Mapping[str, Any]) -> None:
        who = f"user {parameters.get('user', 'postgres')} at {parameters.get('host', 'the socket')}"
        try:
            log_in({"port": self._way.port, "dbname": "postgres", **parameters}, self._way.seconds)
        except ProgramFailed as error:
            raise Problem(f"With the new rules {who} cannot log in any more ({error.words})") from error

    def _reload(self) -> None:
        """By a signal, which needs no login."""
        argv = ["pg_ctlcluster", "--skip-systemctl-redirect", str(self._way.version), self._way.instance, "reload"]
        run(argv, self._way.seconds)

    def _wait_for(self, issued: float) -> Server:
        """Until a new login finds a server that reloaded after that time."""
        deadline = Deadline(self._way.seconds)
        patience = deadline.at_most(_PATIENCE)
        while True:
            server = self._way.look()
            if server.state == RUNNING:
                if server.loaded >= issued - _GRAIN:
                    return server
                patience = deadline.at_most(_PATIENCE)
            if server.state != RUNNING and patience.passed():
                why = server.reason or "it does not run any more"
                raise Problem(f"With the rules as they are the system's postgres cannot log in ({why.rstrip('.')})")
            if deadline.passed():
                raise Problem(
                    f"The server did not reload its configuration within {self._way.seconds:.0f} s: "
                    "look for errors in pg_file_settings and in its log"
                )
            time.sleep(_PAUSE)

    def _put_back(self) -> None:
        for name in FILES:
            path = self._way.directory / name
            kept = _files.observe(_beside(path))
            if kept is not None:
                _copy(kept, path)

    def _forget(self) -> None:
        for name in FILES:
            path = _beside(self._way.directory / name)
            if path.exists():
                put(None, path)
