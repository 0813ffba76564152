"""Physical backups: taken when due, proven, and never believed when they are damaged."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from lab.checkout import ROOT
from lab.clusters import Cluster
from lab.recap import unreached
from lab.waiting import wait_until
from tests.integration import inside, s3, stanzas
from tests.integration.conftest import releases
from tests.integration.stanzas import DISK, STANZA, Backups

STATE = f"/var/lib/runbook-postgres/backup-{STANZA}.json"
MODULE = "pg_backup"
PLACE = f"/srv/backup/backup/{STANZA}"
KILLS = 10
# Debian 11, whose pgBackRest cannot read a repository through: nothing is proven there, and all else is alike.
OLD_PGBACKREST = 11


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "alone" in metafunc.fixturenames:
        able = [number for number in releases(metafunc.config) if number != OLD_PGBACKREST]
        numbers = able if "verifies" in metafunc.fixturenames else releases(metafunc.config)
        ids = [f"debian{number}" for number in numbers]
        metafunc.parametrize("alone", numbers, ids=ids, indirect=True, scope="module")


@pytest.fixture(scope="module")
def alone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backups]:
    """A server that archives to an encrypted repository on its disk."""
    place = tmp_path_factory.mktemp("physical")
    with stanzas.alone(request.param, place, [DISK], stanzas.ARCHIVING, "physical") as made:
        made.played()
        yield made


@pytest.fixture
def verifies() -> None:
    """For what is about proofs; see above."""


def level(alone: Backups) -> str:
    return "none" if alone.repository.release == OLD_PGBACKREST else "checksum"


def backup(alone: Backups, *, check: bool = False, **options: Any) -> inside.Ended:
    wish = {"max_age": "1 hour", "verify": level(alone), **options}
    return alone.run(MODULE, check=check, method="physical", **wish)


def proven(alone: Backups, told: Mapping[str, Any]) -> bool:
    """As far as that can be done there."""
    return level(alone) == ("none" if told["verified"] is None else told["verified"]["level"])


def state(alone: Backups) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(alone.repository.exec(["cat", STATE]).stdout)
    return dict(told["repositories"]["1"])


def ids(alone: Backups) -> list[str]:
    return [each["label"] for each in alone.info()["backup"]]


@pytest.mark.usefixtures("verifies")
def test_a_backup_is_taken_once_and_proven(alone: Backups) -> None:
    foreseen = backup(alone, check=True).result
    assert foreseen["steps"] == ["take a full backup", "verify the new backup (checksum)"]
    assert not ids(alone)
    done = backup(alone)
    assert done.result["steps"] == foreseen["steps"], done.text
    assert done.result["diff"] == foreseen["diff"]
    assert [done.result["id"]] == ids(alone)
    assert done.result["verified"]["level"] == "checksum"
    again = backup(alone).result
    assert (again["changed"], again["steps"], again["id"]) == (False, [], done.result["id"])
    kept = state(alone)
    assert kept["last_verified"]["id"] == kept["last_backup"]["id"] == done.result["id"]
    document = json.loads(alone.repository.exec(["cat", STATE]).stdout)
    assert document["last_backup_at"] == kept["last_backup"]["stopped"]
    assert document["last_verified_at"] == kept["last_verified"]["verified"]["at"]
    assert document["recoverable_from"] <= document["recoverable_to"]
    assert alone.repository.exec(["stat", "-c", "%U %a", STATE]).stdout.split() == ["root", "644"]


def test_an_incremental_one_stands_on_it_and_a_full_one_serves_for_it(alone: Backups) -> None:
    assert [backup(alone).result["id"]] == ids(alone)
    assert not backup(alone, kind="incr").result["changed"]
    done = backup(alone, kind="incr", max_age="0").result
    assert done["steps"][0] == "take an incremental backup"
    [full, incremental] = ids(alone)
    assert incremental.startswith(full)
    assert backup(alone, kind="full").result["id"] == full
    # And a differential one on the full one, past what changed in between.
    done = backup(alone, kind="diff", max_age="0").result
    assert done["steps"][0] == "take a differential backup"
    assert done["id"].startswith(full)
    assert alone.info()["backup"][-1]["reference"] == [full]


def test_a_promotion_is_no_damage_of_the_cluster(alone: Backups) -> None:
    """The next one that stands on another warns of checksums, of files: it compares by them what it took by times."""
    cluster = alone.primary
    cluster.stop()
    alone.repository.exec(["touch", f"{cluster.data_directory}/standby.signal"], user="postgres")
    cluster.start()
    cluster.promote()
    # Only then does pg_control, which pgBackRest asks, know of the timeline.
    cluster.psql("CHECKPOINT")
    for kind in ("incr", "diff"):
        done = backup(alone, kind=kind, max_age="0")
        assert done.result.get("taken"), done.text
        assert (done.result["id"], proven(alone, done.result)) == (ids(alone)[-1], True)
    [before, *_, last] = [each["archive"]["start"][:8] for each in alone.info()["backup"]]
    assert before < last
    log = alone.repository.exec(["sh", "-c", f"cat /var/log/pgbackrest/{STANZA}-backup.log"]).stdout
    assert "enabling delta checksum" in log
    assert "did not match their checksums" not in str(state(alone))


def test_what_is_past_its_retention_is_told_beforehand(alone: Backups) -> None:
    """Two full ones are kept, with what stands on them."""
    first = ids(alone)
    assert backup(alone, max_age="0").result["removed"] == []
    foreseen = backup(alone, max_age="0", check=True).result
    assert [each["id"] for each in foreseen["removed"]] == first
    done = backup(alone, max_age="0").result
    assert (done["removed"], done["diff"]) == (foreseen["removed"], foreseen["diff"])
    assert not set(first) & set(ids(alone))
    assert not backup(alone).result["changed"]


def test_a_retention_of_one_is_kept_without_a_proof_as_well(alone: Backups) -> None:
    """The one before stays for a new one that nobody has proven, and keeps none of those before it."""
    place = f"/etc/pgbackrest/conf.d/{STANZA}.conf"
    alone.repository.exec(["sed", "-i", "s/retention-full=2/retention-full=1/", place])
    # Nothing is known of those that are there.
    alone.repository.exec(["rm", STATE])
    unproven: dict[str, Any] = {"max_age": "0", "verify": "none"}
    for night in range(3):
        foreseen = backup(alone, check=True, **unproven).result
        before = ids(alone)
        done = backup(alone, **unproven).result
        assert (done["steps"], done["removed"]) == (foreseen["steps"], foreseen["removed"]), night
        assert ids(alone) == [before[-1], done["id"]]
    alone.repository.exec(["sed", "-i", "s/retention-full=1/retention-full=2/", place])


def test_what_goes_for_a_differential_one_is_told_beforehand(alone: Backups) -> None:
    """pgBackRest counts the full one among them."""
    place = f"/etc/pgbackrest/conf.d/{STANZA}.conf"
    alone.repository.exec(["sed", "-i", "/^repo1-retention-full=/a repo1-retention-diff=2", place])
    backup(alone, max_age="0")
    went = []
    for _ in range(3):
        foreseen = backup(alone, check=True, kind="diff", max_age="0").result
        done = backup(alone, kind="diff", max_age="0").result
        assert (done["steps"], done["removed"]) == (foreseen["steps"], foreseen["removed"])
        assert done["diff"] == foreseen["diff"]
        went.append(len(done["removed"]))
    assert went[-1] == 1
    alone.repository.exec(["sed", "-i", "/^repo1-retention-diff=/d", place])


def test_two_at_once_are_one(alone: Backups) -> None:
    """The second is refused and harms nothing."""
    argv = ["docker", "exec", "--user=postgres", alone.repository.container, "pgbackrest"]
    with subprocess.Popen([*argv, f"--stanza={STANZA}", "--no-expire-auto", "--type=full", "backup"]) as other:
        wait_until("the other one is at work", lambda: alone.info()["status"]["lock"]["backup"]["held"])
        alone.repository.exec(["pkill", "-STOP", "-f", "[n]o-expire-auto"])
        try:
            # Who only looks is told the same, and waits no longer.
            for check in (True, False):
                told = backup(alone, max_age="0", check=check).failure
                assert "another backup, expiry or stanza command is at work" in told
        finally:
            alone.repository.exec(["pkill", "-CONT", "-f", "[n]o-expire-auto"])
        assert other.wait(300) == 0


def test_a_backup_that_was_killed_is_no_backup(alone: Backups) -> None:
    before = ids(alone)
    argv = ["docker", "exec", "--user=postgres", alone.repository.container, "pgbackrest"]
    with subprocess.Popen([*argv, f"--stanza={STANZA}", "--no-expire-auto", "--type=full", "backup"]) as other:
        wait_until("files are written", lambda: len(listed(alone)) > len(before))
        alone.repository.exec(["pkill", "-9", "-u", "postgres", "pgbackrest"])
        other.wait(60)
    assert ids(alone) == before
    done = backup(alone, max_age="0")
    assert done.result.get("taken"), done.text
    assert set(listed(alone)) == set(ids(alone))


def killed(alone: Backups, moment: float, *, everything: bool) -> bool:
    """A run that is killed after so many seconds, and with it pgBackRest or not; whether it had not ended by then."""
    node = alone.repository
    argv = ["docker", "exec", "--interactive", "--user=root", node.container, *inside.command(None)]
    text = inside.request(MODULE, {"stanza": STANZA, "method": "physical", "max_age": "0", "verify": level(alone)})
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.communicate(text.encode(), timeout=moment)
        node.exec(["pkill", "-9", "-f", f"{inside.PLACE}/run.py"], check=False)
        if everything:
            node.exec(["pkill", "-9", "-u", "postgres", "pgbackrest"], check=False)
        ended = run.wait(60)
    wait_until("nobody is at work", lambda: not alone.info()["status"]["lock"]["backup"]["held"])
    return ended == 137


def test_killed_at_any_moment_it_leaves_nothing_half_that_counts(alone: Backups) -> None:
    moments = random.Random(41)
    began = time.monotonic()
    assert backup(alone, max_age="0").result["taken"]
    whole = time.monotonic() - began
    for kill in range(KILLS):
        moment = whole * moments.random()
        while not killed(alone, moment, everything=kill % 2 == 0):
            # It is faster than the first one was.
            whole, moment = moment, moment * moments.random()
        there = ids(alone)
        manifests = " ".join(f"{PLACE}/{each}/backup.manifest" for each in there)
        alone.repository.exec(["sh", "-c", f"ls {manifests}"])
        assert backup(alone, check=True).result["id"] in (None, *there)
        done = backup(alone, max_age="0")
        assert done.result.get("taken"), (moment, done.text)
        assert (done.result["id"], proven(alone, done.result)) == (ids(alone)[-1], True)
        assert set(listed(alone)) == set(ids(alone)), moment


def listed(alone: Backups, place: str = PLACE) -> list[str]:
    names = alone.repository.exec(["ls", place]).stdout.split()
    return [name for name in names if name[0].isdigit()]


def flip(alone: Backups, where: str) -> str:
    """Two bytes of one file of those; its name."""
    path = alone.repository.exec(["sh", "-c", f"find {where} -name '*.zst' -size +300c | head -1"]).stdout.strip()
    alone.repository.exec(["cp", "-p", path, "/tmp/whole"])
    alone.repository.exec(["sh", "-c", f"printf XX | dd of={path} bs=1 seek=100 conv=notrunc status=none"])
    return path


@pytest.mark.usefixtures("verifies")
def test_a_bit_that_flipped_in_the_repository_is_found(alone: Backups) -> None:
    label = backup(alone, max_age="0", verify="none").result["id"]
    flip(alone, f"{PLACE}/{label}/pg_data/base/*")
    ended = backup(alone)
    assert "did not stand the proof (checksum)" in ended.failure
    # Only what was done is reported as done.
    assert (ended.result["changed"], ended.result["taken"], ended.result["removed"]) == (False, False, [])
    # It counts for nothing from now on, and nothing is stacked on it.
    [first, *_] = backup(alone, kind="incr", max_age="0", check=True).result["steps"]
    assert first.startswith("take a full backup, since there is no good one")
    assert backup(alone, check=True).result["id"] != label
    assert label in " ".join(state(alone)["problems"])
    alone.repository.exec(["rm", "-rf", f"{PLACE}/{label}"])
    done = backup(alone, max_age="0", kind="full")
    assert not done.result.get("failed"), done.text


def cut(alone: Backups, place: str) -> str:
    path = alone.repository.exec(["sh", "-c", f"find {place}/pg_data/base -name '*.zst' -size +300c | head -1"])
    alone.repository.exec(["truncate", "-s", "200", path.stdout.strip()])
    return path.stdout.strip().removeprefix(f"{PLACE}/")


def lose(alone: Backups, place: str) -> str:
    path = alone.repository.exec(["sh", "-c", f"find {place}/pg_data/base -name '*.zst' | head -1"]).stdout.strip()
    alone.repository.exec(["rm", path])
    return path.removeprefix(f"{PLACE}/")


def edit(alone: Backups, place: str, names: str = "backup.manifest backup.manifest.copy") -> str:
    write = f"for name in {names}; do printf XX | dd of={place}/$name bs=1 seek=100 conv=notrunc status=none; done"
    alone.repository.exec(["sh", "-c", write])
    return "Its manifest is missing or cannot be read"


def lose_manifests(alone: Backups, place: str) -> str:
    alone.repository.exec(["sh", "-c", f"rm {place}/backup.manifest*"])
    return "Its manifest is missing or cannot be read"


@pytest.mark.usefixtures("verifies")
@pytest.mark.parametrize("harm", [cut, lose, edit, lose_manifests])
def test_what_was_done_to_files_of_the_repository_is_found(alone: Backups, harm: Callable[[Backups, str], str]) -> None:
    """pgBackRest calls a repository good that lacks the manifests of a backup."""
    label = backup(alone, max_age="0", verify="none").result["id"]
    newest = backup(alone, kind="diff", max_age="0", verify="none").result["id"]
    alone.repository.exec(["cp", "-rp", f"{PLACE}/{label}", "/tmp/unharmed"])
    said = harm(alone, f"{PLACE}/{label}")
    ended = backup(alone, kind="full", max_age="1 hour")
    assert f"did not stand the proof (checksum): backup {label}" in ended.failure
    assert said in ended.failure
    assert (ended.result["taken"], ended.result["verified"], ended.result["removed"]) == (False, None, [])
    assert label in " ".join(state(alone)["problems"])
    # Nor does what stands on it count, and nothing new is stacked on it.
    seen = backup(alone, check=True, kind="diff").result
    assert seen["id"] not in (label, newest)
    alone.repository.exec(["sh", "-c", f"rm -rf {PLACE}/{label} && mv /tmp/unharmed {PLACE}/{label}"])
    assert not backup(alone, max_age="0").result.get("failed")


@pytest.mark.usefixtures("verifies")
def test_an_edited_manifest_whose_copy_stands_for_it_is_told(alone: Backups) -> None:
    """The backup can be restored, and will not be when the same befalls the copy."""
    label = backup(alone, max_age="0", verify="none").result["id"]
    edit(alone, f"{PLACE}/{label}", "backup.manifest")
    ended = backup(alone)
    assert f"the backup that is wanted stood the proof: backup {label}: Its backup.manifest is missing" in ended.failure
    assert "backup.manifest.copy stands for it" in ended.failure
    assert ended.result["verified"]["level"] == "checksum"
    alone.repository.exec(["cp", "-p", f"{PLACE}/{label}/backup.manifest.copy", f"{PLACE}/{label}/backup.manifest"])
    assert not backup(alone, max_age="0").result.get("failed")


@pytest.mark.usefixtures("verifies")
def test_damage_of_an_older_one_is_held_against_that_one(alone: Backups) -> None:
    """The new one is proven, and what is past its retention goes; the run fails all the same."""
    older = backup(alone, max_age="0").result["id"]
    flip(alone, f"{PLACE}/{older}/pg_data/base/*")
    for kept in ([older], []):
        foreseen = backup(alone, check=True, max_age="0").result
        done = backup(alone, max_age="0")
        assert f"backup {older}: 1 of" in done.failure
        assert f"--set={older} expire" in done.failure
        assert done.result["steps"] == foreseen["steps"]
        assert (done.result["id"], done.result["verified"]["level"]) == (ids(alone)[-1], "checksum")
        assert state(alone)["last_verified"]["id"] == done.result["id"]
        assert [each for each in ids(alone) if each == older] == kept
        assert len(ids(alone)) == 2
    assert not backup(alone).result["changed"]


@pytest.mark.usefixtures("verifies")
def test_damaged_wal_is_no_fault_of_a_later_backup(alone: Backups) -> None:
    before = ids(alone)[-1]
    for _ in range(3):
        alone.primary.psql("CREATE TABLE IF NOT EXISTS later (); SELECT pg_switch_wal()")
        alone.pgbackrest("check")
    torn = f"{int(alone.info()['archive'][0]['max'], 16) - 1:024X}"
    path = flip(alone, f"/srv/backup/archive/{STANZA}/*/*/{torn}-*")
    done = backup(alone, max_age="0")
    assert torn in done.failure
    assert done.result["verified"]["level"] == "checksum"
    said = f"WAL segment {torn} is damaged in repository 1, so that backup {before} can be restored to about"
    assert said in str(state(alone)["problems"])
    assert said in str(backup(alone).result["warnings"])
    assert backup(alone, kind="incr", max_age="0", check=True).result["steps"][0] == "take an incremental backup"
    alone.repository.exec(["cp", "-p", "/tmp/whole", path])
    # At the oldest one pgBackRest ends before it has named it: nothing is proven, and what is past goes all the same.
    find = f"ls /srv/backup/archive/{STANZA}/*/*/*.zst | sort | head -1"
    oldest = alone.repository.exec(["sh", "-c", find]).stdout.strip()
    alone.repository.exec(["cp", "-p", oldest, "/tmp/whole"])
    alone.repository.exec(["truncate", "-s", "250", oldest])
    done = backup(alone, max_age="0")
    assert "pgBackRest does not say which, as where it is the oldest WAL segment" in done.failure
    assert (done.result["taken"], done.result["verified"]) == (True, None)
    # Nothing is known of the other one either.
    assert torn in str(state(alone)["damaged_wal"])
    alone.repository.exec(["cp", "-p", "/tmp/whole", oldest])
    done = backup(alone)
    assert (done.result["id"], done.result["verified"]["level"]) == (ids(alone)[-1], "checksum")
    assert state(alone)["damaged_wal"] == []


def test_wal_that_is_missing_is_named(alone: Backups) -> None:
    label = backup(alone, max_age="0").result["id"]
    for _ in range(3):
        alone.primary.psql("CREATE TABLE IF NOT EXISTS later (); SELECT pg_switch_wal()")
        alone.pgbackrest("check")
    last = alone.info()["archive"][0]["max"]
    lost = f"{int(last, 16) - 1:024X}"
    alone.repository.exec(["sh", "-c", f"rm /srv/backup/archive/{STANZA}/*/*/{lost}-*"])
    told = backup(alone, check=True).result["warnings"]
    assert f"WAL segment {lost} is missing in repository 1, so that backup {label}" in str(told)


# In the place of pgBackRest: writes down what it is called for, and does not answer where it is to list.
BESIDE = """#!/bin/sh
echo "$*" >>/tmp/called
case "$*" in *repo-ls*) {listing} ;; esac
exec /usr/bin/pgbackrest "$@"
"""


@contextlib.contextmanager
def called(alone: Backups, listing: str) -> Iterator[Callable[[str], int]]:
    """How many calls of it had such words."""
    node, place = alone.repository, "/usr/local/bin/pgbackrest"
    node.exec(["install", "-m", "0666", "/dev/null", "/tmp/called"])
    node.write(place, BESIDE.format(listing=listing), mode="0755")

    def calls(words: str) -> int:
        return node.exec(["cat", "/tmp/called"]).stdout.count(words)

    try:
        yield calls
    finally:
        node.exec(["rm", place, "/tmp/called"])


def test_the_archive_is_listed_once_and_its_silence_is_no_failure(alone: Backups) -> None:
    with called(alone, ":") as calls:
        done = backup(alone, max_age="0").result
        assert done["taken"]
        assert calls("--recurse") == 1
    with called(alone, "exit 49") as calls:
        done = backup(alone, max_age="0").result
        assert done["taken"]
        assert proven(alone, done)
        assert "The WAL in repository 1 was not listed" in str(done["warnings"])
        assert calls("repo-ls") == 1
    assert "was not listed" in str(state(alone)["problems"])
    backup(alone, max_age="0")
    assert "was not listed" not in str(state(alone)["problems"])


def test_broken_pages_of_the_live_cluster_fail(alone: Backups) -> None:
    """pgBackRest warns and calls the backup good; nothing goes for it, and it does not count."""
    kept = ids(alone)
    cluster = alone.primary
    cluster.psql("CHECKPOINT")
    path = f"{cluster.data_directory}/{cluster.psql(chr(39).join(('SELECT pg_relation_filepath(', 'kept', ')')))}"
    cluster.stop()
    page = alone.repository.exec(["sh", "-c", f"dd if={path} bs=1 skip=9000 count=4 status=none | od -An -tx1"]).stdout
    alone.repository.exec(["sh", "-c", f"printf zzzz | dd of={path} bs=1 seek=9000 conv=notrunc status=none"])
    cluster.start()
    try:
        sentence = backup(alone, max_age="0").failure
        assert "holds broken pages of the running cluster" in sentence
        assert path in sentence
        assert set(kept) <= set(ids(alone))
        assert backup(alone, check=True, max_age="1 hour").result["id"] in (*kept, None)
        assert "did not match their checksums" in " ".join(state(alone)["problems"])
    finally:
        cluster.stop()
        bytes_ = "".join(f"\\x{word}" for word in page.split())
        alone.repository.exec(
            ["bash", "-c", f"printf '{bytes_}' | dd of={path} bs=1 seek=9000 conv=notrunc status=none"]
        )
        cluster.start()


def playbook(alone: Backups, **more: Any) -> subprocess.CompletedProcess[str]:
    wishes = [{"kind": "incr", "max_age": "12 hours", "verify": "none"}]
    extra = {"physical_backup_hosts": "all", "physical_backups": wishes, **more}
    argv = [str(ROOT / ".venv/bin/ansible-playbook"), "-i", "inventory.json", "runbook.postgres.backup_physical"]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".lab" / "collections")}
    return subprocess.run(
        [*argv, "--extra-vars", json.dumps(extra)],
        cwd=alone.stage.place,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_playbook_takes_it_where_it_runs(alone: Backups) -> None:
    done = playbook(alone)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Have the backup" in done.stdout
    assert unreached(done.stdout) == []


def test_a_night_without_a_backup_is_not_silent(alone: Backups) -> None:
    """No server of the cluster is the primary any more."""
    signal, unit = f"{alone.primary.data_directory}/standby.signal", alone.primary.unit
    before = ids(alone)
    try:
        alone.primary.node.exec(["touch", signal], user="postgres")
        alone.primary.node.exec(["systemctl", "restart", unit])
        done = playbook(alone)
        assert done.returncode != 0
        assert f"none of {alone.primary.node.name} answered that it is the primary" in done.stdout
        assert ids(alone) == before
    finally:
        alone.primary.node.exec(["rm", signal])
        alone.primary.node.exec(["systemctl", "restart", unit])


def test_backups_of_each_repository_are_listed(alone: Backups) -> None:
    second = {"path": "/srv/second", "retention": {"full": 1}}
    alone.stage.played("backup", backup_repositories=[DISK, second])
    try:
        taken = [backup(alone, max_age="0", repository=each).result["id"] for each in (1, 2)]
        found = alone.run("pg_backup_info").result
        where = {each["id"]: (each["place"], each["encrypted"]) for each in found["backups"]}
        assert [where[each] for each in taken] == [("repository 1", True), ("repository 2", False)]
        assert set(where) == set(ids(alone))
        assert found["backups"][0]["id"] == taken[1]
        assert proven(alone, found["backups"][0])
        [other] = alone.run("pg_backup_info", repository=2).result["backups"]
        assert other == found["backups"][0]
        # One that is away hides none of the others.
        alone.repository.exec(["mv", "/srv/second", "/srv/away"])
        found = alone.run("pg_backup_info").result
        assert {each["place"] for each in found["backups"]} == {"repository 1"}
        assert "repository 2" in {each["path"] for each in found["broken"]}
    finally:
        alone.repository.exec(["rm", "-rf", "/srv/second", "/srv/away"])
        alone.played()
    # The next backup tells others of what there is.
    backup(alone, max_age="0")
    assert set(json.loads(alone.repository.exec(["cat", STATE]).stdout)["repositories"]) == {"1"}


# Makes a backup of a repository that is not encrypted older, in its list, as pgBackRest would have written that.
AGED = """
import hashlib, json, sys
path, label, days = sys.argv[1], sys.argv[2], int(sys.argv[3])
told, section = {}, {}
for line in open(path):
    if line.startswith("["):
        section = told.setdefault(line.strip()[1:-1], {})
    elif "=" in line:
        key, _, section[key] = line.rstrip("\\n").partition("=")
