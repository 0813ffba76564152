"""A backup as asked for is there: what it holds, how it is told, and that it is what it says."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest

from lab.waiting import wait_until
from tests.integration import inside
from tests.integration.backups import DATABASE, FAR, PLACE, READABLE, Backups, levels

WAYS: list[tuple[str, str, bool]] = [
    ("custom", "none", True),
    ("custom", "gzip", False),
    ("custom", "zstd", True),
    ("custom", "lz4", False),
    ("directory", "gzip", False),
    ("plain", "gzip", False),
    ("plain", "zstd", True),
    ("plain", "lz4", True),
    ("plain", "none", False),
]

SECRET = "a: \\ 'secret' %s"
SECRET_SQL = "'" + SECRET.replace("'", "''") + "'"


@pytest.mark.parametrize(("form", "method", "encrypted"), WAYS)
def test_each_way_holds_what_it_says(kept: Backups, form: str, method: str, encrypted: bool) -> None:
    public, identity = kept.keys
    options: dict[str, Any] = {"format": form, "compression": {"method": method}, "count_rows": True, "jobs": 2}
    options |= {"recipients": [public], "identity": identity} if encrypted else {}
    announced = kept.taken(check=True, verify="restore", **options)
    assert kept.names() == [], "check mode changed something"
    done = kept.taken(verify="restore", **options)
    assert (done["diff"], done["steps"]) == (announced["diff"], announced["steps"])
    assert levels(done) == "restore"
    assert kept.visible() == kept.names() == [done["id"]]
    files = {name.partition("/")[2]: each for name, each in kept.files().items() if name.startswith(done["id"])}
    told = kept.manifest(done["path"])
    assert {name: (each["size"], each["sha256"]) for name, each in files.items() if not name.endswith(".json")} == {
        each["path"]: (each["bytes"], each["sha256"]) for each in told["files"]
    }
    assert {each["mode"] for each in files.values()} == {"0o600"}
    assert kept.node.exec(["stat", "-c", "%a", PLACE, done["path"]]).stdout.split() == ["700", "700"]
    assert sum(each["bytes"] for each in told["files"]) == done["bytes"]
    rows = {(each["schema"], each["table"]): each["rows"] for each in told["rows"]}
    assert rows == {("o'dd", 't "a" *'): 10, ("public", "orders"): 1000, ("public", "parts_1"): 100} | {
        ("public", "parts_2"): 100
    }
    if encrypted:
        assert not any(b"orders" in kept.raw(f"{done['path']}/{each['path']}") for each in told["files"])
    assert kept.server.value("SELECT count(*) FROM pg_database WHERE datname LIKE 'runbook_%'") == 0


@pytest.mark.parametrize("jobs", [1, 3])
def test_so_many_processes_read_as_are_wished(kept: Backups, jobs: int) -> None:
    """As the server tells who read: each of several processes has a session that sees what the first one saw."""
    with kept.server.statements() as told:
        kept.taken(format="directory", jobs=jobs)
    sharing = {pid for pid, said in told if said.startswith("SET TRANSACTION SNAPSHOT ")}
    reading = {pid for pid, said in told if re.match(r"COPY .* TO stdout", said)}
    assert len(sharing) == (1 if jobs == 1 else 1 + jobs)
    assert set() < reading <= sharing


def test_a_young_backup_is_enough(kept: Backups) -> None:
    first = kept.taken(max_age="1 hour")
    again = kept.taken(max_age="1 hour")
    assert (again["changed"], again["id"], again["steps"]) == (False, first["id"], [])
    # One that is not proven as asked is proven, not taken again.
    proven = kept.taken(max_age="1 hour", verify="list")
    assert (proven["taken"], proven["id"], levels(proven)) == (False, first["id"], "list")
    assert kept.taken(max_age="1 hour", verify="list")["changed"] is False
    # What is asked for is something else.
    other = kept.taken(max_age="1 hour", content="schema")
    assert other["taken"]
    assert kept.taken(max_age="1 hour", label="weekly")["taken"]
    assert kept.taken(max_age="0")["taken"]
    assert len(kept.visible()) == 4


def test_chosen_tables_come_with_their_partitions(kept: Backups) -> None:
    done = kept.taken(tables=["public.parts", '"o\'dd"."t ""a"" *"'], verify="list", count_rows=True)
    told = kept.manifest(done["path"])
    assert told["tables"] == ['"o\'dd"."t ""a"" *"', "public.parts"]
    assert {each["table"] for each in told["rows"]} == {'t "a" *', "parts_1", "parts_2"}
    listed = kept.node.exec(["pg_restore", "--list", f"{done['path']}/{told['dump']}"]).stdout
    assert {line.split()[6] for line in listed.splitlines() if "TABLE DATA" in line} == {"t", "parts_1", "parts_2"}
    assert "orders" not in listed.replace("orders_id_seq", "")


def test_a_schema_and_data_alone(kept: Backups) -> None:
    schema = kept.taken(content="schema", verify="restore")
    data = kept.taken(content="data", tables=["public.orders"], verify="list")
    listings = [
        kept.node.exec(["pg_restore", "--list", f"{each['path']}/dump.pgdump"]).stdout for each in (schema, data)
    ]
    assert ("TABLE DATA" in listings[0], " VIEW " in listings[0]) == (False, True)
    assert ("TABLE DATA" in listings[1], " VIEW " in listings[1]) == (True, False)


def test_the_catalogue_tells_them(kept: Backups) -> None:
    done = kept.taken(offsite={"remote": FAR}, compression={"method": "zstd"})
    [told] = kept.info()["backups"]
    assert (told["id"], told["kind"], told["database"]) == (done["id"], "all", DATABASE)
    assert told["problems"] == []
    assert told["copies"][0]["place"] == FAR
    assert (told["lsn_start"], told["stored_bytes"]) == (done["lsn"], done["bytes"])
    assert kept.info(database="other")["backups"] == []
    assert done["compression_ratio"] > 1
    assert done["throughput"] > 0
    assert done["duration"] > 0


def test_the_manifest_says_what_the_server_and_the_programs_say(kept: Backups) -> None:
    server, node = kept.server, kept.node
    here = "SELECT pg_current_wal_insert_lsn()::text"
    lsn, began = server.value(here), float(node.exec(["date", "+%s.%N"]).stdout)
    public, _identity = kept.keys
    done = kept.taken(compression={"method": "zstd"}, recipients=[public])
    ended, end = float(node.exec(["date", "+%s.%N"]).stdout), server.value(here)
    told = kept.manifest(done["path"])
    origin = told["origin"]
    assert origin["server_version"] == server.value("SHOW server_version")
    assert origin["major"] == server.version
    assert origin["system_identifier"] == server.value("SELECT system_identifier::text FROM pg_control_system()")
    assert origin["timeline"] == server.value("SELECT timeline_id FROM pg_control_checkpoint()")
    assert server.value("SELECT %s::pg_lsn BETWEEN %s AND %s", [origin["lsn"], lsn, end])
    # In whole seconds; and how long it took.
    started, finished = (datetime.fromisoformat(told[each].replace("Z", "+00:00")) for each in ("started", "finished"))
    assert int(began) <= started.timestamp() <= finished.timestamp() <= ended
    assert (finished - started).total_seconds() - 1 <= done["duration"] <= ended - began
    for name, argv in {"pg_dump": [f"/usr/lib/postgresql/{server.version}/bin/pg_dump"], "age": ["age"]}.items():
        assert told["tools"][name] == node.exec([*argv, "--version"]).stdout.strip()
    # What pg_dump packs by itself it tells of itself.
    assert ("zstd" in told["tools"]) == (server.version < 16)
    if server.version < 16:
        assert told["tools"]["zstd"] == " ".join(node.exec(["zstd", "--version"]).stdout.split())


def test_a_copy_elsewhere_is_the_same(kept: Backups) -> None:
    done = kept.taken(offsite={"remote": FAR}, format="directory")
    here, there = kept.files(f"{PLACE}/{done['id']}"), kept.files(f"{FAR}/{done['id']}")
    del here["verified.json"]
    assert here == there
    # Debian 11's rclone knows no sha256 of files on a disk.
    assert done["copies"][0]["checked"] in ("sha256", "sha-1")
    assert kept.taken(offsite={"remote": FAR}, max_age="1 h")["changed"] is False
    # A copy that went away is made again.
    kept.node.exec(["rm", "-rf", f"{FAR}/{done['id']}"])
    again = kept.taken(offsite={"remote": FAR}, max_age="1 h")
    assert again["steps"] == [f"copy backup {done['id']} to {FAR}"]
    assert kept.files(f"{FAR}/{done['id']}") == there
    # So is one of which only the manifest is left.
    kept.node.exec(["sh", "-c", f"rm -r {FAR}/{done['id']}/dump*"])
    assert kept.taken(offsite={"remote": FAR}, max_age="1 h")["steps"] == again["steps"]
    assert kept.files(f"{FAR}/{done['id']}") == there


def test_a_copy_that_is_gone_is_not_told(kept: Backups) -> None:
    offsite = {"remote": FAR, "retention": {"count": 1}}
    first = kept.taken(offsite=offsite)
    second = kept.taken(offsite=offsite)
    told = {each["id"]: each["copies"] for each in kept.info()["backups"]}
    assert [bool(told[each["id"]]) for each in (first, second)] == [False, True]
    # By a rule of the store, say.
    third = kept.taken(offsite={"remote": FAR})
    kept.node.exec(["rm", "-r", f"{FAR}/{second['id']}"])
    again = kept.taken(offsite={"remote": FAR}, max_age="1 h")
    assert again["steps"] == [f"note that {FAR} has no copy of backup {second['id']} any more"]
    told = {each["id"]: each["copies"] for each in kept.info()["backups"]}
    assert [bool(told[each["id"]]) for each in (second, third)] == [False, True]
    assert kept.taken(offsite={"remote": FAR}, max_age="1 h")["changed"] is False


def test_retention_here_and_there(kept: Backups) -> None:
    offsite = {"remote": FAR, "retention": {"count": 3}}
    ids = [kept.taken(retention={"count": 2}, offsite=offsite)["id"] for _ in range(3)]
    assert (set(kept.visible()), set(kept.visible(FAR))) == (set(ids[1:]), set(ids))
    announced = kept.taken(check=True, retention={"count": 2}, offsite=offsite)
    done = kept.taken(retention={"count": 2}, offsite=offsite)
    assert announced["removed"] == done["removed"]
    assert announced["diff"] == done["diff"]
    assert f"-{ids[1]} of " in "\n".join(f"-{line}" for line in done["diff"]["before"].splitlines())
    assert ids[1] not in done["diff"]["after"].replace(f"{ids[1]} at", "")
    assert [(each["id"], each["place"]) for each in done["removed"]] == [(ids[1], ""), (ids[0], FAR)]
    assert (set(kept.visible()), set(kept.visible(FAR))) == ({ids[2], done["id"]}, {ids[1], ids[2], done["id"]})
    # Other series are not touched.
    other = kept.taken(content="schema", retention={"count": 1})
    assert other["removed"] == []


def test_a_far_end_that_takes_and_gives_up_nothing_keeps_nobody_from_a_backup(kept: Backups) -> None:
    """It is full, or keeps everything against whoever would remove it: nights go on here, and it is told each time."""
    few: dict[str, Any] = {"retention": {"count": 2}, "offsite": {"remote": FAR, "retention": {"count": 3}}}
    first, second = kept.taken(**few), kept.taken(**few)
    locked = f"touch {FAR}/{first['id']}/removing && chown root {FAR} {FAR}/* && chmod 755 {FAR} {FAR}/*"
    kept.node.exec(["sh", "-c", locked])
    nights = [kept.take(**few) for _ in range(3)]
    assert all(f"copy backup {night.result['id']} to {FAR}" not in night.result["steps"] for night in nights)
    assert all("what was to be done here is done" in night.failure for night in nights)
    assert "(and 3 more like it)" in nights[2].failure
    told = str(nights[2].result["warnings"])
    assert all(f"{FAR}/{each} " in told for each in (first["id"], *(night.result["id"] for night in nights[1:])))
    assert kept.visible() == [night.result["id"] for night in nights[1:]]
    assert kept.visible(FAR) == [first["id"], second["id"]]
    # Later on what did not arrive goes along, and what was left of a removal goes.
    kept.node.exec(["sh", "-c", f"chown -R postgres {FAR}"])
    last = kept.taken(**few)
    assert kept.names(FAR) == kept.visible(FAR) == [*(night.result["id"] for night in nights[1:]), last["id"]]


def test_a_copy_that_was_cut_is_no_copy_and_goes_when_it_is_nowhere_else(kept: Backups) -> None:
    """Dumps lie there outside of every retention, readable where no recipients are wanted."""
    offsite: dict[str, Any] = {"offsite": {"remote": FAR}}
    done = kept.taken(**offsite)
    names = {f"{READABLE}-all-{taken}-0a1b2c" for taken in ("20260101T000000Z", "20990101T000000Z")}
    names |= {"other-all-20260101T000000Z-0a1b2c", "notes"}
    for name in (*names, done["id"]):
        kept.node.exec(["install", "-D", "/dev/null", f"{FAR}/{name}/dump.pgdump"], user="postgres")
    cut = kept.taken(max_age="1 h", check=True, **offsite)
    assert kept.visible(FAR) == sorted({*names, done["id"]})
    again = kept.taken(max_age="1 h", **offsite)
    gone = f"{READABLE}-all-20260101T000000Z-0a1b2c"
    said = f"remove what is left of backup {gone} from {FAR}, where a copy was interrupted"
    assert said in cut["steps"]
    assert (again["steps"], again["diff"]) == (cut["steps"], cut["diff"])
    # What is here is copied again, and what may be somebody's work or is none of ours stays.
    assert f"copy backup {done['id']} to {FAR}" in again["steps"]
    assert kept.visible(FAR) == sorted({*names, done["id"]} - {gone})
    assert kept.taken(max_age="1 h", **offsite)["changed"] is False


def test_it_is_verified_where_it_is(kept: Backups) -> None:
    done = kept.taken(verify="none", count_rows=True)
    assert done["verified"] is None
    wish = {"state": "verified", "verify": "restore", "max_age": "7 days"}
    assert kept.taken(check=True, **wish)["steps"] == [f"verify backup {done['id']} by restore"]
    assert levels(kept.taken(**wish)) == "restore"
    assert kept.taken(**wish)["changed"] is False
    assert kept.taken(**{**wish, "max_age": "0"})["changed"]


def test_a_server_is_not_filled_by_a_proof(kept: Backups) -> None:
    """Of a database that was larger than any disk here."""
    done = kept.taken()
    kept.forged(done["path"], bytes=1 << 50)
    wish: dict[str, Any] = {"state": "verified", "verify": "restore", "max_age": "0"}
    told = kept.take(**wish).failure
    assert "left and the restored database takes about 1,288,490,189 MiB" in told
    assert kept.server.value("SELECT count(*) FROM pg_database WHERE datname LIKE 'runbook_%'") == 0
    assert levels(kept.taken(**{**wish, "verify": "list"})) == "list"


def test_a_proof_waits_for_no_standby(kept: Backups) -> None:
    """Nobody needs a copy of what is dropped again."""
    with kept.server.waiting_for("nobody"):
        assert kept.taken(verify="restore")["verified"]["level"] == "restore"


def test_what_a_verification_is_refused_for_a_check_run_is_as_well(kept: Backups) -> None:
    public, identity = kept.keys
    done = kept.taken(recipients=[public])
    kept.node.exec(["rm", "-f", "/tmp/wrong-identity"])
    kept.node.exec(["age-keygen", "-o", "/tmp/wrong-identity"], user="postgres")
    kept.server.run(
        "DROP ROLE IF EXISTS few", f"CREATE ROLE few LOGIN PASSWORD {SECRET_SQL}", "DROP ROLE IF EXISTS gone"
    )
    few = {"login_host": "127.0.0.1", "login_user": "few", "login_password": SECRET}
    wish: dict[str, Any] = {"state": "verified", "verify": "restore", "max_age": "0", "identity": identity}
    before = kept.files()

    def refused(words: str, **other: Any) -> None:
        for check in (True, False):
            assert words in kept.take(check=check, **{**wish, **other}).failure

    for level in ("list", "restore"):
        refused("is not opened by /tmp/wrong-identity", verify=level, identity="/tmp/wrong-identity")
    refused("creates a database, which role few may not on this server", **few)
    refused("this server is a standby", login_port=kept.server.standby.port)
    assert kept.files() == before
    roles = kept.manifest(done["path"])["origin"]["roles"]
    kept.forged(done["path"], roles=("gone",))
    refused("This server lacks 1 roles")
    kept.forged(done["path"], roles=tuple(roles), bytes=1 << 50)
    refused("left and the restored database takes about")
    assert kept.info()["backups"][0]["problems"] == []
    kept.server.run("DROP ROLE few")


def test_what_does_not_restore_is_not_washed_clean_by_a_checksum(kept: Backups) -> None:
    done = kept.taken(count_rows=True, verify="restore")
    manifest = kept.manifest(done["path"])
    kept.counted(done["path"], {each["table"]: each["rows"] + 1 for each in manifest["rows"]})
    wish = {"state": "verified", "max_age": "0", "id": done["id"]}
    assert "where its manifest counts" in kept.take(**wish, verify="restore").failure
    weaker = kept.taken(**wish, verify="checksum")
    assert "counts as none still" in str(weaker["warnings"])
    assert levels(weaker) == "checksum"
    assert "where its manifest counts" in kept.info()["backups"][0]["problems"][0]
    kept.counted(done["path"], {each["table"]: each["rows"] for each in manifest["rows"]})
    assert levels(kept.taken(**wish, verify="restore")) == "restore"
    assert kept.info()["backups"][0]["problems"] == []


@pytest.mark.parametrize("form", ["custom", "plain"])
def test_a_wrong_key_is_nothing_against_a_backup(kept: Backups, form: str) -> None:
    public, identity = kept.keys
    done = kept.taken(verify="checksum", format=form, recipients=[public], compression={"method": "zstd"})
    kept.node.exec(["rm", "-f", "/tmp/wrong-identity"])
    kept.node.exec(["age-keygen", "-o", "/tmp/wrong-identity"], user="postgres")
    wish = {"state": "verified", "max_age": "0", "id": done["id"]}
    for level in ("list", "restore"):
        said = kept.take(**wish, verify=level, identity="/tmp/wrong-identity").failure
        assert f"Backup {done['id']} is not opened by /tmp/wrong-identity" in said
        assert kept.info()["backups"][0]["problems"] == []
    assert kept.server.value("SELECT count(*) FROM pg_database WHERE datname LIKE 'runbook_%'") == 0
    assert levels(kept.taken(**wish, verify="restore", identity=identity)) == "restore"


def test_one_that_is_taken_and_not_proven_is_told_as_that(kept: Backups) -> None:
    """By a key that is not one of its recipients', so that nothing is held against it."""
    public, identity = kept.keys
    kept.node.exec(["rm", "-f", "/tmp/wrong-identity"])
    kept.node.exec(["age-keygen", "-o", "/tmp/wrong-identity"], user="postgres")
    before = kept.taken()["id"]
    wish: dict[str, Any] = {"recipients": [public], "verify": "restore", "retention": {"count": 1}}
    ended = kept.take(**wish, identity="/tmp/wrong-identity")
    [new] = set(kept.visible()) - {before}
    assert f"Backup {new} was taken, and is not verified by restore: Backup {new} is not opened by" in ended.failure
    told = ended.result
    assert (told["changed"], told["taken"], told["id"], levels(told)) == (True, True, new, "checksum")
    assert (told["steps"], told["removed"]) == (kept.taken(check=True)["steps"], [])
    assert "diff" not in told
    # Nothing goes for it, and with the right key it is proven and not taken once more.
    done = kept.taken(**wish, max_age="1 hour", identity=identity)
    assert (done["taken"], done["id"], levels(done), kept.visible()) == (False, new, "restore", [new])


