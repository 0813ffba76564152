# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What cannot come along when a table becomes partitioned, each in a few words.

Whatever depends on the table and is not known to come along is an obstacle: after
the change it would go on with the old table, and nobody would notice.
"""

from __future__ import annotations

from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.state import CHECK
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session

# Own parts are left out by what they belong to; all others are named as the server does.
DEPENDENTS = """
WITH watched AS (
    SELECT 'pg_class'::regclass::oid AS class, %(oid)s::oid AS object
    UNION ALL
    SELECT 'pg_type'::regclass, unnest(ARRAY[t.oid, t.typarray])
      FROM pg_class c JOIN pg_type t ON t.oid = c.reltype WHERE c.oid = %(oid)s
    UNION ALL
    SELECT o.classid, o.objid FROM pg_depend o
     WHERE o.refclassid = 'pg_class'::regclass AND o.refobjid = %(oid)s AND o.refobjsubid > 0
       AND o.classid = 'pg_class'::regclass AND o.deptype = 'i')
SELECT DISTINCT pg_describe_object(d.classid, d.objid, 0) AS name
  FROM watched w
  JOIN pg_depend d ON d.refclassid = w.class AND d.refobjid = w.object
  JOIN pg_class c ON c.oid = %(oid)s
  LEFT JOIN pg_type t ON t.oid = c.reltype
 WHERE d.classid <> 'pg_publication_rel'::regclass
   AND NOT (d.classid = 'pg_type'::regclass AND (d.deptype = 'i' OR d.objid IN (c.reltype, t.typarray)))
   AND NOT (d.classid = 'pg_class'::regclass AND d.objid = c.oid)
   AND NOT (d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
            AND EXISTS (SELECT FROM pg_class r WHERE r.oid = d.objid AND r.relkind IN ('S', 't')))
   AND NOT (d.classid = 'pg_class'::regclass
            AND EXISTS (SELECT FROM pg_index x WHERE x.indexrelid = d.objid AND x.indrelid = c.oid))
   AND NOT (d.classid = 'pg_class'::regclass AND EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = d.objid))
   AND NOT (d.classid = 'pg_policy'::regclass
            AND EXISTS (SELECT FROM pg_policy p WHERE p.oid = d.objid AND p.polrelid = c.oid))
   AND NOT (d.classid = 'pg_trigger'::regclass
            AND EXISTS (SELECT FROM pg_trigger g WHERE g.oid = d.objid AND (g.tgrelid = c.oid OR g.tgisinternal)))
   AND NOT (d.classid = 'pg_constraint'::regclass
            AND EXISTS (SELECT FROM pg_constraint k WHERE k.oid = d.objid AND (k.conrelid = c.oid
                                                            OR (k.confrelid = c.oid AND k.contype = 'f'))))
   AND NOT (d.classid = 'pg_attrdef'::regclass
            AND EXISTS (SELECT FROM pg_attrdef f WHERE f.oid = d.objid AND f.adrelid = c.oid))
   AND NOT (d.classid = 'pg_statistic_ext'::regclass
            AND EXISTS (SELECT FROM pg_statistic_ext s WHERE s.oid = d.objid AND s.stxrelid = c.oid))
 ORDER BY 1
"""

TRAITS = """
SELECT c.relpersistence <> 'p' AS passing, c.relispartition AS partition, c.reloftype <> 0 AS typed,
       EXISTS (SELECT FROM pg_inherits h WHERE h.inhparent = c.oid OR (h.inhrelid = c.oid AND NOT c.relispartition))
           AS inherits,
       coalesce(a.amname <> current_setting('default_table_access_method'), false) AS method,
       row_security_active(c.oid) AS filtered,
       EXISTS (SELECT FROM pg_subscription_rel s WHERE s.srrelid = c.oid) AS subscribed,
       EXISTS (SELECT FROM pg_seclabel l WHERE l.objoid = c.oid AND l.classoid = 'pg_class'::regclass) AS labelled,
       (SELECT e.extname::text FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
         WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') AS extension
  FROM pg_class c LEFT JOIN pg_am a ON a.oid = c.relam WHERE c.oid = %(oid)s
"""

CHECKS = """
SELECT k.conname::text AS name, k.connoinherit AS alone, k.convalidated AS valid FROM pg_constraint k
 WHERE k.conrelid = %(oid)s AND k.contype = 'c' AND k.conname <> %(ours)s AND (k.connoinherit OR NOT k.convalidated)
 ORDER BY 1
"""

_WORDS = {
    "passing": "it is temporary or unlogged",
    "partition": "it is a partition itself",
    "typed": "it is a typed table (OF a type)",
    "inherits": "it takes part in inheritance",
    "method": "its table access method is not the default one",
    "filtered": "row-level security hides rows from this role",
    "subscribed": "a subscription feeds it, which knows it by its old identity",
    "labelled": "it has a security label",
}


def read_obstacles(session: Session, oid: int) -> tuple[str, ...]:
    """In the order in which they are told; none of our own making."""
    row = session.fetch(TRAITS, {"oid": oid})[0]
    found = [words for name, words in _WORDS.items() if row[name]]
    if row["extension"] is not None:
        found.append(f"it belongs to extension {row['extension']}")
    for each in session.fetch(CHECKS, {"oid": oid, "ours": CHECK}):
        why = "is declared NO INHERIT" if each["alone"] else "is not validated"
        found.append(f"its check constraint {each['name']} {why}")
    found += [f"{each['name']} depends on it" for each in session.fetch(DEPENDENTS, {"oid": oid})]
    return tuple(found)
