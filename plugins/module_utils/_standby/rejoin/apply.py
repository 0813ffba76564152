# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Carries a plan out, step by step; killed anywhere, the next run finds the mark and goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils import _files
from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._debian import SUPERUSER
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._standby import local
from ansible_collections.runbook.postgres.plugins.module_utils._standby.apply import stop
from ansible_collections.runbook.postgres.plugins.module_utils._standby.plan import Stop, Wanted
from ansible_collections.runbook.postgres.plugins.module_utils._standby.rejoin import keep, mark, rewind, tail
from ansible_collections.runbook.postgres.plugins.module_utils._standby.rejoin.plan import (
    Follow,
    Keep,
    Recover,
    Rewind,
    Seen,
    branch,
    rewound,
)
from ansible_collections.runbook.postgres.plugins.module_utils._standby.rejoin.rewind import Rewinding
from ansible_collections.runbook.postgres.plugins.module_utils._standby.upstream import Upstream


class Apply:
    """Knows how each step is taken."""

    def __init__(
        self, wanted: Wanted, seen: Seen, upstream: Upstream, rewinding: Rewinding, fork: tuple[int, str] | None
    ) -> None:
        self._wanted = wanted
        self._upstream = upstream
        self._rewinding = rewinding
        self._port = 0
        self._fork = fork
        self._mark = seen.mark
        # Steps that were taken, for a run that fails on its way.
        self.done: list[Any] = []

    @property
    def _data(self) -> Path:
        return self._wanted.place.data

    def carry_out(self, plan: Plan, port: int) -> None:
        self._port = port
        for change in plan.changes:
            if isinstance(change, Stop):
                stop(self._wanted, port)
            elif isinstance(change, Keep):
                self._keep(change)
            elif isinstance(change, Recover):
                self._recover()
            elif isinstance(change, Rewind):
                self._rewind(again=change.again)
            elif isinstance(change, Follow):
                self._follow(late=change.late)
            self.done.append(change)

    def _keep(self, change: Keep) -> None:
        wanted, kept = self._wanted, Path(change.to)
        if self._mark is None and self._fork is not None:
            word = mark.start(wanted.version, wanted.instance)
            self._mark = mark.Mark(change.to, *self._fork, word)
            mark.write(self._data, self._mark)
        mark.keep_from_starting(wanted.version, wanted.instance)
        keep.begin(kept)
        keep.wal(self._data, kept, change.tail.files, self._rewinding.seconds)
        keep.settings(self._data, kept, self._rewinding.seconds)
        keep.manifest(kept, told(wanted, self._upstream, change.tail, self._fork))

    def _recover(self) -> None:
        """It writes WAL as well, without which a rewinding that is killed could not be done again."""
        # A server alone is no standby, nor does pg_rewind take one that is.
        (self._data / "standby.signal").unlink(missing_ok=True)
        rewind.recover(self._rewinding)
        data = local.observe(self._wanted.version, self._wanted.instance, self._port, self._wanted.place).data
        own = None if data is None else branch(data)
        if own is not None and data is not None and data.control is not None and self._mark is not None:
            files = tail.segments(self._data, own, self._mark.fork, own.lsn, data.control.segment_bytes)
            keep.wal(self._data, Path(self._mark.kept), sorted(files), self._rewinding.seconds)

    def _rewind(self, *, again: bool) -> None:
        if again and self._mark is not None:
            keep.wal_back(self._data, Path(self._mark.kept), self._rewinding.seconds)
        rewind.try_out(self._rewinding)
        rewind.rewind(self._rewinding)
        host = local.observe(self._wanted.version, self._wanted.instance, self._port, self._wanted.place)
        if not rewound(Seen(host, label=has_label(self._data)), self._upstream):
            raise Problem(
                f"pg_rewind of {self._data} told of no error and did not bring it to timeline "
                f"{self._upstream.position.timeline}: run this again; if it goes on, name this host for reinit."
            )

    def _follow(self, *, late: bool) -> None:
        wanted, signal = self._wanted, self._data / "standby.signal"
        if late:
            rewind.bring_to_disk(self._rewinding)
        if self._mark is not None:
            keep.settings_back(self._data, Path(self._mark.kept), self._rewinding.seconds)
        _files.put(_files.File(signal, b"", SUPERUSER, SUPERUSER, 0o600), signal)
        if self._mark is not None:
            mark.let_start(wanted.version, wanted.instance, self._mark.start)
            mark.remove(self._data)


def has_label(data: Path) -> bool:
    return (data / "backup_label").exists()


def told(wanted: Wanted, upstream: Upstream, found: tail.Tail, fork: tuple[int, str] | None) -> dict[str, Any]:
    """What is kept and what it is of, for who reads it later."""
    timeline, lsn = fork or (0, "")
    return {
        "system_identifier": upstream.system_identifier,
        "instance": wanted.title,
        "data_directory": str(wanted.place.data),
        "timeline": timeline,
        "from": lsn,
        "to": found.last,
        # Where the beginning of it is gone already, nobody counts.
        "records": found.records or None,
        "commits": found.commits if found.records else None,
        "bytes": found.bytes,
        "files": list(found.files),
        "followed": {"upstream": upstream.place, "timeline": upstream.position.timeline},
    }