def test_damage_is_named_and_counts_as_none(kept: Backups) -> None:
    done = kept.taken(compression={"method": "none"})
    kept.altered(f"{done['path']}/dump.pgdump", "data[len(data) // 2] ^= 1")
    failed = kept.take(state="verified", max_age="0")
    assert f"File dump.pgdump of backup {done['id']} does not hold what was written" in failed.failure
    [told] = kept.info()["backups"]
    assert "dump.pgdump" in told["problems"][0]
    # What failed its proof is no backup: another one is taken, and it goes when its time comes.
    again = kept.taken(max_age="1 h", retention={"count": 1})
    assert again["taken"]
    assert [each["id"] for each in again["removed"]] == [done["id"]]


def test_a_password_is_nowhere(kept: Backups) -> None:
    kept.server.run(
        "DROP ROLE IF EXISTS keeper", f"CREATE ROLE keeper SUPERUSER LOGIN PASSWORD {SECRET_SQL}", database="postgres"
    )
    login = {"login_host": "127.0.0.1", "login_user": "keeper", "login_password": SECRET}
    place = inside.Interrupt(("._backup.logical.watch:Watch.measure",))
    wish = kept.wish(**login, compression={"method": "none"})
    with kept.enlarged(), inside.held(kept.node, "pg_backup", wish, place) as held:
        seen = kept.node.exec(["sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\\0' '\\n'"]).stdout
        done = held.finish()
    logged = kept.node.exec(
        ["sh", "-c", "journalctl --no-pager --output=cat; find /var/log -type f -exec cat {} +"]
    ).stdout
    assert done.code == 0, done.text
    assert "pg_dump" in seen
    # The module's call is in the host's log, and so is the role's login in the server's.
    assert "keeper" in logged
    for text in (seen, logged, done.text, str(kept.manifest(done.result["path"]))):
        assert "secret" not in text
    kept.server.run("DROP ROLE keeper", database="postgres")


