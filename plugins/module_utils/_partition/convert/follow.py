# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A copy follows its table: it is brought up to date with what was noted, as far as it reaches.

How far it reaches is told by a comment on it, written in the transaction that
copied so far, so that whoever comes after a killed run knows.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert import journal
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.extent import (
    read_progress,
    said_progress,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.state import (
    Progress,
    Scene,
    hidden,
)
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


def copy_of(scene: Scene) -> Any:
    return identifier(scene.schema, hidden(scene.oid))


def told(scene: Scene, progress: Progress) -> Any:
    return compose("COMMENT ON TABLE {copy} IS {said}", copy=copy_of(scene), said=literal(said_progress(progress)))


def read(session: Session, scene: Scene) -> Progress:
    rows = session.fetch(SAID, {"schema": scene.schema, "name": hidden(scene.oid)})
    progress = read_progress(rows[0]["said"]) if rows else None
    if progress is None:
        raise QueryFailed(f"somebody changed the copy of {scene.title} meanwhile: run this again")
    return progress


def values(texts: tuple[str, ...]) -> Any:
    return joined(", ", [literal(each) for each in texts])


def catch_up(session: Session, scene: Scene, key: tuple[str, ...], progress: Progress) -> bool:
    """Whether the table was emptied meanwhile, so that copying begins again."""
    found = session.fetch(journal.truncated(scene))
    if not found:
        return False
    if found[0]["gone"]:
        session.fetch(compose("DELETE FROM {log}", log=journal.log(scene)))
        session.fetch(compose("TRUNCATE {copy}", copy=copy_of(scene)))
        return True
    if progress.copied is None and not progress.complete:
        session.fetch(compose("DELETE FROM {log}", log=journal.log(scene)))
        return False
    reached = None if progress.complete else values(progress.copied or ())
    for statement in journal.replay(scene, key, copy_of(scene), reached):
        session.fetch(statement)
    return False


def catch_up_whole(session: Session, scene: Scene, key: tuple[str, ...]) -> None:
    """For a copy in which all rows are: a table that was emptied stays as it is, and another run copies anew."""
    if catch_up(session, scene, key, read(session, scene)):
        raise QueryFailed(f"{scene.title} was truncated meanwhile and stays as it was: run this again")
