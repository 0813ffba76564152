# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the server is asked about roles, databases and what belongs to them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session

Row = dict[str, Any]

# Only superusers see what is stored of a password.
ROLES = """
SELECT a.oid, a.rolname::text AS name, a.rolsuper AS "SUPERUSER", a.rolcreatedb AS "CREATEDB",
       a.rolcreaterole AS "CREATEROLE", a.rolreplication AS "REPLICATION", a.rolbypassrls AS "BYPASSRLS",
       a.rolinherit AS "INHERIT", a.rolcanlogin AS "LOGIN", a.rolconnlimit AS connection_limit,
       a.rolpassword AS secret, coalesce(shobj_description(a.oid, 'pg_authid'), '') AS comment,
       ARRAY(SELECT pg_get_userbyid(m.roleid)::text FROM pg_auth_members m WHERE m.member = a.oid) AS groups
  FROM pg_authid a
 WHERE a.rolname = ANY(%(names)s) OR a.rolname = current_user
"""

SAME_EXPIRY = "SELECT %(until)s::timestamptz = rolvaliduntil AS same FROM pg_authid WHERE rolname = %(name)s"

DATABASES = """
SELECT d.datname::text AS name, pg_get_userbyid(d.datdba)::text AS owner, d.datconnlimit::text AS connection_limit,
       t.spcname::text AS tablespace, d.datallowconn AS open,
       coalesce(shobj_description(d.oid, 'pg_database'), '') AS comment
  FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace
"""

UNCHANGEABLE = """
SELECT d.datname::text AS name, pg_encoding_to_char(d.encoding)::text AS encoding,
       d.datcollate::text AS lc_collate, d.datctype::text AS lc_ctype
  FROM pg_database d
  JOIN json_to_recordset(%(wanted)s) AS w (name text, encoding text, lc_collate text, lc_ctype text)
    ON w.name = d.datname
 WHERE pg_char_to_encoding(w.encoding) <> d.encoding
    OR w.lc_collate <> d.datcollate OR w.lc_ctype <> d.datctype
 ORDER BY 1
"""

SCHEMAS = """
SELECT oid, nspname::text AS name, pg_get_userbyid(nspowner)::text AS owner,
       coalesce(obj_description(oid, 'pg_namespace'), '') AS comment
  FROM pg_namespace
"""

EXTENSIONS = "SELECT extname::text AS name, extversion AS version FROM pg_extension"

# What there is to grant on objects of a kind: all that an owner has.
ALL_PRIVILEGES = (
    'SELECT privilege_type AS privilege FROM aclexplode(acldefault(%(kind)s::"char", 10)) WHERE grantee = 10'
)

# Of each kind of objects: the name of that kind for acldefault, and a query for all of them or some.
OBJECTS = {
    "table": (
        "r",
        """
        SELECT c.oid, c.relowner AS owner, c.relacl AS acl, EXISTS (SELECT FROM pg_attribute a
               WHERE a.attrelid = c.oid AND a.attacl IS NOT NULL AND NOT a.attisdropped) AS more
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'v', 'm', 'p', 'f')
           AND (%(all)s OR c.relname = ANY(%(names)s))
        """,
    ),
    "sequence": (
        "s",
        """
        SELECT c.oid, c.relowner AS owner, c.relacl AS acl, false AS more
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = %(schema)s AND c.relkind = 'S' AND (%(all)s OR c.relname = ANY(%(names)s))
        """,
    ),
    "function": (
        "f",
        """
        SELECT p.oid, p.proowner AS owner, p.proacl AS acl, false AS more
          FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE n.nspname = %(schema)s AND p.prokind <> 'p' AND (%(all)s OR p.oid = ANY(%(names)s::oid[]))
        """,
    ),
    "procedure": (
        "f",
        """
        SELECT p.oid, p.proowner AS owner, p.proacl AS acl, false AS more
          FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE n.nspname = %(schema)s AND p.prokind = 'p' AND (%(all)s OR p.oid = ANY(%(names)s::oid[]))
        """,
    ),
    "type": (
        "T",
        """
        SELECT t.oid, t.typowner AS owner, t.typacl AS acl, false AS more
          FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
         WHERE n.nspname = %(schema)s AND t.typname = ANY(%(names)s)
        """,
    ),
    "schema": (
        "n",
        "SELECT oid, nspowner AS owner, nspacl AS acl, false AS more FROM pg_namespace WHERE nspname = ANY(%(names)s)",
    ),
    "database": (
        "d",
        "SELECT oid, datdba AS owner, datacl AS acl, false AS more FROM pg_database WHERE datname = ANY(%(names)s)",
    ),
}

