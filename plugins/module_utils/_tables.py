# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Tables by the names that users give them, and what has to be so before one can be changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed, Refused, TookTooLong
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session

# By the name the user gave it, quoted or not, as the server itself reads names.
NAMED = """
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS relkind,
       pg_has_role(c.relowner, 'USAGE') AS owned, pg_get_userbyid(c.relowner)::text AS owner
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = to_regclass(%(table)s)
"""

PLAIN, PARTITIONED = "r", "p"


@dataclass(frozen=True)
class Named:
    """A table that this role may change."""

    oid: int
    schema: str
    name: str
    partitioned: bool

    @property
    def title(self) -> str:
        return f"{self.schema}.{self.name}"


def refuse_standby(session: Session) -> None:
    if session.fetch("SELECT pg_is_in_recovery() AS standby")[0]["standby"]:
        raise Refused("This server is a standby, which takes no changes: run this on its primary.")


def named(session: Session, name: str) -> Named:
    row = _row(session, name)
    if row["relkind"] not in (PLAIN, PARTITIONED):
        raise Refused(f"{name} is no table: name a table, plain or partitioned.")
    if not row["owned"]:
        raise Refused(f"{name} belongs to role {row['owner']}: connect as that role or as a member of it.")
    return Named(row["oid"], row["schema"], row["name"], row["relkind"] == PARTITIONED)


def _row(session: Session, name: str) -> dict[str, Any]:
    try:
        rows = session.fetch(NAMED, {"table": name})
    except TookTooLong:
        raise
    except QueryFailed as error:
        raise Refused(f"{name!r} is no name of a table ({error.sentence}): quote it as SQL does.") from error
    if not rows:
        raise Refused(
            f"There is no table {name} in this database: give its schema too, and quotes where its name needs them."
        )
    return rows[0]
