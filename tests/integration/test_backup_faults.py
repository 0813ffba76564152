"""Whatever happens to a run or to its files: what bears a backup's name is one, or is named for what it is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import seal
from tests.integration import inside
from tests.integration.backups import DATABASE, FAR, PLACE, Backups

# Each statement, each call that changes a file, and each program.
POINTS = (
    "._session:Session.fetch",
    "._stream.writing:FileSink.write",
    "._stream.writing:FileSink.close",
    "._command:Program.__init__",
    "os:fsync",
    "os:chown",
    "shutil:rmtree",
    "pathlib:Path.rename",
    "pathlib:Path.unlink",
    "pathlib:Path.mkdir",
)
# Whoever looks how far it is does so as often as the clock says.
BY_THE_CLOCK = ("._progress:Progress.tick",)
KILLS = 40
NEVER = 1_000_000


def assert_what_is_named_is_whole(kept: Backups) -> list[str]:
    told = kept.info(checksum=True)
    assert told["broken"] == []
    assert [each["problems"] for each in told["backups"]] == [[]] * len(told["backups"])
    assert {each["id"] for each in told["backups"]} == set(kept.visible())
    for name in kept.visible(FAR):
        if kept.node.exec(["test", "-e", f"{FAR}/{name}/manifest.json"], check=False).returncode == 0:
            for each in kept.manifest(f"{FAR}/{name}")["files"]:
                assert kept.files(f"{FAR}/{name}")[each["path"]]["sha256"] == each["sha256"]
    return kept.visible()


@pytest.mark.parametrize("form", ["custom", "directory"])
def test_killed_anywhere_the_next_run_goes_on(kept: Backups, form: str) -> None:
    kept.options = {"format": form, "retention": {"count": 2}, "verify": "restore", "jobs": 2}
    kept.options["offsite"] = {"remote": FAR, "retention": {"count": 2}}
    kept.taken()
    whole = kept.take(die=inside.Interrupt(POINTS, NEVER, BY_THE_CLOCK))
    step = max(1, whole.calls // KILLS)
    kills = [
        inside.Interrupt(POINTS, call, BY_THE_CLOCK) for call in range(1 + kept.node.release % step, whole.calls, step)
    ]
    ends = []
    for kill in (*kills, inside.Interrupt(BY_THE_CLOCK)):
        # What comes through a pipe comes in as many portions as it likes: the last few may find it at its end.
        if kept.take(die=kill).killed:
            ends.append(len(kept.names()))
        assert len(assert_what_is_named_is_whole(kept)) >= 2
    assert len(ends) >= KILLS * 3 // 4
    assert max(ends) > 2, "no kill left anything behind"
    for _ in range(2):
        kept.taken()
    assert len(assert_what_is_named_is_whole(kept)) == 2
    assert kept.names() == kept.visible()
    assert kept.names(FAR) == kept.names()
    assert kept.server.value("SELECT count(*) FROM pg_database WHERE datname LIKE 'runbook_%'") == 0


def test_copies_that_were_cut_night_after_night_are_finished_or_removed(kept: Backups) -> None:
    """The one that retention lets go here and nobody sends any more is not left there."""
    kept.options = {"retention": {"count": 2}, "offsite": {"remote": FAR, "retention": {"count": 2}}}
    kept.taken()
    for _ in range(2):
        # The dump is there, and nothing was compared.
        assert kept.take(die=inside.Interrupt(("._stream.offsite:_compared_tree",))).killed
    _, oldest, last = kept.visible()
    foreseen = kept.taken(check=True)
    done = kept.taken()
    assert done["steps"] == foreseen["steps"]
    [step] = [each for each in done["steps"] if "where a copy was interrupted" in each]
    assert oldest in step
    assert kept.names(FAR) == kept.names() == [last, done["id"]]


def test_a_disk_that_is_too_small_is_refused_with_numbers_and_one_that_fills_leaves_nothing(kept: Backups) -> None:
    kept.options = {"destination": "/small/backups", "compression": {"method": "none"}}
    kept.server.run(
        "CREATE TABLE public.larger AS SELECT n, repeat(md5(n || ''), 30) FROM generate_series(1, 30000) n",
        database=DATABASE,
    )
    try:
        refused = kept.take().failure
        assert "/small/backups has 16.8 MB free and a backup of" in refused
        assert kept.node.exec(["test", "-e", "/small/backups"], check=False).returncode == 1
        for form in ("custom", "directory", "plain"):
            failed = kept.take(format=form, expected_size="1 MB").failure
            assert "No space left on device" in failed
            assert failed.count("\n") == 0
            assert kept.names("/small/backups") == []
        assert kept.taken(compression={"method": "gzip", "level": 9}, expected_size="1 MB")["taken"]
    finally:
        kept.server.run("DROP TABLE public.larger", database=DATABASE)


def dump_killed(kept: Backups) -> None:
    kept.node.exec(["pkill", "-9", "-x", "pg_dump"])


def packer_killed(kept: Backups) -> None:
    kept.node.exec(["pkill", "-9", "-x", "zstd"])


def age_killed(kept: Backups) -> None:
    kept.node.exec(["pkill", "-9", "-x", "age"])


def server_gone(kept: Backups) -> None:
    kept.server.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pg_dump'", database="postgres"
    )


def place_gone(kept: Backups) -> None:
    kept.node.exec(["rm", "-rf", PLACE])


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (dump_killed, "SIGKILL"),
        (packer_killed, "zstd"),
        (age_killed, "age"),
        (server_gone, "pg_dump"),
        (place_gone, "No such file"),
    ],
)
def test_a_fault_leaves_nothing_that_looks_like_a_backup(
    kept: Backups, act: Callable[[Backups], None], words: str
) -> None:
    packer = "none" if kept.server.version >= 16 and act is packer_killed else "zstd"
    if packer == "none":
        pytest.skip("pg_dump of this version packs by itself")
    options: dict[str, Any] = {"compression": {"method": "zstd" if act is packer_killed else "none"}}
    options |= {"recipients": [kept.keys[0]]} if act is age_killed else {}
    place = inside.Interrupt(("._backup.logical.watch:Watch.measure",))
    with kept.enlarged(), inside.held(kept.node, "pg_backup", kept.wish(**options), place) as held:
        act(kept)
        ended = held.finish()
    assert words in ended.failure
    assert ended.failure.count("\n") == 0
    assert kept.names() == []
    assert kept.taken(**options)["taken"]


@pytest.mark.parametrize("form", ["custom", "plain"])
def test_a_proof_that_waits_ends_in_time_and_keeps_nobody_from_the_next(kept: Backups, form: str) -> None:
    """More is to be restored than a pipe holds, and who would read it waits for a lock."""
    wish = kept.wish(verify="restore", format=form, compression={"method": "none"}, timeout=5)
    place = inside.Interrupt(("._backup.logical.scratch:_restore",))
    with kept.enlarged(), inside.held(kept.node, "pg_backup", wish, place) as held:
        name = kept.server.value("SELECT datname FROM pg_database WHERE datname LIKE 'runbook_verify_%'")
        with kept.server.connect(name) as session, session.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("LOCK TABLE pg_catalog.pg_namespace IN SHARE MODE")
            ended = held.finish()
    assert "did not end within 5 s and was killed, which is nothing that is held against it" in ended.failure
    assert ended.result["taken"]
    assert kept.server.value("SELECT count(*) FROM pg_database WHERE datname LIKE 'runbook_verify_%'") == 0
    again = kept.taken(verify="restore", format=form, max_age="1 hour")
    assert (again["id"], again["verified"]["level"]) == (ended.result["id"], "restore")


def test_two_at_once(kept: Backups) -> None:
    place = inside.Interrupt(("._backup.logical.watch:Watch.measure",))
    with kept.enlarged(), inside.held(kept.node, "pg_backup", kept.wish(), place) as held:
        second = kept.take()
        assert "Another run is at work on backups of database" in second.failure
        # Who only looks is not kept out, takes nothing of it for a leftover, and sees how far it is.
        looked = kept.taken(check=True)
        assert [step for step in looked["steps"] if step.startswith("remove")] == []
        told = "what it does is not foreseen here, and until it is through a run is refused"
        assert told in str(looked["warnings"])
        first = held.finish()
    assert first.code == 0, first.text
    assert kept.names() == [first.result["id"]]
    assert "at work" not in kept.take(check=True).text


def test_progress_is_seen_from_elsewhere(kept: Backups) -> None:
    place = inside.Interrupt(("._backup.logical.take:Taking._proven",))
    with inside.held(kept.node, "pg_backup", kept.wish(), place) as held:
        [running] = kept.info()["running"]
        assert running["phase"] == "dump"
        assert 0 <= running["percent"] < 100
        held.finish()
    assert kept.info()["running"] == []


def test_a_clock_that_was_set_back(kept: Backups) -> None:
    ahead = kept.taken()
    told = kept.manifest(ahead["path"])
    told["started"] = told["finished"] = "2099-01-01T00:00:00Z"
    told["seal"] = seal(told)
    kept.node.write(f"{ahead['path']}/manifest.json", json.dumps(told), owner="postgres:postgres", mode="0600")
    done = kept.taken(max_age="1 day", retention={"count": 1})
    assert done["taken"]
    assert "a clock was or is wrong" in str(done["warnings"])
    assert [each["id"] for each in done["removed"]] == [ahead["id"]]
    assert kept.manifest(done["path"])["number"] == 2


def test_a_host_whose_clock_is_two_days_behind_goes_on(kept: Backups) -> None:
    """The module and the programs that it starts have another clock; that of the server is right."""
    kept.node.exec(["apt-get", "update", "-q"])
    kept.node.exec(["apt-get", "install", "-q", "-y", "--no-install-recommends", "faketime"])

    def behind(module: str, arguments: dict[str, Any]) -> dict[str, Any]:
        argv = ["faketime", "-f", "-2d", *inside.command(None)]
        done = kept.node.exec(argv, user="postgres", input=inside.request(module, arguments), check=False)
        ended = inside.ended(done.returncode, done.stdout, done.stderr)
        assert ended.code == 0, ended.text
        return dict(ended.result)

    first = kept.taken(verify="restore")
    wish = kept.wish(max_age="1 day", verify="restore", retention={"count": 1})
    # What comes from the future counts for no age, and is older all the same.
    done = behind("pg_backup", wish)
    assert done["taken"]
    assert "a clock was or is wrong" in str(done["warnings"])
    assert [each["id"] for each in done["removed"]] == [first["id"]]
    assert done["id"] < first["id"]
    assert (kept.manifest(done["path"])["number"], kept.visible()) == (2, [done["id"]])
    again = behind("pg_backup", wish)
    assert (again["changed"], again["id"]) == (False, done["id"])
    # With the clock right again it is two days old, and gives way to the next one.
    last = kept.taken(max_age="1 day", verify="restore", retention={"count": 1})
    assert last["taken"]
    assert (kept.manifest(last["path"])["number"], kept.visible()) == (3, [last["id"]])


def flipped(kept: Backups, path: str) -> None:
    kept.altered(path, "data[len(data) // 2] ^= 1")


def shortened(kept: Backups, path: str) -> None:
    kept.node.exec(["truncate", "-s", "-1", path])


def lost(kept: Backups, path: str) -> None:
    kept.node.exec(["rm", path])


@pytest.mark.parametrize("form", ["custom", "directory"])
@pytest.mark.parametrize(
    ("harm", "words"),
    [(flipped, "does not hold what was written"), (shortened, "bytes where"), (lost, "lacks its file")],
)
def test_each_damage_is_found_and_named(
    kept: Backups, harm: Callable[[Backups, str], None], words: str, form: str
) -> None:
    done = kept.taken(format=form)
    for each in kept.manifest(done["path"])["files"]:
        before = kept.node.exec(["cp", "-a", done["path"], f"{PLACE}/.held"])
        assert before.returncode == 0
        harm(kept, f"{done['path']}/{each['path']}")
        [told] = kept.info(checksum=True)["backups"]
        [problem] = told["problems"]
        assert words in problem
        assert f" {each['path']}" in problem
        kept.node.exec(["rm", "-rf", done["path"]])
        kept.node.exec(["mv", f"{PLACE}/.held", done["path"]])
    assert kept.info(checksum=True)["backups"][0]["problems"] == []


def test_an_edited_manifest_is_named_and_not_relied_on(kept: Backups) -> None:
    done = kept.taken()
    kept.altered(f"{done['path']}/manifest.json", "data[:] = data.replace(b'\"number\": 1,', b'\"number\": 9,')")
    [broken] = kept.info()["broken"]
    assert "it was edited or damaged" in broken["problem"]
    again = kept.taken(max_age="1 day")
    assert again["taken"]
    assert "it was edited or damaged" in str(again["warnings"])


def test_a_remote_that_fails_keeps_the_backup_and_the_next_run_copies_it(kept: Backups) -> None:
    # One that cannot even be listed, and one that lists as empty and takes nothing.
    failed = kept.take(offsite={"remote": "nowhere:at/all"})
    assert "nowhere:at/all" in failed.failure
    assert "Only the copy is missing" in failed.failure
    [first] = kept.visible()
    failed = kept.take(offsite={"remote": "/proc/nowhere"})
    assert "/proc/nowhere" in failed.failure
    [name] = [each for each in kept.visible() if each != first]
    done = kept.taken(offsite={"remote": FAR}, max_age="1 day")
    assert (done["taken"], done["id"]) == (False, name)
    assert kept.visible(FAR) == [name]


ENDS = """
DO $$
BEGIN
  FOR turn IN 1..600 LOOP
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname LIKE 'runbook_verify_%' AND application_name = 'pg_restore';
    EXIT WHEN FOUND;
    PERFORM pg_sleep(0.05);
    PERFORM pg_stat_clear_snapshot();
  END LOOP;