@pytest.mark.parametrize("form", ["custom", "plain"])
def test_nothing_that_is_encrypted_is_plain_on_any_disk_meanwhile(kept: Backups, form: str) -> None:
    """Looked for in all that was written lately but by the server, when the last of it is about to be put there."""
    key, _ = kept.keys
    kept.server.run("CREATE TABLE public.told AS SELECT 'kept-' || 'to-ourselves' AS word", database=DATABASE)
    search = (
        r"find / \( -path /proc -o -path /sys -o -path '*/main/base' -o -path '*/pg_wal' \) -prune "
        "-o -type f -newermt '-10 minutes' -exec grep -lsF kept-to-ourselves {} +"
    )
    wish = kept.wish(format=form, compression={"method": "none"})
    place = inside.Interrupt(("._stream.placing:put_in_place",))
    try:
        with inside.held(kept.node, "pg_backup", wish, place) as held:
            assert kept.node.exec(["sh", "-c", search], check=False).stdout.count(PLACE) >= 1
            assert held.finish().code == 0
        kept.clear()
        with inside.held(kept.node, "pg_backup", {**wish, "recipients": [key]}, place) as held:
            assert kept.node.exec(["sh", "-c", search], check=False).stdout == ""
            assert held.finish().code == 0
    finally:
        kept.server.run("DROP TABLE public.told", database=DATABASE)


