# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What belongs to a database itself and is in no table of its own: who may connect, its settings, its comment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.runbook.postgres.plugins.module_utils._session import compose, identifier, joined, literal

if TYPE_CHECKING:
    from ansible_collections.runbook.postgres.plugins.module_utils._session import Session

GRANTS = """
SELECT CASE WHEN a.grantee = 0 THEN NULL ELSE pg_get_userbyid(a.grantee)::text END AS role,
       a.privilege_type AS privilege, a.is_grantable AS grantable
  FROM pg_database d CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS a
 WHERE d.datname = %(name)s
"""
OWN = """
SELECT d.datconnlimit AS "limit", shobj_description(d.oid, 'pg_database') AS comment
  FROM pg_database d WHERE d.datname = %(name)s
"""
SETTINGS = """
SELECT CASE WHEN s.setrole = 0 THEN NULL ELSE pg_get_userbyid(s.setrole)::text END AS role, said.setting
  FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase CROSS JOIN unnest(s.setconfig) AS said (setting)
 WHERE d.datname = %(name)s
"""

# Settings that are lists of names, which the catalog keeps with each name quoted as it needs to be.
LISTS = {
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
}
_NAME = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^,]*?))\s*(?:,|\Z)')


@dataclass(frozen=True)
class Grant:
    # None is everybody.
    role: str | None
    privilege: str
    grantable: bool = False


@dataclass(frozen=True)
class Setting:
    # Whose, None for everybody's.
    role: str | None
    name: str
    value: str


@dataclass(frozen=True)
class Properties:
    grants: tuple[Grant, ...] = ()
    settings: tuple[Setting, ...] = ()
    # How many may connect at once, -1 for all, and what its owner says of it.
    limit: int = -1
    comment: str | None = None


def read(session: Session, name: str) -> Properties:
    grants = tuple(Grant(**row) for row in session.fetch(GRANTS, {"name": name}))
    rows = session.fetch(SETTINGS, {"name": name})
    settings = tuple(Setting(row["role"], *row["setting"].split("=", 1)) for row in rows)
    return Properties(grants, settings, **session.fetch(OWN, {"name": name})[0])


def parse(told: dict[str, Any]) -> Properties:
    """As a manifest tells them."""
    grants = tuple(Grant(**each) for each in told["grants"])
    return Properties(grants, tuple(Setting(**each) for each in told["settings"]), told["limit"], told["comment"])


# What everybody may do with a database that nobody changed.
USUAL = Properties((Grant(None, "CONNECT"), Grant(None, "TEMPORARY")))


def statements(name: str, wanted: Properties, owner: str, roles: Set[str]) -> Iterator[Any]:
    """For a database that nobody but its owner has been given anything on; `roles` are those that are there."""
    database = identifier(name)
    for grant in wanted.grants:
        if grant.role == owner or (grant.role is not None and grant.role not in roles):
            continue
        yield compose(
            "GRANT {privilege} ON DATABASE {database} TO {role}" + (" WITH GRANT OPTION" if grant.grantable else ""),
            privilege=compose(_PRIVILEGES[grant.privilege]),
            database=database,
            role=compose("PUBLIC") if grant.role is None else identifier(grant.role),
        )
    for setting in wanted.settings:
        if setting.role is not None and setting.role not in roles:
            continue
        whose = "ALTER DATABASE {database}" if setting.role is None else "ALTER ROLE {role} IN DATABASE {database}"
        yield compose(
            whose + " SET {name} TO {value}",
            database=database,
            role=identifier(setting.role or ""),
            name=identifier(setting.name),
            value=joined(", ", [literal(each) for each in values(setting)]),
        )


_PRIVILEGES = {"CONNECT": "CONNECT", "CREATE": "CREATE", "TEMPORARY": "TEMPORARY"}


def values(setting: Setting) -> list[str]:
    """A list's names one by one, anything else as it is."""
    if setting.name.lower() not in LISTS:
        return [setting.value]
    return [quoted.replace('""', '"') if quoted else plain for quoted, plain in _split(setting.value)] or [""]


def _split(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        found = _NAME.match(text, at)
        if found is None or found.end() == at:
            return
        at = found.end()
        yield found[1] or "", found[2] or ""
