"""A database is what its backup holds: new, or in the place of another that is kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from lab.waiting import wait_until
from tests.integration import inside
from tests.integration.restores import HOME, REPOSITORY, Stage, only
from tests.integration.servers import Server

SHOP = """
CREATE TABLE customer (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customer, amount numeric);
INSERT INTO customer SELECT n, 'customer ' || n FROM generate_series(1, 100) n;
INSERT INTO orders SELECT n, 1 + n % 100, n / 7.0 FROM generate_series(1, 1000) n;
CREATE VIEW spent AS SELECT customer, sum(amount) FROM orders GROUP BY 1;
"""
# What is in the way of it.
LATER = """
DELETE FROM orders; ALTER DATABASE shop SET work_mem = '5MB'; ALTER DATABASE shop CONNECTION LIMIT 7;
COMMENT ON DATABASE shop IS 'ours'; REVOKE CONNECT ON DATABASE shop FROM PUBLIC
"""
OF_ITSELF = """
SELECT datconnlimit, datallowconn, has_database_privilege('monitor', oid, 'CONNECT'),
       shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{name}'
"""
SOCKETS = "/var/run/postgresql"
BARE: dict[str, Any] = {"replace": True, "safety_backup": False}
WRONG: dict[str, Any] = {"checks": {"queries": [{"query": "SELECT count(*) FROM orders", "expect": 7}]}}
# An order that depends on who asks, as between hosts whose libraries sort otherwise: the index that pg_restore makes is
# out of order for everybody who has a limit of time.
FICKLE = """
CREATE FUNCTION public.sorts(int, int) RETURNS int IMMUTABLE LANGUAGE sql AS
  'SELECT CASE current_setting(''statement_timeout'') WHEN ''0'' THEN btint4cmp($1, $2) ELSE btint4cmp($2, $1) END';
CREATE OPERATOR CLASS public.fickle FOR TYPE int USING btree AS
  OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 public.sorts(int, int);
