# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How a new table takes an old one's name, and with it all that knows the table: within one short transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed
from ansible_collections.runbook.postgres.plugins.module_utils._partition.alone import hold
from ansible_collections.runbook.postgres.plugins.module_utils._partition.catalog import TAKEN
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.build import (
    index_name,
    names,
    raw,
    statistics_name,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.catalog import read_scene
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.finish import converted
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.question import free_name, later
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.state import (
    Index,
    Publication,
    Reference,
    Scene,
    Trigger,
    hidden,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.state import (
    Sequence as OwnedSequence,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.names import quoted
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session, compose, identifier, literal

OID = "SELECT to_regclass(%(name)s)::oid::bigint AS oid"

# After so long the server looks for a deadlock, and somebody's transaction would be its victim.
PATIENCE = """
SELECT greatest(1, least(max(setting::int) FILTER (WHERE name = 'lock_timeout'),
                         max(setting::int) FILTER (WHERE name = 'deadlock_timeout') / 2)) AS milliseconds
  FROM pg_settings WHERE name IN ('lock_timeout', 'deadlock_timeout')
"""

_STATES = {"D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}


class Takeover:
    """One attempt; all of it happens in the transaction that is open."""

    def __init__(self, session: Session, scene: Scene, kept_as: str, indexes: Sequence[Index]) -> None:
        self._session, self._scene, self._indexes = session, scene, indexes
        self.table = identifier(scene.schema, scene.name)
        self.new = identifier(scene.schema, hidden(scene.oid))
        self.old = identifier(scene.schema, kept_as)
        self._kept_as = kept_as
        self._taken: set[str] = set()
        # What the old table's indexes are called since.
        self.renamed: dict[str, str] = {}

    def lock(self) -> None:
        """In the order in which others take them, and for the later ones no longer than the server lets two wait for
        each other: then it is always we who give way."""
        scene = self._scene
        if scene.references or scene.foreign_keys:
            most = self._session.fetch(PATIENCE)[0]["milliseconds"]
            self._session.fetch("SELECT set_config('lock_timeout', %(most)s, true)", {"most": str(most)})
        for each in scene.references:
            self._run("LOCK TABLE {other} IN ACCESS EXCLUSIVE MODE", other=identifier(each.schema, each.table))
        self._run("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        if read_scene(self._session, scene.oid) != scene:
            raise QueryFailed(f"somebody changed {scene.title} meanwhile: run this again to begin with what it is now")
        rows = self._session.fetch(TAKEN, {"oid": scene.oid})
        self._taken = {str(each["name"]) for each in rows} | {self._kept_as}

    def rename(self) -> None:
        """Names of indexes, and so of keys, and of statistics go to the new table; the old one's get an end."""
        scene = self._scene
        for each in scene.indexes:
            self.renamed[each.name] = self._later(each.name)
            self._run(
                "ALTER INDEX {old} RENAME TO {new}",
                old=self._in(each.name),
                new=identifier(self.renamed[each.name]),
            )
        for known in scene.statistics:
            self._run(
                "ALTER STATISTICS {old} RENAME TO {new}",
                old=identifier(known.schema, known.name),
                new=identifier(self._later(known.name)),
            )
        for place, known in enumerate(scene.statistics):
            made = identifier(known.schema, statistics_name(scene, place))
            self._run("ALTER STATISTICS {made} RENAME TO {new}", made=made, new=identifier(known.name))
        self._run("ALTER TABLE {table} RENAME TO {kept_as}", kept_as=identifier(self._kept_as))
        self._run("ALTER TABLE {new} RENAME TO {name}", name=identifier(scene.name))
        for place, index in enumerate(self._indexes):
            self._run(
                "ALTER INDEX {old} RENAME TO {new}",
                old=self._in(index_name(scene, place)),
                new=identifier(index.name),
            )
            self._say("INDEX {thing}", index.said, thing=self._in(index.name))
            if index.kind:
                self._say("CONSTRAINT {thing} ON {table}", index.constraint_said, thing=identifier(index.name))

    def hand_over(self, *, attached: bool) -> None:
        """What knows the old table by its identity gets to know the new one. After this the names are as they were."""
        scene = self._scene
        for known in scene.statistics:
            name = identifier(known.schema, known.name)
            if known.owner is not None:
                self._run("ALTER STATISTICS {name} OWNER TO {owner}", name=name, owner=identifier(known.owner))
            self._say("STATISTICS {name}", known.said, name=name)
        for sequence in scene.sequences:
            if sequence.identity:
                self._count_on(sequence, attached=attached)
            else:
                self._run(
                    "ALTER SEQUENCE {name} OWNED BY {column}",
                    name=identifier(sequence.schema, sequence.name),
                    column=identifier(scene.schema, scene.name, sequence.column),
                )
        for trigger in scene.triggers:
            self._fire(trigger, attached=attached)
        for publication in scene.publications:
            self._publish(publication)
        for reference in scene.references:
            self._refer(reference)
        self._say("TABLE {table}", scene.said)
        self._run("COMMENT ON TABLE {old} IS {said}", said=literal(converted(scene.title, scene.said)))
        # Nobody else looks after the new table before we are through.
        oid = self._session.fetch(OID, {"name": quoted(scene.schema) + "." + quoted(scene.name)})[0]["oid"]
        hold(self._session, oid, scene.title)

    def _count_on(self, sequence: OwnedSequence, *, attached: bool) -> None:
        """An identity cannot change its table: a new one of the same name goes on where the old one is."""
        name = identifier(sequence.schema, sequence.name)
        old = self._later(sequence.name)
        # From here on nobody takes a number from it.
        self._run("ALTER SEQUENCE {name} RENAME TO {old}", name=name, old=identifier(old))
        at = self._session.fetch(
            compose("SELECT last_value, is_called FROM {old}", old=identifier(sequence.schema, old))
        )[0]
        how = "ALWAYS" if sequence.identity == "a" else "BY DEFAULT"
        self._run(
            f"ALTER TABLE {{table}} ALTER COLUMN {{column}} ADD GENERATED {how} AS IDENTITY "
            "(SEQUENCE NAME {name} {parameters})",
            column=identifier(sequence.column),
            name=name,
            parameters=raw(sequence.parameters),
        )
        self._session.fetch(
            "SELECT setval(%(name)s::regclass, %(last)s, %(called)s)",
            {
                "name": quoted(sequence.schema) + "." + quoted(sequence.name),
                "last": at["last_value"],
                "called": at["is_called"],
            },
        )
        for grantee, privilege, grantable in sequence.grants:
            option = " WITH GRANT OPTION" if grantable else ""
            self._run(
                f"GRANT {privilege} ON SEQUENCE {{name}} TO {{grantee}}{option}",
                name=name,
                grantee=compose("PUBLIC") if grantee is None else identifier(grantee),
            )
        self._say("SEQUENCE {name}", sequence.said, name=name)
        if attached:
            self._run("ALTER TABLE {old} ALTER COLUMN {column} DROP IDENTITY", column=identifier(sequence.column))

    def _fire(self, trigger: Trigger, *, attached: bool) -> None:
        name = identifier(trigger.name)
        if attached:
            # It comes back with the partition.
            self._run("DROP TRIGGER {name} ON {old}", name=name)
        self._session.fetch(raw(trigger.definition))
        state = _STATES.get(trigger.enabled)
        if state is not None:
            self._run(f"ALTER TABLE {{table}} {state} TRIGGER {{name}}", name=name)
        self._say("TRIGGER {name} ON {table}", trigger.said, name=name)

    def _publish(self, publication: Publication) -> None:
        if publication.wide:
            return
        columns = " ({columns})" if publication.columns else ""
        condition = "" if publication.filter is None else " WHERE ({filter})"
        self._run("ALTER PUBLICATION {name} DROP TABLE {old}", name=identifier(publication.name))
        self._run(
            f"ALTER PUBLICATION {{name}} ADD TABLE {{table}}{columns}{condition}",
            name=identifier(publication.name),
            columns=names(publication.columns),
            filter=raw(publication.filter or ""),
        )

    def _refer(self, reference: Reference) -> None:
        """Checked from now on; that all rows which are there have their key was known, and is proved afterwards."""
        other, name = identifier(reference.schema, reference.table), identifier(reference.name)
        self._run("ALTER TABLE {other} DROP CONSTRAINT {name}", other=other, name=name)
        self._run(
            "ALTER TABLE {other} ADD CONSTRAINT {name} {definition} NOT VALID",
            other=other,
            name=name,
            definition=raw(reference.definition),
        )
        self._say("CONSTRAINT {name} ON {other}", reference.said, name=name, other=other)

    def _later(self, name: str) -> str:
        free = free_name(later(name), self._taken)
        self._taken.add(free)
        return free

    def _in(self, name: str) -> Any:
        return identifier(self._scene.schema, name)

    def _say(self, what: str, said: str | None, **parts: Any) -> None:
        if said is not None:
            self._run(f"COMMENT ON {what} IS {{said}}", said=literal(said), **parts)

    def _run(self, statement: str, **parts: Any) -> None:
        known = {"table": self.table, "old": self.old, "new": self.new}
        self._session.fetch(compose(statement, **{**known, **parts}))
