# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What was found on the server before anything is done, as values."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.runbook.postgres.plugins.module_utils._backup.room import Room


@dataclass(frozen=True)
class Database:
    name: str
    owner: str
    comment: str | None = None
    # Whether it takes connections, and how many of those that are not superusers.
    open: bool = True
    limit: int = -1
    bytes: int = 0
    sessions: int = 0
    prepared: int = 0
    subscriptions: int = 0
    slots: tuple[str, ...] = ()
    # Whether it holds nothing of anybody's; only known of the target.
    empty: bool = False


@dataclass(frozen=True)
class Scene:
    major: int
    standby: bool
    # The database that this is asked from, which cannot be renamed meanwhile.
    here: str
    system_identifier: str | None
    superuser: bool
    databases: tuple[Database, ...] = ()
    roles: frozenset[str] = frozenset()
    # With their owner's rights looked away from: what exists.
    tablespaces: frozenset[str] = frozenset()
    # Those that this host could create.
    extensions: frozenset[str] = frozenset()
    room: Room | None = None
    # Of the globals that came with the backup.
    globals_roles: frozenset[str] = field(default_factory=frozenset)

    def database(self, name: str) -> Database | None:
        return next((each for each in self.databases if each.name == name), None)
