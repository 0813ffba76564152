# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A restored subscription has the slot of the one that was backed up, which may be at work; and with one in it no
database can be dropped."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from ansible_collections.runbook.postgres.plugins.module_utils._session import Session, compose, identifier

OF_DATABASE = """
SELECT s.subname::text AS name FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
 WHERE d.datname = %(database)s ORDER BY 1
"""
# Its slot is let go first, so that nothing is asked of the publisher.
FORGET = (
    "ALTER SUBSCRIPTION {name} DISABLE",
    "ALTER SUBSCRIPTION {name} SET (slot_name = NONE)",
    "DROP SUBSCRIPTION {name}",
)


def forget(session: Session, connect: Callable[[str], AbstractContextManager[Session]], database: str) -> None:
    """All that a dump brought into this database, which is ours alone."""
    names = [row["name"] for row in session.fetch(OF_DATABASE, {"database": database})]
    if not names:
        return
    with connect(database) as there:
        for name in names:
            for statement in FORGET:
                there.fetch(compose(statement, name=identifier(name)))
