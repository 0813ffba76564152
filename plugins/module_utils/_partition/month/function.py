# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A function in the database that makes one month of one table, for those who have a session and no control node.

It does by itself what pg_partition does: the table is made beside its parent and attached when it is complete, under
the lock that lets reads and writes go on, and takes over what the server does not pass on. A test holds the two alike.
"""

from __future__ import annotations

# What its comment begins with: by this a function is known as ours.
MARK = "runbook.postgres: makes the partition of one month"
COMMENT = MARK + ", or finds it; called with table, year, month and the time zone in which months begin"

ARGUMENTS = "parent regclass, year integer, month integer, timezone text DEFAULT 'UTC'"
TYPES = "regclass, integer, integer, text"

# Nothing of the caller's is looked up by a bare name, bounds are printed in one way, and nobody queues for long.
SETTINGS = {
    "search_path": "pg_catalog, pg_temp",
    "TimeZone": "'UTC'",
    "DateStyle": "'ISO'",
    "row_security": "off",
    "lock_timeout": "'2s'",
}

BODY = r"""
#variable_conflict use_variable
DECLARE
  of_parent record;
  lower text; upper text; bounds text;
  stem text; tail text; name text; letters text := '';
  child text; index_name text;
  there regclass;
  statement text;
BEGIN
  SELECT c.relname, c.relnamespace, n.nspname, c.relowner, c.relrowsecurity, c.relforcerowsecurity, c.relreplident,
         t.partstrat, t.partnatts, t.partdefid, format_type(a.atttypid, NULL) AS key_type,
         (SELECT amname FROM pg_am m WHERE m.oid = c.relam) AS method,
         (SELECT spcname FROM pg_tablespace s WHERE s.oid = c.reltablespace) AS space
    INTO of_parent
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_partitioned_table t ON t.partrelid = c.oid
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = t.partattrs[0] AND a.attnum > 0
   WHERE c.oid = parent;
  IF NOT FOUND THEN
    RAISE EXCEPTION '% is not partitioned', parent;
  END IF;
  IF of_parent.partstrat <> 'r' OR of_parent.partnatts <> 1 OR of_parent.key_type IS NULL OR of_parent.key_type NOT IN
     ('date', 'timestamp without time zone', 'timestamp with time zone') THEN
    RAISE EXCEPTION '% is not partitioned by ranges of one column of dates or times: there are no months', parent;
  END IF;
  IF year NOT BETWEEN 1 AND 9999 OR month NOT BETWEEN 1 AND 12 OR num_nulls(year, month, timezone) > 0 THEN
    RAISE EXCEPTION 'there is no month % of year % in zone %', month, year, timezone;
  END IF;

  CASE of_parent.key_type
    WHEN 'date' THEN
      lower := make_date(year, month, 1)::text;
      upper := (make_date(year, month, 1) + interval '1 month')::date::text;
    WHEN 'timestamp without time zone' THEN
      lower := make_date(year, month, 1)::timestamp::text;
      upper := (make_date(year, month, 1) + interval '1 month')::text;
    ELSE
      lower := (make_date(year, month, 1)::timestamp AT TIME ZONE timezone)::text;
      upper := ((make_date(year, month, 1) + interval '1 month') AT TIME ZONE timezone)::text;
  END CASE;
  bounds := format('FOR VALUES FROM (%L) TO (%L)', lower, upper);

  -- The same key as runs of pg_partition take, so that neither meets the other's half-done work.
  PERFORM pg_advisory_xact_lock((1380077639::bigint << 32) | parent::oid::bigint);
  EXECUTE format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE', parent);

  SELECT c.oid::regclass INTO there
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
   WHERE i.inhparent = parent AND pg_get_expr(c.relpartbound, c.oid) = bounds
     -- There from version 14 on.
     AND NOT coalesce((to_jsonb(i) ->> 'inhdetachpending')::boolean, false);
  IF FOUND THEN
    RETURN there;
  END IF;
  IF of_parent.partdefid <> 0 AND pg_relation_size(of_parent.partdefid) > 67108864 THEN
    RAISE EXCEPTION '% has a large default partition, which would be read while others wait: use pg_partition', parent;
  END IF;

  -- A name that neither a table nor a type has; what tells months apart is kept whole.
  tail := format('_p%s_%s', lpad(year::text, 4, '0'), lpad(month::text, 2, '0'));
  LOOP
    stem := of_parent.relname;
    WHILE octet_length(stem || tail || letters) > 63 LOOP
      stem := left(stem, -1);
    END LOOP;
    name := stem || tail || letters;
    EXIT WHEN NOT EXISTS (SELECT FROM pg_class WHERE relnamespace = of_parent.relnamespace AND relname = name)
          AND NOT EXISTS (SELECT FROM pg_type WHERE typnamespace = of_parent.relnamespace AND typname = name);
    letters := '_' || left(md5(parent::oid || bounds || letters), 8);
  END LOOP;
  child := format('%I.%I', of_parent.nspname, name);

  EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING ALL EXCLUDING IDENTITY)', child, parent)
          || coalesce(' USING ' || quote_ident(of_parent.method), '')
          || coalesce(' TABLESPACE ' || quote_ident(of_parent.space), '');
  FOR statement IN
    -- What default privileges give a new table and its parent does not have.
    SELECT DISTINCT format('REVOKE ALL ON %s FROM %s', child, coalesce(quote_ident(r.rolname), 'PUBLIC'))
      FROM pg_default_acl d, aclexplode(d.defaclacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
     WHERE d.defaclobjtype = 'r' AND d.defaclnamespace IN (0, of_parent.relnamespace)
       AND pg_get_userbyid(d.defaclrole) = current_user AND a.grantee <> d.defaclrole
  LOOP EXECUTE statement; END LOOP;
  FOR statement IN
    -- A partitioned table has no storage settings: they are those of its newest partition.
    SELECT format('ALTER TABLE %s SET (%s)', child, string_agg(
             CASE WHEN o.toast THEN 'toast.' ELSE '' END || quote_ident(split_part(o.option, '=', 1)) || ' = '
             || quote_literal(substr(o.option, strpos(o.option, '=') + 1)), ', '))
      FROM (SELECT s.reloptions, t.reloptions AS toasted
              FROM pg_inherits i JOIN pg_class s ON s.oid = i.inhrelid LEFT JOIN pg_class t ON t.oid = s.reltoastrelid
             WHERE i.inhparent = parent AND s.relkind = 'r' ORDER BY s.oid DESC LIMIT 1) newest,
           LATERAL (SELECT unnest(newest.reloptions) AS option, false AS toast
                     UNION ALL SELECT unnest(newest.toasted), true) o
    HAVING count(*) > 0
  LOOP EXECUTE statement; END LOOP;
  FOR statement IN
    SELECT format('GRANT %s%s ON %s TO %s%s', a.privilege_type,
                  ' (' || quote_ident(g.column_name) || ')', child, coalesce(quote_ident(r.rolname), 'PUBLIC'),
                  CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' END)
      FROM (SELECT NULL::name AS column_name, relacl AS acl FROM pg_class WHERE oid = parent
             UNION ALL
            SELECT attname, attacl FROM pg_attribute WHERE attrelid = parent AND attnum > 0 AND NOT attisdropped) g,
           LATERAL aclexplode(g.acl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
     WHERE g.column_name IS NOT NULL OR a.grantee <> of_parent.relowner
  LOOP EXECUTE statement; END LOOP;
  FOR statement IN
    SELECT format('CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s', p.polname, child,
                  CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                  CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
                                WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
                  (SELECT string_agg(coalesce(quote_ident(r.rolname), 'PUBLIC'), ', ')
                     FROM unnest(p.polroles) o LEFT JOIN pg_roles r ON r.oid = o),
                  ' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
                  ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')')
      FROM pg_policy p WHERE p.polrelid = parent ORDER BY p.polname
  LOOP EXECUTE statement; END LOOP;
  IF of_parent.relrowsecurity THEN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', child);
  END IF;
  IF of_parent.relforcerowsecurity THEN
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', child);
  END IF;
  IF of_parent.relreplident IN ('f', 'n') THEN
    EXECUTE format('ALTER TABLE %s REPLICA IDENTITY %s', child,
                   CASE of_parent.relreplident WHEN 'f' THEN 'FULL' ELSE 'NOTHING' END);
  END IF;

  EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s %s', parent, child, bounds);
  IF of_parent.relreplident = 'i' THEN
    SELECT c.relname INTO STRICT index_name
      FROM pg_index p
      JOIN pg_inherits i ON i.inhparent = p.indexrelid
      JOIN pg_index x ON x.indexrelid = i.inhrelid AND x.indrelid = child::regclass
      JOIN pg_class c ON c.oid = x.indexrelid
     WHERE p.indrelid = parent AND p.indisreplident;
    EXECUTE format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %I', child, index_name);
  END IF;
  -- Last: whoever makes the partition may not be able to change it afterwards.
  IF pg_get_userbyid(of_parent.relowner) <> current_user THEN
    EXECUTE format('ALTER TABLE %s OWNER TO %I', child, pg_get_userbyid(of_parent.relowner));
  END IF;
  RETURN child::regclass;
END
"""
