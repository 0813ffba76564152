# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a new partition takes over from its table that the server does not pass on by itself.

Columns, defaults, checks, indexes and statistics come with LIKE, foreign keys
and triggers with ATTACH. The owner, grants, row-level security and replica
identity do neither, and storage settings a partitioned table cannot have at
all: those are taken from the newest partition. What default privileges give a
new table and its table does not have is taken away.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._session import (
    Session,
    compose,
    identifier,
    joined,
    literal,
)

TRAITS = """
SELECT pg_get_userbyid(p.relowner)::text AS owner, pg_get_userbyid(p.relowner) = current_user AS own,
       p.relrowsecurity AS row_security,
       p.relforcerowsecurity AS forced, p.relreplident::text AS replica_identity,
       (SELECT spcname::text FROM pg_tablespace s WHERE s.oid = p.reltablespace) AS tablespace,
       (SELECT amname::text FROM pg_am a WHERE a.oid = p.relam) AS access_method, newest.storage
  FROM pg_class p
  LEFT JOIN LATERAL (
       SELECT coalesce(s.reloptions, '{}') || ARRAY(SELECT 'toast.' || o FROM unnest(t.reloptions) o) AS storage
         FROM pg_inherits h JOIN pg_class s ON s.oid = h.inhrelid LEFT JOIN pg_class t ON t.oid = s.reltoastrelid
        WHERE h.inhparent = p.oid AND s.relkind = 'r' ORDER BY s.oid DESC LIMIT 1) newest ON true
 WHERE p.oid = %(oid)s
"""

GRANTS = """
SELECT NULL::text AS column_name, CASE a.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(a.grantee)::text END AS grantee,
       a.privilege_type AS privilege, a.is_grantable AS grantable
  FROM pg_class p, aclexplode(p.relacl) a
 WHERE p.oid = %(oid)s AND a.grantee <> p.relowner
UNION ALL
SELECT c.attname::text, CASE a.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(a.grantee)::text END,
       a.privilege_type, a.is_grantable
  FROM pg_attribute c, aclexplode(c.attacl) a
 WHERE c.attrelid = %(oid)s AND c.attnum > 0 AND NOT c.attisdropped
 ORDER BY 1 NULLS FIRST, 2 NULLS FIRST, 3
"""

POLICIES = """
SELECT polname::text AS name, polpermissive AS permissive, polcmd::text AS command,
       ARRAY(SELECT CASE r WHEN 0 THEN NULL ELSE pg_get_userbyid(r)::text END FROM unnest(polroles) r) AS roles,
       pg_get_expr(polqual, polrelid) AS qualifier, pg_get_expr(polwithcheck, polrelid) AS check_expression
  FROM pg_policy WHERE polrelid = %(oid)s ORDER BY polname
"""

# Whom default privileges would let at a new table.
SURPLUS = """
SELECT DISTINCT CASE a.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(a.grantee)::text END AS grantee
  FROM pg_class p, pg_default_acl d, aclexplode(d.defaclacl) a
 WHERE p.oid = %(oid)s AND d.defaclobjtype = 'r' AND d.defaclnamespace IN (0, p.relnamespace)
   AND pg_get_userbyid(d.defaclrole) = current_user AND a.grantee <> d.defaclrole
 ORDER BY 1
"""

# The index of a partition that belongs to the one by which its table identifies rows.
IDENTITY_INDEX = """
SELECT c.relname::text AS name
  FROM pg_inherits h JOIN pg_index i ON i.indexrelid = h.inhrelid JOIN pg_class c ON c.oid = i.indexrelid
  JOIN pg_index p ON p.indexrelid = h.inhparent
  JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace
 WHERE p.indrelid = %(oid)s AND p.indisreplident AND n.nspname = %(schema)s AND t.relname = %(name)s
"""

_COMMANDS = {"*": "ALL", "r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE"}


@dataclass(frozen=True)
class Traits:
    owner: str
    # Whether that is who we are.
    own: bool
    row_security: bool
    forced: bool
    replica_identity: str
    tablespace: str | None
    access_method: str | None
    storage: tuple[str, ...]
    grants: tuple[dict[str, Any], ...]
    policies: tuple[dict[str, Any], ...]
    surplus: tuple[str | None, ...]


