"""Ten thousand partitions on a server as it comes: looked at, added to, and let go of, with few locks."""

from __future__ import annotations

import pytest

from tests.integration.partitions import Partitions

MANY, AT_ONCE = 10_000, 100
MAKE = """
DO $$ BEGIN FOR n IN {first} .. {last} LOOP
  EXECUTE format('CREATE TABLE t_p%s PARTITION OF t FOR VALUES FROM (%s) TO (%s)', n * 10, n * 10, n * 10 + 10);
END LOOP; END $$
"""
WISH = {"table": "t", "interval": "10", "ahead": 4, "retention": str(MANY * 10), "on_expiry": "drop"}


@pytest.fixture
def many(partitions: Partitions) -> Partitions:
    partitions.run("CREATE TABLE t (k bigint NOT NULL PRIMARY KEY) PARTITION BY RANGE (k)")
    for first in range(0, MANY, AT_ONCE):
        # One transaction may lock only so many, and looks at all it has made with each that it makes.
        partitions.run(MAKE.format(first=first, last=first + AT_ONCE - 1))
    # Four partitions are ahead of it.
    partitions.run("INSERT INTO t VALUES (99950)")
    return partitions


def test_ten_thousand(many: Partitions) -> None:
    before = many.fingerprint()
    looked = many(WISH)
    assert (looked["changed"], looked["tables"][0]["warnings"]) == (False, [])
    assert many.fingerprint() == before
    assert "failed" not in looked
    # There is no room to lock them all, and no need: who holds some of them stands in nobody's way.
    with many.connect() as holder:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE t_p5000, t_p60000 IN ACCESS EXCLUSIVE MODE")
        one = many.done({**WISH, "ahead": 5}, lock_timeout=5)
    assert one["tables"][0]["created"] == [f"t_p{MANY * 10}"]
    gone = many.done({**WISH, "retention": str((MANY - 8) * 10)}, lock_timeout=5)
    assert gone["tables"][0]["dropped"] == ["t_p0", "t_p10", "t_p20"]
    assert many.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 't'::regclass") == MANY + 1 - 3
