# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The copy takes the table's place, once it was seen to be the same."""

from __future__ import annotations

import time

from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert import follow, journal
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.build import raw
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.state import Scene, hidden
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.steps import Compare, Exchange
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.takeover import Takeover
from ansible_collections.runbook.postgres.plugins.module_utils._patience import GaveUp
from ansible_collections.runbook.postgres.plugins.module_utils._session import (
    Session,
    compose,
    identifier,
    joined,
    literal,
)

LEAVES = """
SELECT n.nspname::text AS schema, c.relname::text AS name
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE i.inhparent = (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                       WHERE n.nspname = %(schema)s AND c.relname = %(name)s)
 ORDER BY c.oid
"""

# Who sees the rows as they were before the copy had them all would find it lacking. Whoever is at work now, and of
# those the ones that still are and look: which any role is shown, unlike since when.
AT_WORK = """
SELECT l.virtualxid AS transaction FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'virtualxid' AND l.mode = 'ExclusiveLock' AND a.datname = current_database()
   AND a.usesysid IS NOT NULL AND a.pid <> pg_backend_pid()
"""
STILL = """
SELECT a.pid, coalesce(' since ' || a.xact_start::timestamp(0) || ' UTC', '') AS since
  FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'virtualxid' AND l.mode = 'ExclusiveLock' AND l.virtualxid = ANY (%(known)s)
   AND a.backend_xmin IS NOT NULL
 ORDER BY a.xact_start, a.pid LIMIT 1
"""


class Exchanger:
    def __init__(self, session: Session, lock_seconds: float, retries: int) -> None:
        self._session = session
        self._lock_seconds, self._retries = lock_seconds, retries
        # How many rows were found to be the same in both.
        self.compared: int | None = None

    def compare(self, step: Compare) -> None:
        """As of one moment, every column of every row."""
        session, scene = self._session, step.scene
        values = joined(", ", [compose("x.{c}", c=identifier(each.name)) for each in scene.columns])
        found = []
        with session.transaction():
            session.fetch("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            follow.catch_up_whole(session, scene, step.key)
            for way in ("hashjoin", "mergejoin", "seqscan"):
                session.fetch(f"RESET enable_{way}")
            for table in (identifier(scene.schema, scene.name), follow.copy_of(scene)):
                statement = compose(
                    "SELECT count(*) AS rows, coalesce(sum(hashtextextended(ROW({values})::text, 0)), 0)::text AS hash "
                    "FROM {table} x",
                    values=values,
                    table=table,
                )
                found.append(session.fetch(statement)[0])
        if found[0] != found[1]:
            raise QueryFailed(
                f"the copy of {scene.title} is not what the table is ({found[1]['rows']} rows of {found[0]['rows']}"
                f"{', and another hash' if found[0]['rows'] == found[1]['rows'] else ''}), which stays as it was; "
                "please report it"
            )
        self.compared = int(found[0]["rows"])

    def exchange(self, step: Exchange) -> None:
        """All notes are followed once more, first while others go on, then for the last few while they wait."""
        session, scene = self._session, step.scene
        self._follow(step)
        self._wait_for_older(scene)
        # That may have taken its time.
        self._follow(step)
        takeover = Takeover(session, scene, step.kept_as, step.indexes)
        with session.transaction():
            self._guard(scene)
            takeover.lock()
            follow.catch_up_whole(session, scene, step.key)
            session.together(list(journal.removed(scene, takeover.table)))
            takeover.rename()
            for key in scene.foreign_keys:
                # Rows that are there no more must not stand in the way of others.
                session.fetch(
                    compose("ALTER TABLE {old} DROP CONSTRAINT {n}", old=takeover.old, n=identifier(key.name))
                )
            session.fetch(compose("COMMENT ON TABLE {table} IS NULL", table=takeover.table))
            takeover.hand_over(attached=False)

    def _follow(self, step: Exchange) -> None:
        with self._session.transaction():
            self._session.fetch("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            follow.catch_up_whole(self._session, step.scene, step.key)

    def _guard(self, scene: Scene) -> None:
        """Foreign keys on each partition, for rows to come; those that are there are the table's, which has them."""
        for key in scene.foreign_keys:
            for leaf in self._session.fetch(LEAVES, {"schema": scene.schema, "name": hidden(scene.oid)}):
                table, name = identifier(leaf["schema"], leaf["name"]), identifier(key.name)
                self._session.fetch(
                    compose(
                        "ALTER TABLE {table} ADD CONSTRAINT {name} {definition} NOT VALID",
                        table=table,
                        name=name,
                        definition=raw(key.definition),
                    )
                )
                if key.said is not None:
                    statement = "COMMENT ON CONSTRAINT {name} ON {table} IS {said}"
                    self._session.fetch(compose(statement, name=name, table=table, said=literal(key.said)))

    def _wait_for_older(self, scene: Scene) -> None:
        """Until nobody sees the rows as they were before the copy had them all."""
        deadline = time.monotonic() + self._lock_seconds * (self._retries + 1)
        known = [row["transaction"] for row in self._session.fetch(AT_WORK)]
        while True:
            rows = self._session.fetch(STILL, {"known": known})
            if not rows:
                return
            if time.monotonic() > deadline:
                raise GaveUp(
                    f"The copy of {scene.title} is ready, but server process {rows[0]['pid']} has been in a "
                    f"transaction{rows[0]['since']} and would not see all its rows: end that or wait for it, "
                    "and run this again to go on from here."
                )
            time.sleep(0.2)
