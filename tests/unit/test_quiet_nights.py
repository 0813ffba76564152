"""A schedule in which nothing is backed up is no success, whatever the reason: a variable that is misspelt is one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
BOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))


def plays_of(book: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((ROOT / f"playbooks/{book}.yml").read_text(encoding="utf-8"))
    return found


def named(book: str) -> bool:
    """Whether a variable names the hosts that it is for, and not one host of a cluster that is found from it."""
    return "named_hosts" in plays_of(book)[0].get("vars", {})


def played(place: Path, book: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(PLAYBOOK), "-i", str(place / "inventory.json"), str(ROOT / f"playbooks/{book}.yml"), *options],
        cwd=place,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".lab/collections"), "ANSIBLE_NOCOLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("book", "name", "said"),
    [
        ("backup", "backups", "No backup was taken"),
        ("backup_verify", "backups", "No backup was verified"),
        ("backup_physical", "physical_backups", "No backup was taken"),
    ],
)
def test_where_no_backup_is_wanted_it_fails(tmp_path: Path, book: str, name: str, said: str) -> None:
    hosts = {"one.example.net": {f"{name}_": [{"database": "shop"}]}, "other.example.net": {name: []}}
    (tmp_path / "inventory.json").write_text(json.dumps({"postgres": {"hosts": hosts}}), encoding="utf-8")
    done = played(tmp_path, book)
    told = " ".join(done.stdout.split())
    # Nobody was contacted for it.
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"{said}: variable {name} of one.example.net, other.example.net is not set or empty." in told


def refused(place: Path, book: str, *options: str) -> str:
    """What the only failure of a run says, in which nobody was contacted."""
    done = played(place, book, *options)
    assert done.returncode == 2, done.stdout + done.stderr
    assert re.search(r"PLAY RECAP \*+\n\S+ +: ok=\d +changed=0 +unreachable=0 +failed=1 .*\n\n", done.stdout)
    return " ".join(done.stdout.split())


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Where the inventory has hosts, and none in a group that a playbook takes unless told otherwise."""
    groups: dict[str, Any] = {"databases": {"hosts": {"one": {}, "two": {}}}, "applications": {"hosts": {"three": {}}}}
    (tmp_path / "inventory.json").write_text(json.dumps(groups), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("book", BOOKS)
def test_where_nobody_is_what_it_is_for_it_fails(here: Path, book: str) -> None:
    told = refused(here, book)
    ways = (r"\w+ names no host of this inventory", "names 0 clusters", "which is not in postgres_hosts", "_host is ''")
    assert re.search("|".join(ways), told)


@pytest.mark.parametrize(
    ("book", "said", "wrong"),
    [
        ("clients", {"client_hosts": "aplications"}, "client_hosts"),
        ("drill", {"drill_host": "databases", "drill_production": "productoin"}, "drill_production"),
        ("restore", {"restore_hosts": "db[1:2]:!db1"}, "restore_hosts"),
        ("schedule", {"schedule_hosts": "contrl"}, "schedule_hosts"),
        ("site", {"site_servers": "one", "site_poolers": ""}, "site_poolers"),
        ("vacuum", {"vacuum_hosts": "databases:!one:!two"}, "vacuum_hosts"),
    ],
)
@pytest.mark.parametrize("limit", [(), ("--limit", "one")], ids=["all", "limited"])
def test_a_name_that_stands_for_nobody_is_no_success(
    here: Path, book: str, said: dict[str, str], wrong: str, limit: tuple[str, ...]
) -> None:
    told = refused(here, book, "-e", json.dumps(said), *limit)
    assert f"{wrong} names no host of this inventory ('{said[wrong]}'), so that nothing was done" in told


def test_a_limit_that_leaves_nobody_is_no_success(here: Path) -> None:
    told = refused(here, "vacuum", "-e", "vacuum_hosts=databases", "--limit", "three")
    assert "--limit three leaves none of the hosts that are named by vacuum_hosts ('databases')" in told
    told = refused(here, "site", "-e", "site_servers=databases", "-e", "site_poolers=two", "--limit", "three")
    assert "named by site_servers and site_poolers ('databases' and 'two')" in told
    # What one name excludes another one may have.
    told = refused(here, "drill", "-e", "drill_host=one", "-e", "drill_production=databases:!one", "--limit", "one")
    assert "two did not say which machine it is" in told


def test_a_limit_that_leaves_out_the_scratch_host_holds_no_drill(here: Path) -> None:
    told = refused(here, "drill", "-e", "drill_host=one drill_production=databases:!one", "--limit", "two")
    assert "No drill was held: --limit two leaves out one (drill_host)." in told


@pytest.mark.parametrize(("limit", "quiet"), [("one", True), ("one,keeper", False), ("three", False)])
def test_a_limit_that_leaves_out_the_repository_host_takes_no_quiet_night(
    tmp_path: Path, limit: str, *, quiet: bool
) -> None:
    """Of the servers that are named, and of those that want backups."""
    wanted = {"physical_backups": [{"kind": "full", "max_age": "1 day"}]}
    servers = {"one": {"backup_repository_host": "keeper", **wanted}, "two": wanted, "three": {}}
    # Nobody is there: who is to take them is not reached.
    every = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1, "postgres_cluster": "shop"}
    hosts = {"postgres": {"hosts": servers}, "keepers": {"hosts": {"keeper": {}}}, "all": {"vars": every}}
    (tmp_path / "inventory.json").write_text(json.dumps(hosts), encoding="utf-8")
    done = played(tmp_path, "backup_physical", "--limit", limit)
    told = " ".join(done.stdout.split())
    said = f"No backup was taken: --limit {limit} leaves out keeper, which takes the backups of servers that it names"
    assert (said in told) == quiet
    # Whom the limit leaves is gone on with.
    assert done.returncode == (4 if limit == "one,keeper" else 2), told


@pytest.mark.parametrize("book", [book for book in BOOKS if not named(book)])
def test_a_limit_that_leaves_out_where_it_is_decided_is_no_success(here: Path, book: str) -> None:
    assert "--limit one leaves out localhost" in refused(here, book, "--limit", "one")


@pytest.mark.parametrize("book", [book for book in BOOKS if named(book)])
def test_each_begins_by_looking_whether_there_is_somebody(book: str) -> None:
    first, *plays = plays_of(book)
    assert first["tasks"][0]["ansible.builtin.import_tasks"] == "tasks/named.yml"
    looked_for = {re.sub(r" \| default.*$", "", text) for text in first["vars"]["named_hosts"].values()}
    of_plays = {found for play in plays for found in re.findall(r"{{ \w+", play["hosts"])}
    assert looked_for == of_plays