def test_the_health_report_knows_how_old_it_is_and_misses_it(kept: Backups) -> None:
    """What the module really wrote is what the report reads."""

    def findings() -> dict[str, str]:
        wish = {"gather_subset": ["backups"], "expected_stanzas": ["never"], **kept.options}
        there = [{"directory": PLACE, "database": DATABASE}]
        login = {"login_unix_socket": "/var/run/postgresql", "login_port": kept.server.primary.port}
        done = inside.run(kept.node, "pg_health_facts", {**wish, **login, "expected_dumps": there})
        assert done.code == 0, done.text
        health = done.result["ansible_facts"]["pg_health"]
        return {f"{each['check']} {each['object']}": each["message"] for each in health["findings"]}

    missed = findings()
    assert missed[f"backup_age_seconds {DATABASE}"] == f"There is no backup of database {DATABASE} in {PLACE}."
    assert "backup_age_seconds never" in missed
    done = kept.taken()
    assert {each for each in findings() if each.endswith(DATABASE)} == set()
    kept.altered(f"{done['path']}/{kept.manifest(done['path'])['dump']}", "data[len(data) // 2] ^= 1")
    assert kept.take(state="verified", max_age="0").code
    broken = findings()
    assert f"backup_age_seconds {DATABASE}" in broken
    assert "does not hold what was written" in broken[f"backup_problems {DATABASE}"]


def test_a_database_that_a_killed_proof_left_goes_with_any_run(kept: Backups) -> None:
    """Whatever that one verifies by, and also where nothing else is due."""
    place = inside.Interrupt(("._backup.logical.scratch:_restore",))
    count = "SELECT count(*) FROM pg_database WHERE datname LIKE 'runbook_verify_%'"
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'runbook_verify_%'"
    young = {"verify": "none", "max_age": "1 hour"}
    for wish in ({"verify": "checksum"}, young, {"state": "verified", "verify": "restore"}):
        assert kept.take(verify="restore", die=place).killed
        wait_until("its sessions are gone", lambda: kept.server.value(sessions) == 0)
        assert kept.server.value(count) == 1
        foreseen = kept.taken(check=True, **wish)
        assert kept.server.value(count) == 1
        done = kept.taken(**wish)
        assert (foreseen["steps"], foreseen["changed"]) == (done["steps"], True)
        assert "drop database runbook_verify_" in str(done["steps"])
        assert ["runbook_verify_" in done["diff"][when] for when in ("before", "after")] == [True, False]
        assert kept.server.value(count) == 0