SIGNATURE = "SELECT to_regprocedure(%(signature)s)::oid AS oid"

# A superuser grants in the owner's name: what another has granted would be granted once more.
GRANTED = """
WITH objects AS ({objects}), wanted AS (
  SELECT grantee, privilege FROM unnest(%(grantees)s::oid[]) grantee, unnest(%(privileges)s::text[]) privilege
)
SELECT (SELECT count(*) FROM objects) AS found, NOT EXISTS (
  SELECT FROM objects o, wanted w WHERE NOT EXISTS (
    SELECT FROM aclexplode(coalesce(o.acl, acldefault(%(kind)s::"char", o.owner))) e
     WHERE e.grantee = w.grantee AND e.privilege_type = w.privilege AND e.grantor = o.owner
       AND (%(grantable)s::boolean IS NULL OR e.is_grantable = %(grantable)s::boolean))
) AS so
"""

# A revocation takes rights on columns along: where there are any, it is left to the server.
REVOKED = """
WITH objects AS ({objects})
SELECT (SELECT count(*) FROM objects) AS found, NOT EXISTS (
  SELECT FROM objects o WHERE o.more OR EXISTS (
    SELECT FROM aclexplode(coalesce(o.acl, acldefault(%(kind)s::"char", o.owner))) e
     WHERE e.grantee = ANY(%(grantees)s::oid[]) AND e.privilege_type = ANY(%(privileges)s::text[]))
) AS so
"""

# For all schemas the server begins with its own default; for one it begins with nothing.
DEFAULTS = """
SELECT e.privilege_type AS privilege, e.is_grantable AS grantable
  FROM aclexplode(coalesce(
         (SELECT defaclacl FROM pg_default_acl
           WHERE defaclrole = %(maker)s AND defaclnamespace = %(schema)s AND defaclobjtype = %(made)s::"char"),
         CASE WHEN %(schema)s = 0 THEN acldefault(%(kind)s::"char", %(maker)s) END)) e
 WHERE e.grantee = %(grantee)s
"""

CURRENT_USER = "SELECT current_user::text AS name"


def roles(session: Session, names: Sequence[str]) -> dict[str, Row]:
    return {row["name"]: row for row in session.fetch(ROLES, {"names": list(names)})}


def same_expiry(session: Session, name: str, until: str) -> bool:
    try:
        return any(row["same"] for row in session.fetch(SAME_EXPIRY, {"name": name, "until": until}))
    except QueryFailed:
        # What is no time is told by who sets it.
        return False


def unchangeable(session: Session, wanted: Sequence[Mapping[str, Any]]) -> list[Row]:
    return session.fetch(UNCHANGEABLE, {"wanted": json.dumps(list(wanted))}) if wanted else []


def by_name(session: Session, query: str) -> dict[str, Row]:
    return {row["name"]: row for row in session.fetch(query)}


def all_privileges(session: Session, kind: str) -> frozenset[str]:
    return frozenset(row["privilege"] for row in session.fetch(ALL_PRIVILEGES, {"kind": kind}))


def signature(session: Session, schema: str, written: str) -> int | None:
    """The function that is meant; None where there is none, or none can be told."""
    name, bracket, arguments = written.partition("(")
    if not bracket:
        return None
    quoted = ".".join('"' + part.replace('"', '""') + '"' for part in (schema, name))
    try:
        oid = session.fetch(SIGNATURE, {"signature": f"{quoted}({arguments}"})[0]["oid"]
    except QueryFailed:
        return None
    return None if oid is None else int(oid)
