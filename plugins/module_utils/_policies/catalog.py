# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the server is asked about row-level security, each question beside what its rows become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import (
    NotPermitted,
    QueryFailed,
    Refused,
    TookTooLong,
)
from ansible_collections.runbook.postgres.plugins.module_utils._policies.state import PUBLIC, Policy, Table, Wish
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session, compose, identifier
from ansible_collections.runbook.postgres.plugins.module_utils._tables import Named, named

SECURITY = """
SELECT relrowsecurity AS enabled, relforcerowsecurity AS forced FROM pg_class WHERE oid = %(oid)s
"""

POLICIES = """
SELECT p.polname::text AS name, p.polpermissive AS permissive, p.polcmd::text AS command,
       ARRAY(SELECT CASE WHEN r = 0 THEN NULL ELSE pg_get_userbyid(r)::text END FROM unnest(p.polroles) r) AS roles,
       pg_get_expr(p.polqual, p.polrelid) AS "using", pg_get_expr(p.polwithcheck, p.polrelid) AS "check"
  FROM pg_policy p
 WHERE p.polrelid = {relation}
 ORDER BY p.polname
"""

ROLES = "SELECT rolname::text AS name FROM pg_roles WHERE rolname = ANY(%(names)s)"

# Behind all others: what the user's expressions name must not be found in the copy.
COPY_LAST = """
SELECT set_config('search_path', concat_ws(', ', nullif(current_setting('search_path'), ''), 'pg_temp'), true)
"""

# An expression cannot be bound. Inside a block it can neither end the transaction nor outlive it.
STATEMENT = """
SELECT set_config('runbook.statement', format('CREATE POLICY examined ON pg_temp.%%I', %(table)s::text)
       || coalesce(' USING (' || %(using)s || E'\n)', '')
       || coalesce(' WITH CHECK (' || %(check)s || E'\n)', ''), true)
"""
EXECUTE = "DO 'BEGIN EXECUTE current_setting(''runbook.statement''); END'"

# As pg_policy abbreviates them.
_COMMANDS = {"*": "all", "r": "select", "a": "insert", "w": "update", "d": "delete"}


def read_table(session: Session, name: str) -> Table:
    table = named(session, name)
    security = session.fetch(SECURITY, {"oid": table.oid})[0]
    rows = session.fetch(POLICIES.replace("{relation}", "%(oid)s"), {"oid": table.oid})
    return Table(table, security["enabled"], security["forced"], tuple(_policy(row) for row in rows))


def _policy(row: Mapping[str, Any]) -> Policy:
    return Policy(
        name=row["name"],
        command=_COMMANDS[row["command"]],
        permissive=row["permissive"],
        roles=(PUBLIC,) if None in row["roles"] else tuple(sorted(row["roles"])),
        using=row["using"],
        check=row["check"],
    )


def refuse_missing_roles(session: Session, wanted: Sequence[Wish]) -> None:
    names = {name for wish in wanted for each in wish.policies for name in each.roles if name != PUBLIC}
    if not names:
        return
    missing = sorted(names - {row["name"] for row in session.fetch(ROLES, {"names": list(names)})})
    if missing:
        raise Refused(f"There is no role {missing[0]} on this server: create it first, a policy is to name it.")


def as_printed(session: Session, table: Table, policies: Sequence[Policy]) -> list[Policy]:
    """These policies with their expressions as the server prints them, which is how they can be compared.

    Only the server knows that. It is asked with an empty temporary copy of the table, so that nobody waits for a
    lock, in a transaction that is always undone: that is why check mode may do it too.
    """
    known = {each.name: each for each in table.policies}
    foreign = [each for each in policies if not _printed_already(each, known.get(each.name))]
    if not foreign:
        return list(policies)
    with session.undone():
        _copy(session, table.named)
        printed = {each.name: _examined(session, table, each) for each in foreign}
    return [printed.get(each.name, each) for each in policies]


def _printed_already(policy: Policy, known: Policy | None) -> bool:
    return known is not None and (policy.using, policy.check) == (known.using, known.check)


def _copy(session: Session, table: Named) -> None:
    """With the table's own name, as expressions may use it."""
    statement = compose(
        "CREATE TEMPORARY TABLE {copy} (LIKE {table})",
        copy=identifier("pg_temp", table.name),
        table=identifier(table.schema, table.name),
    )
    try:
        session.fetch(statement)
    except NotPermitted as error:
        raise Refused(
            f"The role may not make temporary tables in this database ({error.sentence}), which comparing the "
            f"policies of {table.title} needs: GRANT TEMPORARY ON DATABASE to it."
        ) from error
    session.fetch(COPY_LAST)


def _examined(session: Session, table: Table, policy: Policy) -> Policy:
    values = {"table": table.named.name, "using": policy.using, "check": policy.check}
    session.fetch("SAVEPOINT examined")
    try:
        session.fetch(STATEMENT, values)
        session.fetch(EXECUTE)
        rows = session.fetch(
            POLICIES.replace("{relation}", "to_regclass(format('pg_temp.%%I', %(table)s::text))"), values
        )
    except TookTooLong:
        raise
    except QueryFailed as error:
        raise Refused(
            f"{table.title}: policy {policy.name} cannot be made of its expressions, the server says: {error.sentence}."
        ) from error
    session.fetch("ROLLBACK TO SAVEPOINT examined")
    if len(rows) != 1:
        raise Refused(
            f"{table.title}: policy {policy.name} holds more than expressions: give using and check one each."
        )
    return replace(policy, using=rows[0]["using"], check=rows[0]["check"])