CREATE TABLE fickle (n int);
INSERT INTO fickle SELECT generate_series(1, 1000);
CREATE INDEX fickle_n ON fickle (n public.fickle)
"""


@pytest.fixture
def stage(installed: Server) -> Stage:
    stage = Stage(installed.node, installed.primary)
    stage.clear()
    stage.psql("CREATE DATABASE shop")
    stage.psql(SHOP, "shop")
    return stage


def test_the_backup_that_is_restored_from_stays_until_it_was(stage: Stage) -> None:
    """The last night on which the mistake can be mended is also the one on which that backup is past its time."""
    oldest = stage.back_up("shop", format="directory")
    stage.psql("DROP TABLE orders CASCADE", "shop")
    arguments = stage.arguments(backup=oldest, target="before")
    loads = inside.Interrupt(("._backup.restore.loading:Archive.load",))
    with inside.held(stage.node, "pg_restore", arguments, loads) as restore:
        newer = stage.back_up("shop", retention={"count": 1})
        assert stage.backups() == sorted([oldest, newer])
        wish: dict[str, Any] = {"database": "shop", "destination": REPOSITORY, "login_unix_socket": SOCKETS}
        wish |= {"max_age": "1 day", "retention": {"count": 1}}
        foreseen = inside.run(stage.node, "pg_backup", wish, check=True).result
        assert foreseen["removed"] == []
        reason = "not among the last 1 and is being restored from now: it stays until a later run."
        assert f"Backup {oldest} is {reason}" in str(foreseen["warnings"])
        assert restore.finish().code == 0
    assert orders(stage, "before") == 1000
    assert [each["id"] for each in inside.run(stage.node, "pg_backup", wish).result["removed"]] == [oldest]
    assert stage.backups() == [newer]


def orders(stage: Stage, database: str = "shop") -> int:
    return int(stage.psql("SELECT count(*) FROM orders", database))


def test_a_database_that_is_gone_comes_back(stage: Stage) -> None:
    backup = stage.back_up("shop")
    stage.psql("DROP DATABASE shop")
    checks = {"amcheck": True, "queries": [{"query": "SELECT count(*), true FROM orders", "expect": [[1000, True]]}]}
    done = stage.done(checks=checks)
    assert done.result["backup"] == backup
    assert done.result["checks"]["rows"] == 1100
    assert done.result["checks"]["queries"][0]["answer"] == [["1000", "true"]]
    assert stage.psql("SELECT count(*) FROM spent", "shop") == "100"
    assert stage.psql("SELECT count(*) FROM pg_extension WHERE extname = 'amcheck'", "shop") == "0"
    assert int(stage.psql("SELECT reltuples FROM pg_class WHERE relname = 'orders'", "shop")) == 1000, "not analyzed"
    assert [name for name in stage.databases() if name.startswith("shop")] == ["shop"]


def test_a_database_is_replaced_and_kept_until_told_otherwise(stage: Stage) -> None:
    stage.back_up("shop")
    stage.psql(LATER, "shop")
    assert "replace: true" in stage.restore().failure
    assert orders(stage) == 0
    done = stage.done(**BARE)
    kept = only(stage.kept("shop"))
    assert done.result["kept"] == kept
    assert (orders(stage), orders(stage, kept)) == (1000, 0)
    assert stage.psql("SHOW work_mem", "shop") == "5MB"
    limit, is_open, may, said = stage.psql(OF_ITSELF.replace("{name}", "shop")).split("|")
    assert (limit, is_open, may) == ("7", "t", "f")
    assert said.startswith("ours\n")
    dropped = stage.restore(**BARE, replaced="drop")
    assert dropped.result["changed"]
    assert stage.kept("shop") == []


def test_it_is_restored_under_another_name(stage: Stage) -> None:
    stage.back_up("shop")
    stage.done(target='sh"op %s; ü')
    assert orders(stage, 'sh"op %s; ü') == orders(stage) == 1000


def test_an_empty_database_is_filled_without_asking(stage: Stage) -> None:
    stage.back_up("shop")
    stage.psql("DROP DATABASE shop")
    stage.psql("CREATE DATABASE shop")
    stage.done()
    assert (orders(stage), stage.kept("shop")) == (1000, [])


def test_what_was_written_to_an_empty_database_meanwhile_is_not_lost(stage: Stage) -> None:
    """Hours after it was asked, by a deployment; or in the last moment, before names change."""
    stage.back_up("shop")
    stage.psql("DROP DATABASE shop")
    stage.psql("CREATE DATABASE shop")
    meanwhile = inside.Interrupt(("._backup.restore.loading:Archive.analyze",))
    with inside.held(stage.node, "pg_restore", stage.arguments(), meanwhile) as run:
        stage.psql("CREATE TABLE mine AS SELECT 7 AS n", "shop")
    told = run.finish().failure
    assert "was empty and is so no more" in told
    assert told.endswith("shop is as it was.")
    assert stage.psql("SELECT n FROM mine; DROP TABLE mine", "shop") == "7"
    late = inside.Interrupt(("._backup.restore.whole:swap",))
    with inside.held(stage.node, "pg_restore", stage.arguments(), late) as run:
        stage.psql("CREATE TABLE mine AS SELECT 8 AS n", "shop")
    assert "is kept as shop_before" in str(run.finish().result["warnings"])
    assert (orders(stage), stage.psql("SELECT n FROM mine", only(stage.kept("shop")))) == (1000, "8")


def test_a_wrong_answer_changes_nothing(stage: Stage) -> None:
    stage.back_up("shop")
    stage.psql(LATER, "shop")
    for keep_out in ("during_swap", "during_restore"):
        told = stage.restore(**BARE, **WRONG, keep_out=keep_out).failure
        assert "answered 1000, and 7 is expected" in told
        assert told.endswith("shop is as it was.")
        assert orders(stage) == 0
        assert [name for name in stage.databases() if name.startswith("shop")] == ["shop"]
        assert stage.psql(OF_ITSELF.replace("{name}", "shop")) == "7|t|f|ours"


def test_a_backup_is_restored_from_where_it_was_carried_to(stage: Stage) -> None:
    """By a path alone, as from a disk that somebody brought."""
    backup = stage.back_up("shop")
    place = f"{HOME}/far/a disk; 'ü"
    stage.node.exec(["install", "-d", "-o", "postgres", place], user="postgres")
    stage.node.exec(["mv", f"{REPOSITORY}/{backup}", place])
    stage.psql("DROP DATABASE shop")
    carried: dict[str, Any] = {"repository": None, "backup": f"{place}/{backup}"}
    done = stage.done(**carried)
    assert (done.result["backup"], done.result["kept_out_seconds"]) == (backup, None)
    assert orders(stage) == 1000
    told = stage.restore(**{**carried, "backup": f"{place}/nothing"}).failure
    assert f"{place}/nothing/manifest.json cannot be read: No such file or directory" in told
    stage.node.exec(["truncate", "-s", "-100", f"{place}/{backup}/dump.pgdump"])
    told = stage.restore(**carried, target="again").failure
    assert backup in told
    assert "again" not in stage.databases()


def test_what_was_unfinished_in_the_backup_is_told_and_an_index_that_is_not_valid_fails(stage: Stage) -> None:
    stage.psql("ALTER TABLE orders ADD CONSTRAINT dear CHECK (amount > 5) NOT VALID", "shop")
    stage.psql("CREATE TABLE visit (n int) PARTITION BY RANGE (n)", "shop")
    stage.psql("CREATE TABLE visit_1 PARTITION OF visit FOR VALUES FROM (0) TO (9)", "shop")
    stage.psql("CREATE INDEX visit_n ON ONLY visit (n)", "shop")
    stage.back_up("shop")
    done = stage.done(target="beside")
    checks = done.result["checks"]
    assert (checks["not_validated"], checks["unfinished_indexes"]) == (["dear on orders"], ["public.visit_n"])
    warned = str(done.result["warnings"])
    assert "dear on orders. ALTER TABLE with VALIDATE CONSTRAINT" in warned
    assert "public.visit_n. ALTER INDEX with ATTACH PARTITION" in warned
    # One that the restore left so is none to be put in anybody's place.
    loaded = inside.Interrupt(("._backup.restore.loading:Archive.analyze",))
    with inside.held(stage.node, "pg_restore", stage.arguments(**BARE), loaded) as run:
        [growing] = [name for name in stage.databases() if "_restoring_" in name]
        broken = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'orders_pkey'::regclass"
        stage.psql("UPDATE pg_database SET datallowconn = true WHERE datname = 'G'".replace("G", growing))
        stage.psql(broken, growing)
    told = run.finish().failure
    assert "These indexes are not valid: public.orders_pkey" in told
    assert told.endswith("shop is as it was.")
    assert [name for name in stage.databases() if name.startswith("shop")] == ["shop"]


def test_rows_that_are_not_as_many_change_nothing(stage: Stage) -> None:
    backup = stage.back_up("shop")
    stage.forge(backup, lambda told: replace(told, rows=tuple(replace(each, rows=7) for each in told.rows or ())))
    stage.psql("DROP DATABASE shop")
    assert "public.customer has 100 rows, and 7 were backed up" in stage.restore().failure
    assert "shop" not in stage.databases()


def test_a_restore_that_hangs_is_ended_in_time(stage: Stage) -> None:
    """Its first row is waited for, and what feeds it has more than anything between the two takes."""
    stage.psql("CREATE DATABASE slow")
    stage.psql(
        """
        CREATE FUNCTION waits() RETURNS boolean LANGUAGE sql AS
          $$ SELECT pg_sleep(CASE WHEN current_database() = 'slow' THEN 0 ELSE 600 END) IS NOT NULL $$;
        CREATE TABLE filled (filler text CHECK (waits()));
        INSERT INTO filled SELECT repeat('x', 1000) FROM generate_series(1, 8000)
        """,
        "slow",
    )
    stage.back_up("slow", format="plain", compression={"method": "none"})
    assert "psql did not end within 5 s and was killed" in stage.restore(target="other", timeout=5).failure
    assert [name for name in stage.databases() if "other" in name] == []


def test_sessions_are_ended_and_kept_out(stage: Stage, installed: Server) -> None:
    stage.back_up("shop")
    with installed.connect("shop") as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN; SELECT count(*) FROM orders")
        during = inside.Interrupt(("._backup.restore.databases:Databases.rename",))
        with inside.held(stage.node, "pg_restore", stage.arguments(**BARE), during) as run:
            state = "SELECT datallowconn FROM pg_database WHERE datname = 'shop'"
            assert stage.psql(state) == "f"
            stage.psql("SELECT pg_sleep(0.5)")
        done = run.finish()
        assert done.code == 0
        # It says for how long, and that is at least for as long as it was held up here.
        assert done.result["kept_out_seconds"] >= 0.5
    assert stage.psql(state) == "t"
    assert stage.psql("SELECT bool_and(datallowconn) FROM pg_database WHERE datname LIKE 'shop%'") == "t"


def test_a_server_that_ends_idle_sessions_ends_none_that_waits(stage: Stage) -> None:
    """The session of a run is idle for as long as programs restore, or back up what is replaced."""
    if stage.cluster.version < 14:
        pytest.skip("this version ends no idle sessions")
    stage.psql("ALTER DATABASE postgres SET idle_session_timeout = '200ms'")
    try:
        asked = {"login_unix_socket": "/var/run/postgresql", "database": "shop", "destination": REPOSITORY}
        proven = {**asked, "max_age": "0", "verify": "restore"}
        cases: list[tuple[str, dict[str, Any], str]] = [
            ("pg_backup", proven, "._backup.logical.scratch:_restore"),
            ("pg_restore", stage.arguments(replace=True), "._backup.restore.loading:Archive.load"),
        ]
        for module, options, at in cases:
            with inside.held(stage.node, module, options, inside.Interrupt((at,))) as run:
                stage.psql("SELECT pg_sleep(0.6)", "shop")
                assert run.finish().code == 0, run.finish().text
    finally:
        stage.psql("ALTER DATABASE postgres RESET idle_session_timeout")
    assert orders(stage) == 1000


def test_nobody_is_kept_out_while_the_restored_one_is_filled_and_checked(stage: Stage, installed: Server) -> None:
    """Users read and write until the names change, and what they wrote is in what is kept."""
    stage.back_up("shop")
    for number, step in enumerate(("._backup.restore.whole:Restorer._check", "._backup.restore.whole:Restorer._swap")):
        with (
            installed.connect("shop") as connection,
            connection.cursor() as cursor,
            inside.held(
                stage.node, "pg_restore", stage.arguments(again=True, **BARE), inside.Interrupt((step,))
            ) as run,
        ):
            connection.autocommit = True
            cursor.execute("INSERT INTO orders VALUES (%s, 1, 0)", (9000 + number,))
            state = stage.psql("SELECT datallowconn, datconnlimit FROM pg_database WHERE datname = 'shop'")
            assert state == "t|-1"
            done = run.finish()
        assert done.code == 0, done.text
        assert str(9000 + number) in stage.psql("SELECT id FROM orders", done.result["kept"]).splitlines()


@pytest.mark.parametrize("jobs", [1, 3])
def test_so_many_processes_write_as_are_wished(stage: Stage, installed: Server, jobs: int) -> None:
    """Each has a session; the one that leads them begins another when they have done."""
    stage.back_up("shop", format="directory")
    with installed.statements() as told:
        assert stage.restore(target="other", jobs=jobs).code == 0
    loading = {pid for pid, said in told if said.startswith("SET check_function_bodies")}
    assert len(loading) == (1 if jobs == 1 else 1 + jobs + 1)
    assert set() < {pid for pid, said in told if said.startswith("COPY ")} <= loading


def test_only_what_takes_the_place_of_another_waits_for_a_standby(stage: Stage, installed: Server) -> None:
    """And with it all that was committed before, so that no commit of the restore has to wait for itself."""
    stage.back_up("shop")
    waiting = "SELECT datname FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    with ThreadPoolExecutor() as pool, installed.waiting_for("nobody"):
        run = pool.submit(stage.restore, replace=True, safety_backup=False)
        wait_until("a commit waits", lambda: stage.psql(waiting) == "postgres", bound=60)
        [beside] = [name for name in stage.databases() if name.startswith("shop_restoring_")]
        assert stage.psql("SELECT count(*) FROM orders", beside) == "1000"
        assert stage.psql("SELECT datallowconn FROM pg_database WHERE datname = 'shop'") == "t"
    done = run.result()
    assert done.code == 0, done.text
    assert stage.psql("SHOW synchronous_commit", "shop") == "on"


def test_what_is_dropped_took_no_writes_since_its_backup(stage: Stage) -> None:
    stage.back_up("shop")
    stage.psql(LATER, "shop")
    dropped: dict[str, Any] = {"replace": True, "replaced": "drop"}
    assert "would be in no backup" in stage.restore(**dropped).failure
    during = inside.Interrupt(("._backup.restore.loading:Archive.analyze",))
    arguments = stage.arguments(**dropped, keep_out="during_restore")
    with inside.held(stage.node, "pg_restore", arguments, during) as run:
        assert stage.psql(OF_ITSELF.replace("{name}", "shop")) == "0|t|f|ours"
        stage.psql("SELECT pg_sleep(0.5)")
    done = run.finish().result
    safety = done["safety_backup"]
    assert done["kept_out_seconds"] >= 0.5
    assert stage.psql(OF_ITSELF.replace("{name}", "shop")).startswith("7|t|f|ours")
    assert stage.kept("shop") == []
    assert stage.manifest(safety)["label"] == "safety"


def test_what_is_replaced_is_backed_up_first_and_is_never_the_latest(stage: Stage) -> None:
    backup = stage.back_up("shop")
    stage.psql(LATER, "shop")
    done = stage.done(replace=True)
    safety = done.result["safety_backup"]
    assert stage.manifest(safety)["label"] == "safety"
    assert stage.restore(replace=True).result["backup"] == backup
    # The way back.
    stage.done(backup=safety, replace=True, safety_backup=False)
    assert orders(stage) == 0
    # A backup that is under way holds the place where it goes, and nobody is kept out to find that out.
    nightly = {"database": "shop", "destination": REPOSITORY, "max_age": "0"}
    with inside.held(stage.node, "pg_backup", nightly, inside.Interrupt(("._backup.logical.dump:Dumper.dump",))) as run:
        refused = stage.restore(replace=True, again=True, keep_out="during_restore")
        assert "wait for its end" in refused.failure
        assert orders(stage) == 0
    assert run.finish().code == 0


def test_backups_of_what_was_replaced_have_a_retention_of_their_own(stage: Stage) -> None:
    backup = stage.back_up("shop")
    policy = {"count": 2}
    taken = [
        stage.done(backup=backup, replace=True, again=True, safety_retention=policy).result["safety_backup"]
        for _ in range(2)
    ]
    foretold = stage.restore(check=True, replace=True, again=True, safety_retention=policy)
    gone = f"remove safety backup {taken[0]} from {REPOSITORY}, not among the last 2"
    assert foretold.result["plan"][-1] == gone
    assert f"safety backup {taken[0]}\n" in foretold.result["diff"]["before"]
    assert taken[0] not in foretold.result["diff"]["after"]
    assert set(taken) < set(stage.backups())
    last = stage.restore(replace=True, again=True, safety_retention=policy)
    assert last.result["steps"][-1]["step"] == gone
    assert stage.backups() == sorted([backup, taken[1], last.result["safety_backup"]])


def test_roles_that_are_missing_are_named_or_made(stage: Stage) -> None:
    stage.psql("DROP ROLE IF EXISTS seller; CREATE ROLE seller LOGIN PASSWORD 'geheim'")
    stage.psql("ALTER TABLE orders OWNER TO seller; GRANT SELECT ON customer TO seller", "shop")
    secret = stage.psql("SELECT rolpassword FROM pg_authid WHERE rolname = 'seller'")
    stage.back_up("shop")
    stage.psql("DROP DATABASE shop")
    stage.psql("DROP ROLE seller")
    assert "lacks roles that the backup needs: seller" in stage.restore().failure
    done = stage.done(roles="restore")
    assert secret not in done.text
    assert stage.psql("SELECT rolpassword FROM pg_authid WHERE rolname = 'seller'") == secret
    assert stage.psql("SELECT tableowner FROM pg_tables WHERE tablename = 'orders'", "shop") == "seller"
    stage.psql("DROP DATABASE shop")
    stage.psql("DROP ROLE seller")


def test_an_encrypted_one_wants_its_key(stage: Stage) -> None:
    public, identity = stage.keys
    stage.back_up("shop", recipients=[public], compression={"method": "zstd"})
    stage.node.exec(["rm", "-f", "/tmp/wrong-identity"])
    stage.node.exec(["age-keygen", "-o", "/tmp/wrong-identity"], user="postgres")
    assert "give identity" in stage.restore(target="shop2").failure
    assert "cannot be read" in stage.restore(target="shop2", identity="/tmp/wrong-identity").failure
    assert "shop2" not in stage.databases()
    stage.done(target="shop2", identity=identity)
    assert orders(stage, "shop2") == 1000


DAMAGES = {
    "a bit": ("printf '\\001' | dd of=$1/dump.pgdump bs=1 seek=2000 conv=notrunc", "dump.pgdump", "sha256 differs"),
    "a cut": ("truncate -s -100 $1/dump.pgdump", "dump.pgdump", "bytes where"),
    "a loss": ("rm $1/globals.sql", "globals.sql", "lacks its file"),
    "an edit": ('sed -i "s/\\"rows\\": 1000/\\"rows\\": 999/" $1/manifest.json', "manifest.json", "edited or damaged"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("part", [{}, {"tables": ["orders"], "into_schema": "back"}], ids=["whole", "part"])
def test_damage_is_named_before_anything_is_made(stage: Stage, damage: str, part: dict[str, Any]) -> None:
    backup = stage.back_up("shop")
    script, file, words = DAMAGES[damage]
    stage.node.exec(["sh", "-c", script, "sh", f"{REPOSITORY}/{backup}"])
    told = stage.restore(backup=backup, **(part or {"target": "shop2"})).failure
    assert file in told
    assert words in told
    assert [name for name in stage.databases() if name.startswith("shop")] == ["shop"]


def test_a_copy_from_elsewhere_is_fetched_and_compared(stage: Stage) -> None:
    backup = stage.back_up("shop")
    far = f"{REPOSITORY}-far"
    stage.node.exec(["rm", "-rf", far])
    stage.node.exec(["mv", REPOSITORY, far])
    # What its manifest is enough to refuse it by is refused before anything is fetched.
    for check in (True, False):
        assert "replace: true" in stage.restore(offsite=far, check=check).failure
    assert stage.node.exec(["ls", "-A", REPOSITORY], check=False).stdout == ""
    stage.psql("DROP DATABASE shop")
    stage.node.exec(["cp", "-a", f"{far}/{backup}/dump.pgdump", "/tmp/restore-whole"])
    stage.node.exec(["truncate", "-s", "-100", f"{far}/{backup}/dump.pgdump"])
    assert "dump.pgdump" in stage.restore(offsite=far).failure
    assert stage.node.exec(["ls", "-A", "-I", ".*.lock", REPOSITORY]).stdout == ""
    stage.node.exec(["cp", "-a", "/tmp/restore-whole", f"{far}/{backup}/dump.pgdump"])
    stage.done(offsite=far, roles="restore")
    assert orders(stage) == 1000
    # One that was damaged since is no reason not to use its copy, and stays to be looked at.
    stage.node.exec(["truncate", "-s", "-100", f"{REPOSITORY}/{backup}/dump.pgdump"])
    assert "dump.pgdump" in stage.restore(target="shop2", backup=backup).failure
    stage.done(offsite=far, target="shop2")
    assert orders(stage, "shop2") == 1000
    assert stage.backups() == [backup, f"{backup}.damaged"]


def test_of_several_clusters_in_one_directory_the_own_latest_is_restored(stage: Stage) -> None:
    own = stage.back_up("shop")
    others = stage.back_up("shop", origin={"system_identifier": "7000000000000000001"})
    assert stage.restore(target="shop2").result["backup"] == own
    told = stage.restore(target="shop3", system_identifier="7000000000000000001")
    assert told.result["backup"] == others
    assert "from another cluster" in str(told.result["warnings"])
    stage.node.exec(["rm", "-r", f"{REPOSITORY}/{own}"])
    third = stage.back_up("shop", origin={"system_identifier": "7000000000000000002"})
    for check in (True, False):
        failure = stage.restore(target="shop4", check=check).failure
        assert "several clusters" in failure
        assert "name the backup by its id" in failure
    assert stage.restore(target="shop4", backup=third).result["backup"] == third


@pytest.mark.parametrize("login_db", ["postgres", "app"])
def test_two_into_one_target_are_one(stage: Stage, login_db: str) -> None:
    """Also when they ask from different databases."""
    stage.back_up("shop")
    during = inside.Interrupt(("._backup.restore.loading:Archive.analyze",))
    with inside.held(stage.node, "pg_restore", stage.arguments(target="shop2"), during) as run:
        told = stage.restore(target="shop2", login_db=login_db).failure
        assert "Another run restores into shop2 now" in told
        assert stage.restore(target="shop3", login_db=login_db).code == 0
    assert run.finish().code == 0
    assert orders(stage, "shop2") == 1000


@pytest.mark.parametrize("how", ["custom", "plain"])
def test_no_subscription_is_restored_nor_in_the_way(stage: Stage, how: str) -> None:
    feed = "CREATE SUBSCRIPTION feed CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false, slot_name = feed)"
    stage.psql(feed, "shop")
    try:
        backup = stage.back_up("shop", format=how, verify="restore")
        assert not [name for name in stage.databases() if name.startswith("runbook_")]
        analyze = inside.Interrupt(("._backup.restore.loading:Archive.analyze",))
        assert stage.restore(target="shop2", die=analyze).killed
        assert stage.restore(target="shop2", **WRONG).failure.endswith("shop2 is as it was.")
        assert [name for name in stage.databases() if name.startswith("shop")] == ["shop"]
        stage.done(backup=backup, target="shop2")
        assert stage.psql("SELECT datname FROM pg_subscription s JOIN pg_database d ON d.oid = subdbid") == "shop"
    finally:
        stage.psql("ALTER SUBSCRIPTION feed SET (slot_name = NONE); DROP SUBSCRIPTION feed", "shop")


def test_a_copy_is_fetched_whole_while_backups_are_taken(stage: Stage) -> None:
    backup = stage.back_up("shop")
    far = f"{REPOSITORY}-far"
    stage.node.exec(["rm", "-rf", far])
    stage.node.exec(["mv", REPOSITORY, far])
    compared = inside.Interrupt(("._backup.restore.fetching:open_backup",))
    nightly = {"database": "shop", "destination": REPOSITORY, "max_age": "0"}
    with inside.held(stage.node, "pg_restore", stage.arguments(offsite=far, target="shop2"), compared) as run:
        told = inside.run(stage.node, "pg_backup", nightly).failure
    assert "Another run is at work on backups of database shop" in told
    assert run.finish().result["backup"] == backup
    assert orders(stage, "shop2") == 1000
    assert inside.run(stage.node, "pg_backup", nightly).result["taken"]


def test_an_older_one_is_not_restored_for_the_latest(stage: Stage) -> None:
    older = stage.back_up("shop")
    newer = stage.back_up("shop")
    stage.node.exec(["truncate", "-s", "-100", f"{REPOSITORY}/{newer}/dump.pgdump"])
    told = stage.restore(target="shop2").failure
    assert f"backup {newer} has" in told
    assert told.endswith(f"is taken by its id alone: {older}.")
    assert stage.restore(target="shop2", backup=older).result["backup"] == older


@pytest.mark.parametrize("call", [1, 2], ids=["when the target is closed", "between the two names"])
def test_a_run_killed_while_names_change_is_finished_by_the_next(stage: Stage, call: int) -> None:
    stage.back_up("shop")
    stage.psql(LATER, "shop")
    at = inside.Interrupt(("._backup.restore.databases:Databases.rename",), call)
    assert stage.restore(**BARE, keep_out="during_restore", die=at).killed
    assert "shop" in stage.databases()
    stage.done(**BARE, keep_out="during_restore")
    assert (orders(stage), orders(stage, only(stage.kept("shop")))) == (1000, 0)
    assert len([name for name in stage.databases() if name.startswith("shop")]) == 2
    for name in ("shop", only(stage.kept("shop"))):
        assert stage.psql(OF_ITSELF.replace("{name}", name)).startswith("7|t|f|ours")


def test_a_password_is_nowhere_to_be_seen(stage: Stage, installed: Server) -> None:
    stage.back_up("shop")
    password = installed.primary.password
    login = {"login_host": "127.0.0.1", "login_unix_socket": "", "login_password": password}
    during = inside.Interrupt(("._backup.restore.loading:Archive.analyze",))
    with inside.held(stage.node, "pg_restore", stage.arguments(target="shop2", **login), during) as run:
        look = (
            "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; find /tmp -type f | xargs cat"
        )
        seen = stage.node.exec(["sh", "-c", look], check=False).stdout
        assert password not in seen
    ended = run.finish()
    assert ended.code == 0, ended.text
    assert password not in ended.text


def test_an_index_that_amcheck_finds_damaged_takes_nothings_place(stage: Stage) -> None:
    stage.psql(FICKLE, "shop")
    stage.back_up("shop")
    stage.psql(LATER, "shop")
    told = stage.restore(**BARE, checks={"amcheck": True}).failure
    assert "Index public.fickle_n is damaged: item order invariant violated" in told
    assert told.endswith("shop is as it was.")
    assert orders(stage) == 0
    assert [name for name in stage.databases() if name.startswith("shop")] == ["shop"]
    # Nothing but amcheck sees it.
    stage.done(**BARE)
    assert orders(stage) == 1000