END $$
"""


def test_a_proof_that_somebody_ends_is_held_against_nobody(kept: Backups) -> None:
    name = kept.taken(verify="checksum")["id"]
    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(kept.server.run, ENDS, database="postgres")
        failed = kept.take(state="verified", verify="restore")
        ending.result()
    assert "nothing that is held against it" in failed.failure
    [told] = kept.info()["backups"]
    assert (told["id"], told["problems"]) == (name, [])
    assert kept.taken(state="verified", verify="restore")["verified"]["level"] == "restore"


# What was written by one rule does not come back under another.
CHANGED_ITS_MIND = (
    "CREATE FUNCTION fits(n int) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS 'BEGIN\n RETURN true;\nEND'",
    "CREATE TABLE t (n int CHECK (public.fits(n)))",
    "INSERT INTO t VALUES (1)",
    "CREATE OR REPLACE FUNCTION fits(n int) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS 'BEGIN\n RETURN false;\nEND'",
)


def test_a_server_of_another_language_is_understood_or_asked_to_be(kept: Backups) -> None:
    # Beside the archive of locales, of which a server that runs has a copy.
    kept.node.exec(["localedef", "--no-archive", "-i", "de_DE", "-f", "UTF-8", "de_DE.UTF-8"])
    german = "ALTER ROLE {} SET lc_messages = 'de_DE.UTF-8'"
    login: dict[str, Any] = {"login_host": "127.0.0.1", "login_user": "prover", "login_password": "prover"}
    kept.server.run("CREATE ROLE prover LOGIN CREATEDB PASSWORD 'prover'", "CREATE DATABASE proven OWNER prover")
    kept.server.run("SET ROLE prover", *CHANGED_ITS_MIND, database="proven")
    kept.server.run(german.format("postgres"), german.format("prover"))
    try:
        kept.options = {"database": "proven", "globals": "none", "format": "directory", "jobs": 2}
        kept.taken(verify="checksum")
        # One that may not choose what it is told in: nothing is held against what was not understood.
        failed = kept.take(**login, state="verified", verify="restore").failure
        assert "ALTER ROLE ... SET lc_messages = 'C'" in failed
        assert kept.info()["backups"][0]["problems"] == []
        # A superuser chooses.
        failed = kept.take(state="verified", verify="restore").failure
        assert "violates check constraint" in failed
        assert "violates check constraint" in str(kept.info()["backups"][0]["problems"])
        # So does one that was set so.
        kept.clear()
        kept.options = {"database": "proven", "globals": "none", "format": "plain"}
        kept.server.run("ALTER ROLE prover SET lc_messages = 'C'")
        assert "violates check constraint" in kept.take(**login, verify="restore").failure
        assert "violates check constraint" in str(kept.info()["backups"][0]["problems"])
    finally:
        kept.server.run("ALTER ROLE postgres RESET lc_messages", "DROP DATABASE proven", "DROP ROLE prover")


def test_rows_that_are_hidden_and_tables_that_may_not_be_read_are_refused(kept: Backups) -> None:
    kept.server.run("DROP ROLE IF EXISTS reader", "CREATE ROLE reader LOGIN PASSWORD 'reader'", database="postgres")
    login: dict[str, Any] = {"login_host": "127.0.0.1", "login_user": "reader", "login_password": "reader"}
    try:
        assert "superusers" in kept.take(**login, content="schema").failure
        refused = kept.take(**login, globals="without_passwords").failure
        assert 'may not read o\'dd.t "a" * and 4 more' in refused
        kept.server.run(
            "GRANT SELECT ON public.orders TO reader",
            "ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY",
            database=DATABASE,
        )
        refused = kept.take(**login, globals="none", tables=["public.orders"]).failure
        assert "hides rows of public.orders" in refused
        assert kept.names() == []
    finally:
        kept.server.run(
            "ALTER TABLE public.orders DISABLE ROW LEVEL SECURITY",
            "DROP OWNED BY reader",
            "DROP ROLE reader",
            database=DATABASE,
        )


def test_a_table_that_is_locked_is_waited_for_no_longer_than_said(kept: Backups) -> None:
    with kept.server.connect(DATABASE) as holder, holder.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("LOCK TABLE public.orders")
        refused = kept.take(lock_timeout=0.5).failure
    assert "lock" in refused
    assert kept.names() == []


def test_a_proof_that_this_server_cannot_give_is_refused(kept: Backups) -> None:
    standby: dict[str, Any] = {"login_port": kept.server.standby.port}
    assert "is a standby" in kept.take(**standby, verify="restore").failure
    assert kept.names() == []
    assert kept.taken(**standby, verify="list")["taken"]
    failed = kept.take(**standby, state="verified", verify="restore", max_age="0").failure
    assert "this server is a standby" in failed
    # It is the server that could not: the backup is as good as before.
    assert kept.info()["backups"][0]["problems"] == []


def test_owned_by_another(kept: Backups) -> None:
    done = kept.taken(user="root", owner="backup", login_host="127.0.0.1", **root(kept))
    names = kept.node.exec(["find", PLACE, "-not", "-user", "backup"]).stdout
    assert names == ""
    wish = {"state": "verified", "max_age": "0", "verify": "list"}
    assert kept.taken(user="root", **wish)["changed"]
    assert kept.node.exec(["find", done["path"], "-not", "-user", "backup"]).stdout == ""


def test_an_owner_who_lays_a_link_in_its_place_is_given_nothing(kept: Backups) -> None:
    """The directory that backups are in is theirs, and so they rename what root writes there."""
    wish = {"owner": "backup", "login_host": "127.0.0.1", **root(kept)}
    kept.taken(user="root", **wish)
    place = inside.Interrupt(("._backup.logical.take:Taking._put_in_place",))
    lay = f"cd {PLACE} && p=$(ls -d .*.partial) && mv $p $p.away && mkdir $p && ln -s /etc/hostname $p/dump.pgdump"
    before = kept.node.exec(["stat", "-c", "%U", "/etc/hostname"]).stdout
    with inside.held(kept.node, "pg_backup", kept.wish(**wish), place, user="root") as held:
        kept.node.exec(["sh", "-c", lay], user="backup")
        ended = held.finish()
    assert "is not the directory that was made there" in ended.failure
    assert kept.node.exec(["stat", "-c", "%U", "/etc/hostname"]).stdout == before == "root\n"
    kept.node.exec(["sh", "-c", f"rm -rf {PLACE}/.*.away"])


def root(kept: Backups) -> dict[str, Any]:
    parameters = kept.server.parameters("postgres")
    return {"login_user": parameters["user"], "login_password": parameters["password"]}
