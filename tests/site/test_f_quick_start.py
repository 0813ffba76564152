"""The README's quick start, as somebody new to it types it: the example, its addresses edited, and nothing else.

The collection is installed from its tarball, for the oldest ansible-core that it promises to run with, whose own
defaults count. The hosts are bare, and entered as somebody who is not root and may become it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import inventory, networks
from lab.checkout import ROOT
from lab.recap import recap
from tests.site.conftest import booted
from tests.site.newcomers import Newcomer, enterable, installed

FIRST_ADDRESS = 71
# The example's hosts, and what each is called in the lab.
HOSTS = {
    "orders-db1.example.net": "quick-db1",
    "orders-db2.example.net": "quick-db2",
    "orders-db3.example.net": "quick-db3",
    "orders-pool1.example.net": "quick-pool1",
}
PRIMARY, SECOND, THIRD, POOLER = HOSTS
TITLE = "### A cluster from an inventory"
VAULT_PASSWORD = "opens-the-vault"
LOGIN = "admin"

# What people do in an editor: of the example's network they make their own, and into the vault goes a password for
# each that the files beside it name.
EDITOR = """\
#!/usr/bin/python3
import os, re, sys
from pathlib import Path

for path in map(Path, sys.argv[1:]):
    if path.is_relative_to(os.environ["HOME"] + "/inventory") and path.exists() and path.stat().st_size:
        text = path.read_text()
        for theirs, ours in EDITS.items():
            text = re.sub(theirs, ours, text)
        path.write_text(text)
    else:
        files = Path(os.environ["HOME"], "inventory/group_vars/orders").glob("*.yml")
        names = {name for each in files for name in re.findall(r"vault_\\w+", each.read_text())}
        path.write_text("".join(f"{name}: secret of {name}\\n" for name in sorted(names - {"vault_"})))
"""


def superuser(newcomer: Newcomer, host: str, sql: str, database: str = "postgres") -> str:
    argv = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database]
    return newcomer.nodes[host].exec(argv, user="postgres", input=sql).stdout.strip()


def through_the_pooler(newcomer: Newcomer, user: str, database: str, sql: str) -> str:
    """From a host that has psql and the authority's certificate, with a password and nothing else."""
    node = newcomer.nodes[PRIMARY]
    node.write("/root/.pgpass", f"*:*:*:{user}:secret of vault_{user}_password\n", mode="0600")
    where = f"host={newcomer.nodes[POOLER].ip} port=6432 user={user} dbname={database}"
    verified = "sslmode=verify-full sslrootcert=/etc/ssl/postgres/ca.crt"
    return node.exec(["psql", "-XAtq", f"{where} {verified}", "-c", sql]).stdout.strip()


def lines_of(title: str) -> list[str]:
    """What a chapter of the README tells to type, without what it says about it."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    chapter = re.split(r"^##", text.partition(f"\n{title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    return [line[2:] for line in chapter.splitlines() if line.startswith("$ ")]


PREPARING, PLAYS = lines_of(TITLE)[:-2], lines_of(TITLE)[-2:]


def changes(told: str) -> dict[str, int]:
    """How many tasks changed something, by host; of runs in which nobody failed."""
    found = recap(told)
    assert not any(counts.unreachable or counts.failed for counts in found.values()), told
    return {host: counts.changed for host, counts in found.items()}


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    home = tmp_path_factory.mktemp("home")
    ansible = installed(home)
    write_editor(home / "bin/editor")
    nodes = booted(list(HOSTS.values()), FIRST_ADDRESS, bare=True)
    enterable(nodes, LOGIN)
    yield Newcomer(ansible, {host: nodes[name] for host, name in HOSTS.items()}, {"vault password: ": VAULT_PASSWORD})
    for node in nodes.values():
        node.stop()


def write_editor(path: Path) -> None:
    network = networks.address(0).rpartition(".")[0]
    numbers = {11: FIRST_ADDRESS, 12: FIRST_ADDRESS + 1, 13: FIRST_ADDRESS + 2, 21: FIRST_ADDRESS + 3, 0: 0}
    edits = {rf"\b192\.0\.2\.{theirs}\b": f"{network}.{ours}" for theirs, ours in numbers.items()}
    path.parent.mkdir()
    path.write_text(EDITOR.replace("EDITS", json.dumps(edits)), encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture(scope="module")
def prepared(newcomer: Newcomer) -> Newcomer:
    for line in PREPARING:
        newcomer.types(line)
    # Beside what the reader edits: the way into a container, where others have their ssh.
    reach = {host: {**inventory.connection(name), "ansible_user": LOGIN} for host, name in HOSTS.items()}
    reached = newcomer.ansible.home / "inventory/lab.yml"
    reached.write_text(json.dumps({"all": {"hosts": reach}}), encoding="utf-8")
    return newcomer


@pytest.fixture(scope="module")
def built(prepared: Newcomer) -> tuple[dict[str, int], dict[str, int]]:
    """What the dry run and then the run said."""
    return changes(prepared.types(PLAYS[0])), changes(prepared.types(PLAYS[1]))


def test_the_run_does_as_much_as_the_dry_run_said(built: tuple[dict[str, int], dict[str, int]]) -> None:
    foretold, done = built
    assert done == foretold
    assert all(done[host] for host in HOSTS)


@pytest.mark.usefixtures("built")
def test_again_it_changes_nothing(prepared: Newcomer) -> None:
    assert set(changes(prepared.types(PLAYS[1])).values()) == {0}


@pytest.mark.usefixtures("built")
def test_the_cluster_does_what_the_example_says(prepared: Newcomer) -> None:
    streams = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
    assert superuser(prepared, PRIMARY, streams) == "2"
    table = "SET ROLE orders_owner; CREATE TABLE orders.notes (note text)"
    superuser(prepared, PRIMARY, table, "orders")
    through_the_pooler(prepared, "orders_app", "orders", "INSERT INTO orders.notes VALUES ('sold')")
    count = "SELECT count(*) FROM orders.notes"
    assert through_the_pooler(prepared, "orders_analytics", "orders", count) == "1"
    assert through_the_pooler(prepared, "orders_analytics", "orders_ro", "SELECT pg_is_in_recovery()") == "t"


@pytest.mark.usefixtures("built")
def test_the_morning_report_sees_servers_and_pools(prepared: Newcomer) -> None:
    (line,) = lines_of("### Every morning, every server")
    # The other cluster of the example is nowhere.
    told = prepared.types(f"{line} --limit orders_servers -e health_report_dir=reports -e health_fail_on=never")
    reports = [json.loads((prepared.ansible.home / f"reports/{host}.json").read_text()) for host in (PRIMARY, SECOND)]
    assert [report["server"]["role"] for report in reports] == ["primary", "standby"], told
    for report in reports:
        assert report["metrics"]["pgbouncer"]["pooler"]["max_clients"] == 200
        # All is seen but what the example asks of tables that nobody made here.
        assert {each["probe"] for each in report["unavailable"]} == {"outbox_backlog", "orders_in_the_last_hour"}
