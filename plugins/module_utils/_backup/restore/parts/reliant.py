# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Who came to rely on what a restore put aside: dropping that would take it along without a word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ansible_collections.runbook.postgres.plugins.module_utils._session import Session

# The rule of a view, a default, a trigger and a policy have no schema but their table's.
OUTSIDE = """
WITH kept AS (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s),
     inside AS (SELECT 'pg_class'::regclass AS class, c.oid FROM pg_class c JOIN kept k ON k.oid = c.relnamespace
                UNION ALL
                SELECT 'pg_type'::regclass, t.oid FROM pg_type t JOIN kept k ON k.oid = t.typnamespace
                UNION ALL
                SELECT 'pg_proc'::regclass, p.oid FROM pg_proc p JOIN kept k ON k.oid = p.pronamespace)
SELECT DISTINCT pg_describe_object(d.classid, d.objid, d.objsubid) AS what
  FROM pg_depend d
  JOIN inside i ON i.class = d.refclassid AND i.oid = d.refobjid
  LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
  LEFT JOIN pg_attrdef a ON d.classid = 'pg_attrdef'::regclass AND a.oid = d.objid
  LEFT JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
  LEFT JOIN pg_policy p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid
  LEFT JOIN pg_constraint o ON d.classid = 'pg_constraint'::regclass AND o.oid = d.objid
  LEFT JOIN pg_proc f ON d.classid = 'pg_proc'::regclass AND f.oid = d.objid
  LEFT JOIN pg_class c ON c.oid = COALESCE(r.ev_class, a.adrelid, t.tgrelid, p.polrelid,
                                           CASE WHEN d.classid = 'pg_class'::regclass THEN d.objid END)
  CROSS JOIN kept k
 WHERE d.deptype = 'n' AND COALESCE(c.relnamespace, o.connamespace, f.pronamespace) <> k.oid
 ORDER BY 1
"""


def relied_on(session: Session, schemas: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each schema that holds what somebody outside of it uses, with whom in words."""
    for schema in schemas:
        found = [row["what"] for row in session.fetch(OUTSIDE, {"schema": schema})]
        if found:
            yield schema, ", ".join(found)
