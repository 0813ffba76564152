"""Everything that a table has, it has when it is partitioned; what pg_dump says is the witness."""

from __future__ import annotations

import pytest

from tests.integration.conversions import RICH, WISH, dumped, sections
from tests.integration.partitions import Partitions


@pytest.mark.parametrize("how", ["attach", "copy"])
def test_everything_comes_along(partitions: Partitions, how: str) -> None:
    partitions.run(*RICH)
    before = sections(dumped(partitions))
    rows = partitions.rows("SELECT * FROM t ORDER BY id")
    partitions.done({**WISH, "convert": how})
    after = sections(dumped(partitions))
    assert {name: after.get(name) for name in before} == before
    assert partitions.rows("SELECT * FROM t ORDER BY id") == rows
    # Each trigger fires as often as before, in old partitions and in new ones; new rows are checked as ever.
    partitions.run("INSERT INTO t (k, target) VALUES (50, 1), (450, 1)", "UPDATE t SET x = 'new' WHERE k = 450")
    assert partitions.rows("SELECT k FROM seen ORDER BY 1") == [(50,), (450,)]
    assert partitions.rows("SELECT count(*), count(DISTINCT id), count(DISTINCT n) FROM t") == [(252, 252, 252)]
    for statement in ("INSERT INTO t (k, target) VALUES (50, 99)", "INSERT INTO source VALUES (-1, 5)"):
        with pytest.raises(Exception, match="violates foreign key"):
            partitions.run(statement)
    partitions.run("DELETE FROM source", "DELETE FROM target")
    assert partitions.value("SELECT count(*) FROM t") == 0


LEAVES = """
SELECT c.relname::text, c.reloptions, c.relreplident::text, c.relowner::regrole::text, c.relrowsecurity,
       (SELECT count(*) FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid),
       (SELECT count(*) FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.conparentid <> 0)
  FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid WHERE h.inhparent = 't'::regclass ORDER BY 1
"""


@pytest.mark.parametrize("how", ["attach", "copy"])
def test_partitions_are_alike(partitions: Partitions, how: str) -> None:
    """Those that the old rows are in, and those to come."""
    partitions.run(*RICH)
    partitions.done({**WISH, "convert": how})
    options = ["fillfactor=70", "autovacuum_vacuum_scale_factor=0.05"]
    leaves = partitions.rows(LEAVES)
    assert len(leaves) == (2 if how == "attach" else 5)
    assert [leaf[1:] for leaf in leaves] == [(options, "i", "keeper", True, 5, 1)] * len(leaves)


@pytest.mark.parametrize("how", ["attach", "copy"])
def test_publications_of_some_columns_and_rows(partitions: Partitions, how: str) -> None:
    if partitions.server.version < 15:
        pytest.skip("PostgreSQL 13 publishes whole tables")
    partitions.run(
        'CREATE TABLE t (k bigint, x int, "o{d}d %s" text, PRIMARY KEY (k))',
        'CREATE PUBLICATION part FOR TABLE t (k, "o{d}d %s") WHERE (k > 5) WITH (publish_via_partition_root = true)',
    )
    before = partitions.rows("SELECT * FROM pg_publication_tables")
    partitions.done({**WISH, "convert": how})
    assert partitions.rows("SELECT * FROM pg_publication_tables") == before


def test_the_index_to_cluster_by_is_told(partitions: Partitions) -> None:
    partitions.run("CREATE TABLE t (k bigint PRIMARY KEY)", "ALTER TABLE t CLUSTER ON t_pkey")
    assert "the index to CLUSTER by is forgotten" in partitions.done(WISH)["tables"][0]["warnings"][0]
