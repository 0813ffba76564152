"""What a new partition takes over, as the statements that give it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._partition.traits import Traits, creation, statements
from ansible_collections.runbook.postgres.plugins.module_utils._session import identifier

PLAIN = Traits(
    owner="bob",
    own=True,
    row_security=False,
    forced=False,
    replica_identity="d",
    tablespace=None,
    access_method=None,
    storage=(),
    grants=(),
    policies=(),
    surplus=(),
)
POLICY = {
    "name": "mine",
    "permissive": True,
    "command": "r",
    "roles": [None],
    "qualifier": "(owner = CURRENT_USER)",
    "check_expression": None,
}


def text(composed: Any) -> str:
    """As the driver would send it; what is quoted by connection is a literal here."""
    if hasattr(composed, "seq"):
        return "".join(text(part) for part in composed.seq)
    if hasattr(composed, "strings"):
        return ".".join('"' + part.replace('"', '""') + '"' for part in composed.strings)
    if hasattr(composed, "string"):
        return str(composed.string)
    return repr(composed.wrapped)


def grant(privilege: str, grantee: str | None, *, column: str | None = None, grantable: bool = False) -> dict[str, Any]:
    return {"column_name": column, "grantee": grantee, "privilege": privilege, "grantable": grantable}


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, []),
        ({"own": False}, ['ALTER TABLE "s"."p" OWNER TO "bob"']),
        ({"own": False, "owner": 'a"b'}, ['ALTER TABLE "s"."p" OWNER TO "a""b"']),
        (
            {"storage": ("fillfactor=70", "toast.autovacuum_enabled=false")},
            ['ALTER TABLE "s"."p" SET ("fillfactor" = \'70\', "toast"."autovacuum_enabled" = \'false\')'],
        ),
        ({"surplus": (None, "eve")}, ['REVOKE ALL ON "s"."p" FROM PUBLIC', 'REVOKE ALL ON "s"."p" FROM "eve"']),
        ({"grants": (grant("SELECT", None),)}, ['GRANT SELECT ON "s"."p" TO PUBLIC']),
        (
            {"grants": (grant("UPDATE", "eve", column="a b", grantable=True),)},
            ['GRANT UPDATE ("a b") ON "s"."p" TO "eve" WITH GRANT OPTION'],
        ),
        ({"row_security": True}, ['ALTER TABLE "s"."p" ENABLE ROW LEVEL SECURITY']),
        (
            {"row_security": True, "forced": True},
            ['ALTER TABLE "s"."p" ENABLE ROW LEVEL SECURITY', 'ALTER TABLE "s"."p" FORCE ROW LEVEL SECURITY'],
        ),
        ({"replica_identity": "f"}, ['ALTER TABLE "s"."p" REPLICA IDENTITY FULL']),
        ({"replica_identity": "n"}, ['ALTER TABLE "s"."p" REPLICA IDENTITY NOTHING']),
        # By index: when it is attached and the index belongs to its table's.
        ({"replica_identity": "i"}, []),
        (
            {"policies": (POLICY,)},
            ['CREATE POLICY "mine" ON "s"."p" AS PERMISSIVE FOR SELECT TO PUBLIC USING ((owner = CURRENT_USER))'],
        ),
        (
            {
                "policies": (
                    {
                        **POLICY,
                        "permissive": False,
                        "command": "*",
                        "roles": ["a", "b"],
                        "qualifier": None,
                        "check_expression": "(tag <> '{}'::text[])",
                    },
                )
            },
            ['CREATE POLICY "mine" ON "s"."p" AS RESTRICTIVE FOR ALL TO "a", "b" WITH CHECK ((tag <> \'{}\'::text[]))'],
        ),
    ],
)
def test_traits_become_statements(changes: dict[str, Any], wanted: list[str]) -> None:
    found = statements(replace(PLAIN, **changes), identifier("s", "p"))
    assert [text(each) for each in found] == wanted


@pytest.mark.parametrize(
    ("changes", "asked", "wanted"),
    [
        ({}, None, ""),
        ({"tablespace": "fast"}, None, ' TABLESPACE "fast"'),
        ({"tablespace": "fast"}, 'sl"ow', ' TABLESPACE "sl""ow"'),
        ({"access_method": "heap", "tablespace": "fast"}, None, ' USING "heap" TABLESPACE "fast"'),
    ],
)
def test_where_and_how_it_is_stored(changes: dict[str, Any], asked: str | None, wanted: str) -> None:
    first = creation(replace(PLAIN, **changes), identifier("s", "t"), identifier("s", "p"), asked)[0]
    assert text(first) == f'CREATE TABLE "s"."p" (LIKE "s"."t" INCLUDING ALL EXCLUDING IDENTITY){wanted}'
