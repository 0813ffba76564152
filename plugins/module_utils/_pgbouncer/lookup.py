# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What PgBouncer asks a database for: a role that logs in by certificate, and a function that answers it.

The role may connect by a privilege of its own, since PUBLIC may have lost its.
The function may read what only a superuser may, so it does nothing else: its
search_path is fixed, one role may call it, and it is silent about superusers,
about roles that replicate, and about passwords that have expired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._debian import Socket, identifier, literal
from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed, Refused, Unreachable

SCHEMA = "pgbouncer"

# Compared to the letter with what the database has.
BODY = """
  SELECT role.rolname::text, role.rolpassword
  FROM pg_catalog.pg_authid AS role
  WHERE role.rolname = wanted
    AND role.rolcanlogin
    AND NOT role.rolsuper
    AND NOT role.rolreplication
    AND (role.rolvaliduntil IS NULL OR role.rolvaliduntil > pg_catalog.now())
    AND role.rolpassword LIKE 'SCRAM-SHA-256$%'
"""

_ROLE = """
SELECT pg_catalog.json_build_object(
  'login', rolcanlogin,
  'privileged', rolsuper OR rolreplication OR rolcreaterole OR rolcreatedb OR rolbypassrls,
  'password', rolpassword IS NOT NULL)
FROM pg_catalog.pg_authid WHERE rolname = {role}
"""

_DATABASE = """
SELECT pg_catalog.json_build_object(
  'connect', EXISTS (
    SELECT FROM pg_catalog.pg_database d, pg_catalog.aclexplode(d.datacl) a
    JOIN pg_catalog.pg_authid r ON r.oid = a.grantee
    WHERE d.datname = pg_catalog.current_database() AND r.rolname = {role} AND a.privilege_type = 'CONNECT'),
  'schema_owner', (
    SELECT pg_catalog.json_build_object('name', o.rolname, 'superuser', o.rolsuper)
    FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_authid o ON o.oid = n.nspowner WHERE n.nspname = {schema}),
  'schema_grants', (
    SELECT coalesce(pg_catalog.json_agg(coalesce(g.rolname, 'public') || ':' || a.privilege_type
                    ORDER BY 1), '[]')
    FROM pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) a
    LEFT JOIN pg_catalog.pg_authid g ON g.oid = a.grantee
    WHERE n.nspname = {schema} AND a.grantee <> n.nspowner),
  'functions', (
    SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
      'body', p.prosrc, 'definer', p.prosecdef, 'config', p.proconfig, 'volatile', p.provolatile,
      'language', l.lanname, 'result', pg_catalog.pg_get_function_result(p.oid), 'owner_superuser', o.rolsuper,
      'grants', (
        SELECT coalesce(pg_catalog.json_agg(coalesce(g.rolname, 'public') ORDER BY 1), '[]')
        FROM pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) a
        LEFT JOIN pg_catalog.pg_authid g ON g.oid = a.grantee
        WHERE a.grantee <> p.proowner))), '[]')
    FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    JOIN pg_catalog.pg_authid o ON o.oid = p.proowner
    WHERE n.nspname = {schema} AND p.proname = 'user_lookup'
      AND p.pronargs = 1 AND p.proargtypes[0] = 'pg_catalog.text'::pg_catalog.regtype)
)
"""

# Whoever was granted something there, by hand or by default privileges.
_REVOKE = """
DO $revoke$
DECLARE
  grantee text;
BEGIN
  FOR grantee IN
    SELECT DISTINCT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(r.rolname) END
    FROM (
      SELECT n.nspacl AS acl, n.nspowner AS owner FROM pg_catalog.pg_namespace n WHERE n.nspname = 'pgbouncer'
      UNION ALL
      SELECT coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner)), p.proowner
      FROM pg_catalog.pg_proc p WHERE p.oid = 'pgbouncer.user_lookup(text)'::pg_catalog.regprocedure
    ) AS there, pg_catalog.aclexplode(there.acl) a
    LEFT JOIN pg_catalog.pg_authid r ON r.oid = a.grantee
    WHERE a.grantee <> there.owner
  LOOP
    EXECUTE 'REVOKE ALL ON SCHEMA pgbouncer FROM ' || grantee;
    EXECUTE 'REVOKE ALL ON FUNCTION pgbouncer.user_lookup(text) FROM ' || grantee;
  END LOOP;
END
$revoke$;
"""

RESULT = "TABLE(uname text, phash text)"


@dataclass(frozen=True)
class State:
    """What the server has; None for a role or database that is not there."""

    role: Mapping[str, Any] | None
    databases: Mapping[str, Mapping[str, Any] | None]
    reachable: bool = True


@dataclass(frozen=True)
class Statements:
    """A transaction in one database."""

    sentence: str
    database: str
    sql: str