def checksum():
    parts = [
        '"%s":{%s}' % (name, ",".join('"%s":%s' % each for each in keys.items() if each[0] != "backrest-checksum"))
        for name, keys in told.items()
    ]
    return json.dumps(hashlib.sha1(("{%s}" % ",".join(parts)).encode()).hexdigest())
assert checksum() == told["backrest"]["backrest-checksum"], "pgBackRest sums it up in another way"
backup = json.loads(told["backup:current"][label])
for name in ("backup-timestamp-start", "backup-timestamp-stop"):
    backup[name] -= 86400 * days
told["backup:current"][label] = json.dumps(backup, separators=(",", ":"), sort_keys=True)
told["backrest"]["backrest-checksum"] = checksum()
text = "\\n".join("[%s]\\n" % name + "".join("%s=%s\\n" % each for each in keys.items()) for name, keys in told.items())
for each in (path, path + ".copy"):
    open(each, "w").write(text)
"""


def test_a_retention_by_time_is_kept_and_told_beforehand(alone: Backups) -> None:
    """Of two days: the newest one from before them stays, from which each moment in them can be reached."""
    second = {"path": "/srv/second", "retention": {"full": 2, "full_type": "time"}}
    alone.stage.played("backup", backup_repositories=[DISK, second])
    try:
        labels = [backup(alone, max_age="0", repository=2).result["id"] for _ in range(2)]
        # Both are younger, however many there are.
        assert backup(alone, check=True, max_age="0", repository=2).result["removed"] == []
        info = f"/srv/second/backup/{STANZA}/backup.info"
        for label, days in zip(labels, ("5", "3")):
            alone.repository.exec(["python3", "-c", AGED, info, label, days], user="postgres")
        foreseen = backup(alone, check=True, repository=2).result
        done = backup(alone, repository=2).result
        assert (done["steps"], done["removed"], done["diff"]) == tuple(
            foreseen[each] for each in ("steps", "removed", "diff")
        )
        assert [each["id"] for each in done["removed"]] == labels[:1]
        assert listed(alone, f"/srv/second/backup/{STANZA}") == [labels[1], done["id"]]
    finally:
        alone.repository.exec(["rm", "-rf", "/srv/second"])
        alone.played()


# An expiry that is looked at in small steps and killed once something is so.
KILLED = """
pgbackrest --stanza={stanza} --repo=2 expire & expiry=$!
while kill -STOP $expiry; do
    if {so}; then kill -9 $expiry; exit 0; fi
    kill -CONT $expiry