def read_traits(session: Session, oid: int) -> Traits:
    row = session.fetch(TRAITS, {"oid": oid})[0]
    return Traits(
        **{**row, "storage": tuple(row["storage"] or ())},
        grants=tuple(session.fetch(GRANTS, {"oid": oid})),
        policies=tuple(session.fetch(POLICIES, {"oid": oid})),
        surplus=tuple(row["grantee"] for row in session.fetch(SURPLUS, {"oid": oid})),
    )


def creation(traits: Traits, parent: Any, partition: Any, tablespace: str | None) -> list[Any]:
    """What makes a table like its parent, beside it: reads and writes go on meanwhile."""
    stored = tablespace or traits.tablespace
    how = "" if traits.access_method is None else " USING {method}"
    how += "" if stored is None else " TABLESPACE {tablespace}"
    statement = compose(
        "CREATE TABLE {partition} (LIKE {parent} INCLUDING ALL EXCLUDING IDENTITY)" + how,
        partition=partition,
        parent=parent,
        method=identifier(traits.access_method or ""),
        tablespace=identifier(stored or ""),
    )
    return [statement, *statements(traits, partition)]


def statements(traits: Traits, partition: Any) -> Iterator[Any]:
    """What gives a table, not yet attached, these traits."""
    for grantee in traits.surplus:
        yield compose("REVOKE ALL ON {partition} FROM {grantee}", partition=partition, grantee=_role(grantee))
    if traits.storage:
        options = [_storage_option(each) for each in traits.storage]
        yield compose("ALTER TABLE {partition} SET ({options})", partition=partition, options=joined(", ", options))
    for grant in traits.grants:
        yield _grant(grant, partition)
    for policy in traits.policies:
        yield _policy(policy, partition)
    if traits.row_security:
        yield compose("ALTER TABLE {partition} ENABLE ROW LEVEL SECURITY", partition=partition)
    if traits.forced:
        yield compose("ALTER TABLE {partition} FORCE ROW LEVEL SECURITY", partition=partition)
    if traits.replica_identity in ("f", "n"):
        how = compose("FULL" if traits.replica_identity == "f" else "NOTHING")
        yield compose("ALTER TABLE {partition} REPLICA IDENTITY {how}", partition=partition, how=how)
    # Last: whoever makes the partition may not be able to change it afterwards.
    if not traits.own:
        yield compose("ALTER TABLE {partition} OWNER TO {owner}", partition=partition, owner=identifier(traits.owner))


def _storage_option(text: str) -> Any:
    name, _equals, value = text.partition("=")
    return compose("{name} = {value}", name=identifier(*name.split(".", 1)), value=literal(value))


def _grant(grant: dict[str, Any], partition: Any) -> Any:
    columns = "" if grant["column_name"] is None else " ({column})"
    option = " WITH GRANT OPTION" if grant["grantable"] else ""
    return compose(
        f"GRANT {grant['privilege']}{columns} ON {{partition}} TO {{grantee}}{option}",
        partition=partition,
        grantee=_role(grant["grantee"]),
        column=identifier(grant["column_name"] or ""),
    )


def _role(name: str | None) -> Any:
    return compose("PUBLIC") if name is None else identifier(name)


def _policy(policy: dict[str, Any], partition: Any) -> Any:
    kind = "PERMISSIVE" if policy["permissive"] else "RESTRICTIVE"
    parts = [f"CREATE POLICY {{name}} ON {{partition}} AS {kind} FOR {_COMMANDS[policy['command']]} TO {{roles}}"]
    # Expressions as the server itself writes them, from its own catalogue.
    if policy["qualifier"] is not None:
        parts.append("USING (" + _braced(policy["qualifier"]) + ")")
    if policy["check_expression"] is not None:
        parts.append("WITH CHECK (" + _braced(policy["check_expression"]) + ")")
    return compose(
        " ".join(parts),
        name=identifier(policy["name"]),
        partition=partition,
        roles=joined(", ", [_role(each) for each in policy["roles"]]),
    )


def _braced(expression: str) -> str:
    return expression.replace("{", "{{").replace("}", "}}")
