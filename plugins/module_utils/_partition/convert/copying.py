# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The rows go into a partitioned copy, batch by batch, while writes go on; then it takes the table's place.

Each batch is one transaction that sees the table as of one moment: it brings what
was copied up to date, then copies the next rows. So the copy is at any time what
the table was a moment ago, as far as it reaches, and no two of its rows can be in
each other's way that were not in the table's.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed
from ansible_collections.runbook.postgres.plugins.module_utils._partition import traits
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert import journal
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.build import names, parent, raw
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.extent import (
    read_progress,
    said_progress,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.state import (
    Progress,
    Scene,
    hidden,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.steps import (
    Begin,
    Compare,
    Exchange,
    Lay,
    Transfer,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.takeover import Takeover
from ansible_collections.runbook.postgres.plugins.module_utils._patience import GaveUp
from ansible_collections.runbook.postgres.plugins.module_utils._session import (
    Session,
    compose,
    identifier,
    joined,
    literal,
)

SAID = """
SELECT obj_description(c.oid, 'pg_class') AS said FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = %(schema)s AND c.relname = %(name)s
"""

BATCH = """
WITH batch AS MATERIALIZED (SELECT {stored} FROM {table} {after} ORDER BY {keys} LIMIT {batch}),
     come AS (INSERT INTO {copy} ({stored}) OVERRIDING SYSTEM VALUE SELECT {stored} FROM batch)
SELECT (SELECT count(*) FROM batch) AS rows, {last} FROM batch ORDER BY {backwards} LIMIT 1
"""

LEAVES = """
SELECT n.nspname::text AS schema, c.relname::text AS name
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE i.inhparent = (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                       WHERE n.nspname = %(schema)s AND c.relname = %(name)s)
 ORDER BY c.oid
"""

# Who sees the rows as they were before the copy was whole would find it lacking.
OLDER = """
SELECT a.pid, a.xact_start::timestamp(0)::text AS since FROM pg_stat_activity a
 WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
   AND a.backend_xmin IS NOT NULL AND a.xact_start < %(since)s::timestamptz
 ORDER BY a.xact_start LIMIT 1
"""


@dataclass
class Copied:
    rows: int = 0
    compared: int | None = None
    # When all rows were there.
    since: str = "infinity"


class Copier:
    def __init__(self, session: Session, batch: int, lock_seconds: float, retries: int) -> None:
        self._session, self._batch = session, batch
        self._lock_seconds, self._retries = lock_seconds, retries
        self.copied = Copied()

    def begin(self, step: Begin) -> None:
        scene, session = step.scene, self._session
        copy = _copy(scene)
        progress = Progress(scene.shape, step.column, step.interval, copied=None, complete=False)
        statements = list(parent(scene, step.column, step.indexes, copy, compression=session.major >= 14))
        statements.append(_told(copy, progress))
        # The triggers last: writers wait until this is committed.
        session.together([*statements, *journal.made(scene, step.key)])

    def lay(self, step: Lay) -> None:
        scene, session = step.scene, self._session
        name = identifier(scene.schema, step.name)
        ends = [
            compose(open_end) if end is None else literal(end)
            for end, open_end in ((step.lower, "MINVALUE"), (step.upper, "MAXVALUE"))
        ]
        made = [
            *traits.creation(scene.traits, _copy(scene), name, step.tablespace),
            compose(
                "ALTER TABLE {copy} ATTACH PARTITION {name} FOR VALUES FROM ({lower}) TO ({upper})",
                copy=_copy(scene),
                name=name,
                lower=ends[0],
                upper=ends[1],
            ),
        ]
        if scene.traits.replica_identity != "i":
            session.together(made)
            return
        with session.transaction():
            session.together(made)
            oid = self._oid(scene)
            for row in session.fetch(traits.IDENTITY_INDEX, {"oid": oid, "schema": scene.schema, "name": step.name}):
                statement = "ALTER TABLE {name} REPLICA IDENTITY USING INDEX {index}"
                session.fetch(compose(statement, name=name, index=identifier(row["name"])))

    def transfer(self, step: Transfer) -> int:
        """All rows; returns how many."""
        before = self.copied.rows
        while not self._next(step):
            pass
        self._session.fetch(compose("ANALYZE {copy}", copy=_copy(step.scene)))
        return self.copied.rows - before

    def _next(self, step: Transfer) -> bool:
        """One batch; whether it was the last."""
        session, scene = self._session, step.scene
        with session.transaction():
            session.fetch("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            progress = self._progress(scene)
            if self._catch_up(scene, step.key, progress):
                progress = replace(progress, copied=None, complete=False)
                session.fetch(_told(_copy(scene), progress))
            if progress.complete:
                return True
            rows = self._insert(scene, step.key, progress)
            if rows:
                found = rows[0]
                last = tuple(found[each] for each in journal.columns(step.key))
                progress = replace(progress, copied=last)
                self.copied.rows += int(found["rows"])
            progress = replace(progress, complete=not rows or int(rows[0]["rows"]) < self._batch)
            session.fetch(_told(_copy(scene), progress))
        return progress.complete

    def _catch_up(self, scene: Scene, key: tuple[str, ...], progress: Progress) -> bool:
        """Whether the table was emptied meanwhile, so that copying begins again."""
        session = self._session
        found = session.fetch(journal.truncated(scene))
        if not found:
            return False
        if found[0]["gone"]:
            session.fetch(compose("DELETE FROM {log}", log=journal.log(scene)))
            session.fetch(compose("TRUNCATE {copy}", copy=_copy(scene)))
            return True
        if progress.copied is None and not progress.complete:
            session.fetch(compose("DELETE FROM {log}", log=journal.log(scene)))
            return False
        reached = None if progress.complete else _values(progress.copied or ())
        for statement in journal.replay(scene, key, _copy(scene), reached):
            session.fetch(statement)
        return False

    def _insert(self, scene: Scene, key: tuple[str, ...], progress: Progress) -> list[dict[str, Any]]:
        stored = names([each.name for each in scene.columns if not each.generated])
        keys = names(key)
        after = compose("")
        if progress.copied is not None:
            after = compose("WHERE ({keys}) > ({reached})", keys=keys, reached=_values(progress.copied))
        last = [
            compose("batch.{c}::text AS {k}", c=identifier(c), k=identifier(k))
            for c, k in zip(key, journal.columns(key))
        ]
        backwards = [compose("batch.{c} DESC", c=identifier(each)) for each in key]
        return self._session.fetch(
            compose(
                BATCH,
                stored=stored,
                table=identifier(scene.schema, scene.name),
                keys=keys,
                after=after,
                batch=literal(self._batch),
                copy=_copy(scene),
                last=joined(", ", last),
                backwards=joined(", ", backwards),
            )
        )

    def compare(self, step: Compare) -> None:
        """As of one moment, every column of every row."""
        session, scene = self._session, step.scene
        values = joined(", ", [compose("x.{c}", c=identifier(each.name)) for each in scene.columns])
        found = []
        self.copied.since = session.fetch("SELECT clock_timestamp()::text AS now")[0]["now"]
        with session.transaction():
            session.fetch("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            if self._catch_up(scene, step.key, self._progress(scene)):
                self._start_over(scene)
            for way in ("hashjoin", "mergejoin", "seqscan"):
                session.fetch(f"RESET enable_{way}")
            for table in (identifier(scene.schema, scene.name), _copy(scene)):
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
        self.copied.compared = int(found[0]["rows"])

    def _start_over(self, scene: Scene) -> None:
        raise QueryFailed(f"{scene.title} was truncated meanwhile and stays as it was: run this again")

    def exchange(self, step: Exchange) -> None:
        """All notes are followed once more, first while others go on, then for the last few while they wait."""
        session, scene = self._session, step.scene
        self._wait_for_older(scene)
        with session.transaction():
            session.fetch("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            if self._catch_up(scene, step.key, self._progress(scene)):
                self._start_over(scene)
        takeover = Takeover(session, scene, step.kept_as, step.indexes)
        with session.transaction():
            self._guard(scene)
            takeover.lock()
            if self._catch_up(scene, step.key, self._progress(scene)):
                self._start_over(scene)
            session.together(list(journal.removed(scene, takeover.table)))
            takeover.rename()
            for key in scene.foreign_keys:
                # Rows that are there no more must not stand in the way of others.
                session.fetch(
                    compose("ALTER TABLE {old} DROP CONSTRAINT {n}", old=takeover.old, n=identifier(key.name))
                )
            session.fetch(compose("COMMENT ON TABLE {table} IS NULL", table=takeover.table))
            takeover.hand_over(attached=False)

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
        """Until nobody sees the rows as they were before they were compared."""
        deadline = time.monotonic() + self._lock_seconds * (self._retries + 1)
        while True:
            rows = self._session.fetch(OLDER, {"since": self.copied.since})
            if not rows:
                return
            if time.monotonic() > deadline:
                raise GaveUp(
                    f"The copy of {scene.title} is ready, but server process {rows[0]['pid']} has been in a "
                    f"transaction since {rows[0]['since']} UTC and would not see all its rows: end that or wait for "
                    "it, and run this again to go on from here."
                )
            time.sleep(0.2)

    def _progress(self, scene: Scene) -> Progress:
        rows = self._session.fetch(SAID, {"schema": scene.schema, "name": hidden(scene.oid)})
        progress = read_progress(rows[0]["said"]) if rows else None
        if progress is None:
            raise QueryFailed(f"somebody changed the copy of {scene.title} meanwhile: run this again")
        return progress

    def _oid(self, scene: Scene) -> int:
        statement = "SELECT c.oid::bigint AS oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        statement += " WHERE n.nspname = %(schema)s AND c.relname = %(name)s"
        return int(self._session.fetch(statement, {"schema": scene.schema, "name": hidden(scene.oid)})[0]["oid"])


def _copy(scene: Scene) -> Any:
    return identifier(scene.schema, hidden(scene.oid))


def _told(copy: Any, progress: Progress) -> Any:
    return compose("COMMENT ON TABLE {copy} IS {said}", copy=copy, said=literal(said_progress(progress)))


def _values(texts: tuple[str, ...]) -> Any:
    return joined(", ", [literal(each) for each in texts])
