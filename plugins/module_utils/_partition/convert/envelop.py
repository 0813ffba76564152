# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The old table becomes a partition: what has to be proved or built comes first, while others go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Unreachable
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.build import (
    built_concurrently,
    deferral,
    parent,
    raw,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.extent import said_until
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.state import CHECK
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.steps import Build, Envelop, Prove
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.takeover import Takeover
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session, compose, identifier, literal

# Building an index waits for the transactions of others, and nobody waits behind it.
_BUILD_SECONDS = 600


class Enveloper:
    def __init__(self, session: Session, lock_milliseconds: str) -> None:
        self._session = session
        self._lock_milliseconds = lock_milliseconds

    def prove(self, step: Prove) -> None:
        """Said at once, for rows that come; proved of those that are there without keeping anybody."""
        table, check = identifier(step.scene.schema, step.scene.name), identifier(CHECK)
        if not step.begun:
            condition = "{column} IS NOT NULL" + ("" if step.shown is None else " AND {column} < {until}")
            self._session.together(
                [
                    compose("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {check}", table=table, check=check),
                    compose(
                        f"ALTER TABLE {{table}} ADD CONSTRAINT {{check}} CHECK ({condition}) NOT VALID",
                        table=table,
                        check=check,
                        column=identifier(step.column),
                        until=literal(step.shown),
                    ),
                    compose(
                        "COMMENT ON CONSTRAINT {check} ON {table} IS {said}",
                        table=table,
                        check=check,
                        said=literal(said_until(step.until)),
                    ),
                ]
            )
        self._session.fetch(compose("ALTER TABLE {table} VALIDATE CONSTRAINT {check}", table=table, check=check))

    def build(self, step: Build) -> None:
        name = identifier(step.scene.schema, step.name)
        with self._patient():
            # What an earlier attempt left is broken.
            self._session.fetch(compose("DROP INDEX CONCURRENTLY IF EXISTS {name}", name=name))
            self._session.fetch(built_concurrently(step.scene, step.index, step.name))

    @contextmanager
    def _patient(self) -> Iterator[None]:
        self._session.fetch(compose("SET lock_timeout = {most}", most=literal(f"{_BUILD_SECONDS}s")))
        try:
            yield
        finally:
            with suppress(Unreachable):
                self._session.fetch(compose("SET lock_timeout = {most}", most=literal(self._lock_milliseconds)))

    def envelop(self, step: Envelop) -> None:
        scene, session = step.scene, self._session
        takeover = Takeover(session, scene, step.kept_as, step.indexes)
        with session.transaction():
            compression = session.major >= 14
            session.together(list(parent(scene, step.column, step.indexes, takeover.new, compression=compression)))
            for key in scene.foreign_keys:
                self._run(
                    "ALTER TABLE {new} ADD CONSTRAINT {name} {definition}",
                    takeover,
                    name=identifier(key.name),
                    definition=raw(key.definition),
                )
                if key.said is not None:
                    self._run(
                        "COMMENT ON CONSTRAINT {name} ON {new} IS {said}",
                        takeover,
                        name=identifier(key.name),
                        said=literal(key.said),
                    )
            takeover.lock()
            takeover.rename()
            self._replace_keys(step, takeover)
            takeover.hand_over(attached=True)
            upper = compose("MAXVALUE") if step.shown is None else literal(step.shown)
            self._run(
                "ALTER TABLE {table} ATTACH PARTITION {old} FOR VALUES FROM (MINVALUE) TO ({upper})",
                takeover,
                upper=upper,
            )
            self._run("ALTER TABLE {old} DROP CONSTRAINT {check}", takeover, check=identifier(CHECK))

    def _replace_keys(self, step: Envelop, takeover: Takeover) -> None:
        """The old table's narrow keys give way to the wide ones that were built beforehand."""
        built = dict(step.built)
        for index in step.indexes:
            if index.narrow is None:
                continue
            kept = takeover.renamed[index.name]
            made = identifier(step.scene.schema, built[index.name])
            if not index.kind:
                self._run("DROP INDEX {kept}", takeover, kept=identifier(step.scene.schema, kept))
                self._run("ALTER INDEX {made} RENAME TO {kept}", takeover, made=made, kept=identifier(kept))
                continue
            if index.kind == "p":
                self._run("ALTER TABLE {old} ALTER COLUMN {c} SET NOT NULL", takeover, c=identifier(step.column))
            self._run("ALTER TABLE {old} DROP CONSTRAINT {kept}", takeover, kept=identifier(kept))
            kind = "PRIMARY KEY" if index.kind == "p" else "UNIQUE"
            self._run(
                f"ALTER TABLE {{old}} ADD CONSTRAINT {{kept}} {kind} USING INDEX {{made}}{deferral(index)}",
                takeover,
                kept=identifier(kept),
                made=identifier(built[index.name]),
            )

    def _run(self, statement: str, takeover: Takeover, **parts: Any) -> None:
        known = {"table": takeover.table, "old": takeover.old, "new": takeover.new}
        self._session.fetch(compose(statement, **{**known, **parts}))