done
exit 1
"""


@pytest.mark.parametrize(
    "so",
    [
        pytest.param("test ! -e {place}/{label}/backup.manifest", id="invalid and still listed"),
        pytest.param("! grep -q ^{label}= {place}/backup.info", id="listed no more"),
        pytest.param("test $(find {place}/{label} -type f | wc -l) -lt {half}", id="half removed"),
    ],
)
def test_an_expiry_that_was_killed_is_finished_by_the_next_run(alone: Backups, so: str) -> None:
    second = {"path": "/srv/second", "retention": {"full": 2}}
    place = f"/srv/second/backup/{STANZA}"
    alone.stage.played("backup", backup_repositories=[DISK, second])
    try:
        for _ in range(3):
            alone.pgbackrest("backup", "--repo=2", "--type=full", "--no-expire-auto")
        label, *kept = listed(alone, place)
        files = alone.repository.exec(["find", f"{place}/{label}", "-type", "f"]).stdout.count("\n")
        script = KILLED.format(stanza=STANZA, so=so.format(place=place, label=label, half=files // 2))
        alone.repository.exec(["bash", "-c", script], user="postgres")
        assert listed(alone, place) == [label, *kept]
        # The ones that stay are whole, and what is left of the other one is nobody's damage.
        done = backup(alone, repository=2, kind="full", max_age="0")
        assert done.code == 0, done.text
        assert proven(alone, done.result)
        assert listed(alone, place) == [kept[1], done.result["id"]]
        assert set(ids(alone)) >= {kept[1], done.result["id"]}
        assert label not in ids(alone)
    finally:
        alone.repository.exec(["rm", "-rf", "/srv/second"])
        alone.played()


def test_so_many_processes_are_at_work_as_are_wished(alone: Backups) -> None:
    # Before 2.38 it tells of each file at level info.
    works = re.compile(r"P(\d\d) +(?:DETAIL|INFO): backup file")
    alone.played(backup_processes=3)
    told = alone.pgbackrest("backup", "--type=full", "--log-level-console=detail")
    assert set(works.findall(told)) == {"01", "02", "03"}
    alone.played()
    told = alone.pgbackrest("backup", "--type=full", "--log-level-console=detail")
    assert set(works.findall(told)) == {"01", "02"}


def test_a_disk_that_is_full_is_told_and_leaves_no_backup(alone: Backups) -> None:
    node = alone.repository
    node.exec(["dd", "if=/dev/zero", "of=/small/full", "bs=1M", "count=30", "status=none"])
    small = {"path": "/small/backup", "retention": {"full": 1}}
    alone.stage.played("backup", backup_repositories=[DISK, small])
    now: dict[str, Any] = {"repository": 2, "max_age": "0"}
    try:
        assert "Repository 2 in /small/backup has" in backup(alone, expected_size="20 MB", **now).failure
        # How much the first one takes nobody knows beforehand.
        told = backup(alone, **now).failure
        assert "Repository 2 in /small/backup is full (" in told
        assert "make room: pgbackrest backup failed" in told
        assert 2 not in {each["database"]["repo-key"] for each in alone.info()["backup"]}
        # What it wrote until then is no backup, and goes with the next one.
        assert len(listed(alone, f"/small/backup/backup/{STANZA}")) == 1
        node.exec(["rm", "/small/full"])
        done = backup(alone, repository=2)
        assert done.result.get("taken"), done.text
        assert listed(alone, f"/small/backup/backup/{STANZA}") == [done.result["id"]]
        # The next one takes about as much.
        node.exec(["sh", "-c", "head -c 32M /dev/zero >/small/full || true"])
        assert "make room" in backup(alone, check=True, **now).failure
    finally:
        node.exec(["rm", "-rf", "/small/backup", "/small/full"])
        alone.played()


def test_a_store_that_goes_away_is_told_and_leaves_no_backup(alone: Backups, tmp_path: Path) -> None:
    with s3.store(tmp_path) as store:
        store.introduce(alone.repository)
        bundled = {} if alone.repository.release == OLD_PGBACKREST else {"bundle": True}
        away = store.repository(retention={"full": 1}, settings=bundled)
        alone.stage.played("backup", backup_repositories=[DISK, away])
        try:
            # While files of the cluster are on their way; asking what is there takes far less.
            store.line.cut(after=1 << 20)
            assert "pgbackrest backup failed" in backup(alone, repository=2, max_age="0").failure
            assert "look whether the repository is reached" in backup(alone, repository=2, max_age="0").failure
            store.line.mend()
            assert 2 not in {each["database"]["repo-key"] for each in alone.info()["backup"]}
        finally:
            alone.played()


def test_a_cluster_that_was_made_anew_is_another_one(alone: Backups) -> None:
    """Nothing of it is archived until somebody says that it is meant, and no backup of the old one serves for it."""
    old = backup(alone).result["id"]
    node = alone.repository
    alone.primary.stop()
    node.exec(["pg_dropcluster", str(alone.primary.version), alone.primary.name])
    Cluster.create(node, settings=stanzas.ARCHIVING)
    for check in (False, True):
        [said] = alone.play(check=check).failures
        assert "Stanza ledger is that of another cluster than the server's, of PostgreSQL" in said
    foreseen = alone.played(check=True, backup_upgrade=True)
    done = alone.played(backup_upgrade=True)
    assert done.outcomes == foreseen.outcomes
    assert [each["id"] for each in alone.info()["db"]] == [1, 2]
    assert alone.info()["archive"][-1]["max"]
    assert alone.played().changed == []
    taken = backup(alone, kind="incr", max_age="1 day").result
    assert taken["steps"][0].startswith("take a full backup")
    assert set(ids(alone)) >= {old, taken["id"]}
    kept = state(alone)
    assert kept["last_backup"]["id"] == taken["id"]
    assert kept["last_verified"] == (kept["last_backup"] if proven(alone, taken) and taken["verified"] else None)