def observe(socket: Socket, role: str, databases: Sequence[str], *, check_mode: bool) -> State:
    """In check mode a server or database that is not there yet is one that will be made before."""
    try:
        found = socket.json(_ROLE.format(role=literal(role)))
        names = socket.json("SELECT pg_catalog.json_agg(datname) FROM pg_catalog.pg_database WHERE datallowconn")
        recovering = socket.json("SELECT pg_catalog.to_json(pg_catalog.pg_is_in_recovery())")
    except (Unreachable, Refused):
        if check_mode:
            return State(None, dict.fromkeys(databases), reachable=False)
        raise
    if recovering:
        raise Refused(f"{socket.place} is a standby, which takes no change: run this on the primary.")
    missing = [name for name in databases if name not in names]
    if missing and not check_mode:
        raise Refused(
            f"{socket.place} has no database {', '.join(missing)}: have it made first, or leave it out of the list."
        )
    text = _DATABASE.format(schema=literal(SCHEMA), role=literal(role))
    return State(found, {name: socket.json(text, name) if name in names else None for name in databases})


def plan_lookup(state: State, role: str) -> Plan:
    changes: list[Statements] = []
    refusals: list[str] = []
    before, after = [], []
    role_sql = _role_statements(state.role, role, refusals)
    before.append(f"role {role}: {_role_state(state.role)}")
    after.append(f"role {role}: logs in by certificate, no password, no privileges")
    if role_sql:
        changes.append(Statements(f"make or mend role {role}", "postgres", role_sql))
    for name, found in state.databases.items():
        owner = (found or {}).get("schema_owner")
        if owner and not owner["superuser"]:
            refusals.append(
                f"Schema {SCHEMA} of database {name} belongs to {owner['name']}, who could put a function of their own "
                "there: rename or drop that schema."
            )
        right = found is not None and _is_right(found, role)
        before.append(f"database {name}: {'lookup as wanted' if right else _what_is_there(found)}")
        after.append(f"database {name}: lookup as wanted")
        if not right:
            changes.append(Statements(f"make the lookup in {name}", name, _lookup_sql(role, name)))
    return Plan(
        changes=() if refusals else tuple(changes), refusals=tuple(refusals), before=tuple(before), after=tuple(after)
    )


def apply(plan: Plan, socket: Socket) -> None:
    for change in plan.changes:
        try:
            socket.psql(f"BEGIN;\n{change.sql}\nCOMMIT;\n", change.database)
        except QueryFailed as error:
            raise QueryFailed(f"To {change.sentence} did not work; {error.sentence}") from error


def _role_statements(found: Mapping[str, Any] | None, role: str, refusals: list[str]) -> str:
    name = identifier(role)
    if found is None:
        return f"CREATE ROLE {name} LOGIN;"
    if found["privileged"]:
        refusals.append(
            f"Role {role} has privileges beyond logging in, which whoever takes over the pooler would have as well: "
            "take them away, or name another role."
        )
    sql = "" if found["login"] else f"ALTER ROLE {name} LOGIN;"
    return sql + (f"ALTER ROLE {name} PASSWORD NULL;" if found["password"] else "")


def _role_state(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "not there"
    if found["login"] and not found["password"] and not found["privileged"]:
        return "logs in by certificate, no password, no privileges"
    words = ("logs in" if found["login"] else "does not log in", "a password" if found["password"] else "no password")
    return ", ".join((*words, "privileges")) if found["privileged"] else ", ".join(words)


def _what_is_there(found: Mapping[str, Any] | None) -> str:
    return "a lookup that is not as wanted" if found and found["functions"] else "no lookup"


def _is_right(found: Mapping[str, Any], role: str) -> bool:
    functions = found["functions"]
    return (
        bool(found["connect"])
        and bool(found["schema_owner"])
        and found["schema_grants"] == [f"{role}:USAGE"]
        and len(functions) == 1
        and functions[0]
        == {
            "body": BODY,
            "definer": True,
            "config": ["search_path=pg_catalog, pg_temp"],
            "volatile": "s",
            "language": "sql",
            "result": RESULT,
            "owner_superuser": True,
            "grants": [role],
        }
    )


def _lookup_sql(role: str, database: str) -> str:
    schema, name = identifier(SCHEMA), identifier(role)
    function = f"{schema}.user_lookup(text)"
    return f"""
CREATE SCHEMA IF NOT EXISTS {schema};
DROP FUNCTION IF EXISTS {function};
CREATE FUNCTION {schema}.user_lookup(wanted text) RETURNS {RESULT}
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $lookup${BODY}$lookup$;
{_REVOKE}
GRANT CONNECT ON DATABASE {identifier(database)} TO {name};
GRANT USAGE ON SCHEMA {schema} TO {name};
GRANT EXECUTE ON FUNCTION {function} TO {name};
"""
