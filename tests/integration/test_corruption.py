"""pg_corruption_check on pages, indexes, references and control data that are really broken."""

from __future__ import annotations

from typing import Any

from lab.clusters import Cluster
from tests.integration import inside
from tests.integration.recoveries import Backed
from tests.integration.standbys import made, refused

SCHEMA = """
CREATE EXTENSION amcheck;
CREATE TABLE parent (n int PRIMARY KEY, "odd ""name" text);
CREATE TABLE child (id int PRIMARY KEY, n int REFERENCES parent);
INSERT INTO parent SELECT n, repeat('x', 100) FROM generate_series(1, 500) n;
INSERT INTO child SELECT n, n FROM generate_series(1, 500) n;
CHECKPOINT
"""
# An index whose order is another one by now, as after an upgrade of the library that sorts: each page of it is whole.
SORTED = """
CREATE FUNCTION sorts(int, int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT btint4cmp($1, $2)';
CREATE OPERATOR CLASS sorted FOR TYPE int USING btree AS
  OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 sorts(int, int);
CREATE INDEX child_sorted ON child (n sorted);
CREATE OR REPLACE FUNCTION sorts(int, int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT btint4cmp($2, $1)'
"""


def look(backed: Backed, *, check: bool = False, **more: Any) -> inside.Ended:
    arguments = {"version": backed.version, **more}
    return inside.run(backed.node, "pg_corruption_check", arguments, check=check, user="root")


def damage(cluster: Cluster, path: str, seek: int, text: str = "broken") -> None:
    """Over some bytes of a file of the data directory; the server must not run."""
    command = f"printf '{text}' | dd of={cluster.data_directory}/{path} bs=1 seek={seek} conv=notrunc status=none"
    cluster.node.exec(["sh", "-c", command])


def faults(done: dict[str, Any]) -> set[tuple[str, str]]:
    return {(fault["kind"], fault["object"]) for fault in done["faults"]}


def test_what_is_broken_is_found_named_and_told_what_to_do_about(ledger: Backed) -> None:
    """One kind after the other, each on top of the one before."""
    cluster = ledger.cluster
    cluster.psql(SCHEMA)
    sound = made(look(ledger))
    assert (sound["verdict"], sound["faults"], sound["server"]) == ("sound", [], "running")
    assert sound["looked_at"]["foreign keys"] == 1
    assert sound["looked_at"]["tables"] > 60
    assert ["template1" in each for each in sound["skipped"]] == [True]
    assert made(look(ledger, check=True)) == sound
    # A reference: as when triggers were switched off.
    cluster.psql("SET session_replication_role = replica; DELETE FROM parent WHERE n = 7")
    done = made(look(ledger))
    assert (done["verdict"], faults(done)) == ("corrupt", {("foreign key", "child_n_fkey on child")})
    assert "1 rows of child have no row in parent" in done["faults"][0]["message"]
    assert "have lost what they refer to" in done["next_step"]
    assert made(look(ledger, foreign_keys=False))["verdict"] == "sound"
    # The order of an index, in which no checksum is wrong.
    cluster.psql(SORTED)
    done = made(look(ledger, foreign_keys=False))
    assert faults(done) == {("index", "public.child_sorted")}
    assert "invariant violated" in done["faults"][0]["message"]
    assert "REINDEX INDEX CONCURRENTLY (public.child_sorted)" in done["next_step"]
    cluster.psql("DROP INDEX child_sorted")
    # A page of an index.
    index, table = (cluster.psql(f"SELECT pg_relation_filepath('{name}')") for name in ("child_pkey", "parent"))
    cluster.stop()
    damage(cluster, index, 8192 + 4000)
    cluster.start()
    done = made(look(ledger, foreign_keys=False))
    assert faults(done) == {("index", "public.child_pkey")}
    assert "REINDEX INDEX CONCURRENTLY (public.child_pkey)" in done["next_step"]
    # A page of a table.
    cluster.stop()
    damage(cluster, table, 5000)
    stopped = made(look(ledger))
    assert stopped["server"] == "stopped"
    assert {fault["kind"] for fault in stopped["faults"]} == {"page"}
    assert any(table in fault["object"] for fault in stopped["faults"])
    cluster.start()
    done = made(look(ledger, foreign_keys=False))
    assert ("page", "public.parent") in faults(done)
    assert "Stop the writers" in done["next_step"]
    # The control data.
    cluster.stop()
    damage(cluster, "global/pg_control", 40, "xxxxxxxx")
    done = made(look(ledger))
    assert {fault["kind"] for fault in done["faults"]} == {"control data"}
    assert "start nothing on it" in done["next_step"]


def test_what_cannot_be_looked_at_is_told(ledger: Backed) -> None:
    assert "is not there" in refused(look(ledger, instance="other"))
    ledger.cluster.psql("CREATE DATABASE bare")
    done = made(look(ledger, databases=["bare", "gone"]))
    assert done["verdict"] == "sound"
    assert any("bare" in each and "amcheck" in each for each in done["skipped"])
    assert any("gone" in each for each in done["skipped"])


def test_a_server_that_crashed_is_not_called_corrupt(ledger: Backed) -> None:
    cluster = ledger.cluster
    cluster.psql("CREATE TABLE torn AS SELECT n FROM generate_series(1, 1000) n")
    cluster.stop("immediate")
    done = made(look(ledger))
    assert (done["verdict"], done["faults"], done["server"]) == ("unknown", [], "stopped")
    assert "not shut down cleanly" in done["next_step"]
    assert "pages" not in str(done["looked_at"])
    cluster.start()
    cluster.stop()
    done = made(look(ledger))
    assert (done["verdict"], done["looked_at"]["clusters whose pages were all read"]) == ("sound", 1)


def test_what_could_not_be_read_is_neither_damaged_nor_sound_without_a_word(ledger: Backed) -> None:
    cluster = ledger.cluster
    cluster.psql(SCHEMA)
    cluster.psql("CREATE TABLE words (w tsvector); CREATE INDEX words_w ON words USING gin (w)")
    cluster.psql("INSERT INTO parent SELECT n FROM generate_series(501, 50000) n")
    cluster.psql("INSERT INTO child SELECT n, n FROM generate_series(501, 50000) n; ANALYZE")
    done = made(look(ledger, databases=["postgres"]))
    assert (done["verdict"], done["looked_at"]["sequences"]) == ("sound", 1)
    assert "public.words_w (gin)" in str(done["skipped"])
    assert "not everything was looked at" in done["next_step"]
    # As with a disk that is full: nothing is known then, and nothing is damaged.
    cluster.psql("ALTER ROLE postgres SET temp_file_limit = '64kB'; ALTER ROLE postgres SET work_mem = '64kB'")
    done = made(look(ledger, databases=["postgres"]))
    assert (done["verdict"], done["faults"], done["looked_at"]["foreign keys"]) == ("sound", [], 0)
    assert "foreign keys of database postgres (child_n_fkey on child): temporary file size" in str(done["skipped"])
