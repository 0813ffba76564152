# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The rows go into a partitioned copy, batch by batch, while writes go on.

Each batch is one transaction that sees the table as of one moment: it brings what
was copied up to date, then copies the next rows. So the copy is at any time what
the table was a moment ago, as far as it reaches, and no two of its rows can be in
each other's way that were not in the table's.
"""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.runbook.postgres.plugins.module_utils._partition import traits
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert import follow, journal
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.build import names, parent
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.state import (
    Progress,
    Scene,
    hidden,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.steps import (
    Begin,
    Lay,
    Transfer,
)
from ansible_collections.runbook.postgres.plugins.module_utils._session import (
    Session,
    compose,
    identifier,
    joined,
    literal,
)

BATCH = """
WITH batch AS MATERIALIZED (SELECT {stored} FROM {table} {after} ORDER BY {keys} LIMIT {batch}),
     come AS (INSERT INTO {copy} ({stored}) OVERRIDING SYSTEM VALUE SELECT {stored} FROM batch)
SELECT (SELECT count(*) FROM batch) AS rows, {last} FROM batch ORDER BY {backwards} LIMIT 1
"""


class Copier:
    def __init__(self, session: Session, batch: int) -> None:
        self._session, self._batch = session, batch
        # Committed, also by attempts that then had to wait for a lock.
        self._rows = 0

    def begin(self, step: Begin) -> None:
        scene, session = step.scene, self._session
        copy = follow.copy_of(scene)
        progress = Progress(scene.shape, step.column, step.interval, copied=None, complete=False)
        statements = list(parent(scene, step.column, step.indexes, copy, compression=session.major >= 14))
        statements.append(follow.told(scene, progress))
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
            *traits.creation(scene.traits, follow.copy_of(scene), name, step.tablespace),
            compose(
                "ALTER TABLE {copy} ATTACH PARTITION {name} FOR VALUES FROM ({lower}) TO ({upper})",
                copy=follow.copy_of(scene),
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
        while not self._next(step):
            pass
        self._session.fetch(compose("ANALYZE {copy}", copy=follow.copy_of(step.scene)))
        return self._rows

    def _next(self, step: Transfer) -> bool:
        """One batch; whether it was the last."""
        session, scene = self._session, step.scene
        with session.transaction():
            session.fetch("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            progress = follow.read(session, scene)
            if follow.catch_up(session, scene, step.key, progress):
                progress = replace(progress, copied=None, complete=False)
                session.fetch(follow.told(scene, progress))
            if progress.complete:
                return True
            rows, last = self._insert(scene, step.key, progress)
            progress = replace(progress, copied=last, complete=rows < self._batch)
            session.fetch(follow.told(scene, progress))
        self._rows += rows
        return progress.complete

    def _insert(self, scene: Scene, key: tuple[str, ...], progress: Progress) -> tuple[int, tuple[str, ...] | None]:
        """How many rows came, and the key of the last of them all."""
        stored = names([each.name for each in scene.columns if not each.generated])
        keys = names(key)
        after = compose("")
        if progress.copied is not None:
            after = compose("WHERE ({keys}) > ({reached})", keys=keys, reached=follow.values(progress.copied))
        last = [
            compose("batch.{c}::text AS {k}", c=identifier(c), k=identifier(k))
            for c, k in zip(key, journal.columns(key))
        ]
        backwards = [compose("batch.{c} DESC", c=identifier(each)) for each in key]
        found = self._session.fetch(
            compose(
                BATCH,
                stored=stored,
                table=identifier(scene.schema, scene.name),
                keys=keys,
                after=after,
                batch=literal(self._batch),
                copy=follow.copy_of(scene),
                last=joined(", ", last),
                backwards=joined(", ", backwards),
            )
        )
        if not found:
            return 0, progress.copied
        return int(found[0]["rows"]), tuple(found[0][each] for each in journal.columns(key))

    def _oid(self, scene: Scene) -> int:
        statement = "SELECT c.oid::bigint AS oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        statement += " WHERE n.nspname = %(schema)s AND c.relname = %(name)s"
        return int(self._session.fetch(statement, {"schema": scene.schema, "name": hidden(scene.oid)})[0]["oid"])
