# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The latest backup of a database, restored on a server that is there for nothing else, just as in earnest."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable

from ansible_collections.runbook.postgres.plugins.module_utils._backup import place
from ansible_collections.runbook.postgres.plugins.module_utils._backup.belonging import of_one_cluster
from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import moment, written
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.far import tell
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.run import readable_of
from ansible_collections.runbook.postgres.plugins.module_utils._backup.repository import (
    LATEST,
    Backup,
    Repository,
    open_backup,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore import fetching, source, tools
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.flaw import flaw
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.mend import Restore
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.whole import Server
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.wish import DURING_SWAP, KEEP, RESTORE
from ansible_collections.runbook.postgres.plugins.module_utils._backup.state import NOTHING_KNOWN, State, write_state
from ansible_collections.runbook.postgres.plugins.module_utils._copy import CopyConnection
from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused, said
from ansible_collections.runbook.postgres.plugins.module_utils._session import DRIVER_MISSING, Session
from ansible_collections.runbook.postgres.plugins.module_utils._stream.offsite import NotOffsite

_CONNECT_SECONDS = 30.0
# An index of a large table is made by one statement.
_STATEMENT_SECONDS = 24 * 3600.0
# Databases are made and named from there, also one that is called postgres.
_LOGIN = "template1"
# As pg_restore is told it: a whole database under its own name, with its roles, on a server that has nothing.
_AS_IN_EARNEST: Mapping[str, Any] = {
    "target": None,
    "replace": False,
    "again": False,
    "replaced": KEEP,
    "keep_out": DURING_SWAP,
    "safety_backup": False,
    "safety_repository": None,
    "safety_retention": None,
    "expected_size": None,
    "roles": RESTORE,
    "tablespaces": "default",
    "tables": [],
    "schemas": [],
    "into_schema": None,
    "rename_to": None,
    "checks": None,
    # The drill has a time for all of it.
    "timeout": tools.LONGEST_SECONDS,
}


class Rehearsed:
    """One backup, chosen when this is made; nothing is fetched or changed before it is restored."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        """By `repository` or `offsite`, and `database`, `identity`, `jobs` and `system_identifier`."""
        if DRIVER_MISSING is not None:
            raise Refused("psycopg2 is not on this host, and a logical backup takes it: install python3-psycopg2.")
        if (given["repository"] is None) == (given["offsite"] is None):
            raise Refused("A logical backup is in a repository or offsite: give one of the two for each.")
        self._given = {**given, **_AS_IN_EARNEST, "backup": LATEST}
        there = _latest(self._given)
        self._told = there.manifest
        self._failed_before = there.failure is not None
        # Before anything is fetched: a key that does not open it is not tried in vain.
        source.key_for(Backup(Path(), self._told), given["identity"])

    @property
    def id(self) -> str:
        return self._told.id

    @property
    def database(self) -> str:
        return self._told.origin.database

    @property
    def bytes(self) -> int:
        """Of the database, as it was."""
        return self._told.origin.bytes

    @property
    def major(self) -> int:
        return self._told.origin.major

    @property
    def taken(self) -> float:
        """What was committed then is in it, in seconds since 1970."""
        return moment(self._told.started).timestamp()

    @property
    def system_identifier(self) -> str | None:
        return self._told.origin.system_identifier

    def restore(self, parameters: Mapping[str, Any], fetched: Path) -> list[str]:
        """Into that server; a copy from elsewhere is fetched to `fetched` first. What was compared, as sentences."""
        here = self._given["repository"] or str(fetched)
        options = {**self._given, "backup": self.id, "repository": here}
        directory = Path(here) / self.id
        try:
            checks = self._checked(parameters, options)
        except Problem as error:
            self._tell(error, directory)
            raise
        # One that lies where nobody can write is proven all the same.
        with contextlib.suppress(OSError, Refused, NotOffsite):
            self._remember(directory, lambda state, at: state.held("restore", at))
        rows = checks.get("rows")
        counted = [] if rows is None else [f"its tables have the {rows} rows that its manifest counts"]
        return ["its files are those that were written", *counted, "its indexes are valid"]

    def _checked(self, parameters: Mapping[str, Any], options: Mapping[str, Any]) -> Mapping[str, Any]:
        with _session(parameters, _LOGIN) as session:
            server = Server(session, lambda name: _session(parameters, name), {**parameters, "dbname": _LOGIN})
            restore = Restore(options, server, lambda name: CopyConnection({**parameters, "dbname": name}), alone=True)
            restore.carry_out()
            return dict(restore.result()["checks"])

    def _tell(self, error: Problem, directory: Path) -> None:
        """Whoever restores next is told that it is no good, where it is the backup that is not."""
        found = flaw(error, directory)
        if found is None:
            return
        try:
            self._remember(directory, lambda state, at: state.failed(found.level, found.sentence, at))
        except (OSError, Refused, NotOffsite) as reason:
            raise Problem(
                f"{error.sentence} That could not be written down with the backup ({said(reason).rstrip('.')}), which "
                "others take for a good one until it is: mend that and hold the drill again."
            ) from error

    def _remember(self, directory: Path, judged: Callable[[State, str], State]) -> None:
        """With the backup, where others look, and where another run may write as well."""
        now = written(datetime.now(timezone.utc))
        if self._given["offsite"] is not None:
            state = judged(NOTHING_KNOWN, now)
            if self._failed_before or state.failure is not None:
                tell(self._given["offsite"], self.id, state)
            return
        with place.alone(directory.parent, readable_of(self.database), f"database {self.database}"):
            write_state(directory, judged(open_backup(directory).state, now))


def _session(parameters: Mapping[str, Any], database: str) -> Session:
    return Session({**parameters, "dbname": database}, Deadline(_CONNECT_SECONDS), {}, _STATEMENT_SECONDS)


def _latest(options: Mapping[str, Any]) -> fetching.Elsewhere:
    """The newest, whatever is wrong with it: an older one in its place would hide just that."""

    def own() -> str | None:
        """The server that it is restored on is nobody's."""
        told: str | None = options["system_identifier"]
        return told

    if options["offsite"] is not None:
        return fetching.wanted(options, source.fit(options), own)
    repository, database = Repository(Path(options["repository"])), options["database"]
    fits = source.fit(options)
    found = [
        each.manifest
        for each in repository.backups()
        if database in (None, each.manifest.origin.database) and fits(each.manifest)
    ]
    if not found:
        # In its own words, which name what is wrong.
        return fetching.Elsewhere(repository.find(LATEST, database, fit=fits, own=own).manifest)
    if len({each.origin.database for each in found}) > 1:
        raise Refused(f"{repository.place} holds backups of several databases: say of which one the latest is meant.")
    mine = of_one_cluster(found, own, str(repository.place))
    newest = max((each for each in found if each.id in mine), key=lambda each: each.number)
    for broken in repository.broken_since(newest.id):
        raise Refused(broken.problem)
    return fetching.Elsewhere(newest)
