"""The playbooks about recovery, run as an operator runs them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from lab.checkout import ROOT
from lab.clusters import Cluster
from lab.nodes import Node
from lab.recap import changes
from tests.integration import inside
from tests.integration.playing import CONNECTION
from tests.integration.recoveries import PROOFS, SETTINGS, STANZA, Backed, share


def play(
    place: Path, book: str, *nodes: Node, check: bool = False, away: Node | None = None, **extra: Any
) -> tuple[int, str]:
    """How it ended, and what it said; the first node is all of group postgres, and `away` cannot be reached."""
    hosts: dict[str, dict[str, Any]] = {
        node.name: {
            **CONNECTION,
            "ansible_host": node.container,
            "postgres_version": node.postgresql,
            "postgres_address": node.ip,
        }
        for node in nodes
    }
    if away is not None:
        hosts[away.name] |= {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    inventory = {
        "all": {
            "hosts": hosts,
            "vars": {"postgres_cluster": STANZA},
            "children": {"postgres": {"hosts": {nodes[0].name: {}}}},
        }
    }
    (place / "inventory.json").write_text(json.dumps(inventory), encoding="utf-8")
    argv = [str(ROOT / ".venv/bin/ansible-playbook"), "-i", "inventory.json", f"runbook.postgres.{book}"]
    argv += ["-e", json.dumps(extra), "--diff", *(["--check"] if check else [])]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".lab/collections"), "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(
        argv,
        env=environment,
        cwd=place,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.returncode, done.stdout


def test_in_an_emergency_all_that_can_be_read_comes_back(ledger: Backed, tmp_path: Path) -> None:
    cluster, node = ledger.cluster, ledger.node
    ledger.backup()
    cluster.psql("INSERT INTO ledger (who) VALUES (1)")
    ledger.archived()
    # Its last commit is in no archive, and then its tables are gone.
    cluster.configure({**SETTINGS, "archive_command": "/bin/false"})
    cluster.reload()
    cluster.psql("INSERT INTO ledger (who) VALUES (2)")
    cluster.stop("immediate")
    cluster.configure(SETTINGS)
    node.exec(["sh", "-c", f"rm -rf {cluster.data_directory}/base/*"])
    asked: dict[str, Any] = {
        "emergency_host": node.name,
        "emergency_checks": [{"name": "ledger", "query": "SELECT count(*) = 102 FROM ledger"}],
        "postgres_hosts": [node.name, "another"],
    }
    # Whether the other one still archives as the cluster is for a person to say.
    code, text = play(tmp_path, "emergency_restore", node, check=True, **asked)
    assert code != 0
    assert "another did not say whether it serves as a primary" in " ".join(text.split())
    asked["emergency_archives"] = True
    code, text = play(tmp_path, "emergency_restore", node, check=True, **asked)
    assert code == 0, text
    assert ledger.files() == ["main"]
    code, text = play(tmp_path, "emergency_restore", node, **asked)
    assert code == 0, text
    assert "another could not be asked" in text
    assert "Its data is sound." in text
    assert "It archives as the cluster, as emergency_archives says." in text
    # What is to be done about its standbys is a command to be copied.
    assert "replication_rebuild" in text
    assert "another" in text
    assert cluster.psql("SELECT count(*) FROM ledger") == "102"
    assert len(ledger.aside) == 1
    kept = node.exec(["find", "/var/lib/runbook-postgres/emergency", "-type", "f"]).stdout
    assert "postgresql.conf" in kept
    assert ".log" in kept
    # A second run finds it done.
    code, text = play(tmp_path, "emergency_restore", node, **asked)
    assert code == 0, text
    assert changes(text) == {}
    code, text = play(tmp_path, "corruption_check", node)
    assert code == 0, text
    assert f"{node.name} is sound" in text
    # What is damaged is not called restored, whoever looks at the outcome alone.
    cluster.psql("CREATE TABLE parent (n int PRIMARY KEY); CREATE TABLE child (n int REFERENCES parent)")
    cluster.psql("SET session_replication_role = replica; INSERT INTO child VALUES (7)")
    code, text = play(tmp_path, "emergency_restore", node, **asked)
    assert code != 0
    assert "was restored and is corrupt (child_n_fkey on child)" in " ".join(text.split())
    assert "Point no application here" in text
    code, text = play(tmp_path, "corruption_check", node)
    assert code != 0
    assert f"{node.name} is corrupt" in text


def test_a_point_in_time_is_reached_here_and_on_another_host(ledger: Backed, scratch: Node, tmp_path: Path) -> None:
    cluster, node = ledger.cluster, ledger.node
    # In the data, which takes it along.
    cluster.psql("ALTER SYSTEM SET archive_mode = on")
    ledger.backup()
    target = ledger.now()
    cluster.psql("DROP TABLE ledger")
    last = ledger.archived()
    share(ledger, scratch)
    asked: dict[str, Any] = {"pitr_target": "time", "pitr_value": target}
    code, text = play(tmp_path, "pitr", node, scratch, pitr_host="all", **asked)
    assert code != 0
    assert "one host is recovered" in text
    # Beside production first, which goes on; the instance is made there.
    code, text = play(tmp_path, "pitr", node, scratch, pitr_host=scratch.name, **asked)
    elsewhere = Cluster(scratch, cluster.version)
    try:
        assert code == 0, text
        assert elsewhere.psql("SELECT count(*) FROM ledger; SHOW archive_mode") == "100\noff"
        told = " ".join(text.split())
        assert f"It archives nothing, since {scratch.name} is none of the cluster's servers." in told
        assert "Take a new backup now" not in told
        assert (
            "does not exist" in cluster.node.exec(["psql", "-c", "TABLE ledger"], user="postgres", check=False).stderr
        )
    finally:
        elsewhere.drop()
    # What is wrong with the backups is written down where they are taken.
    scratch.write(PROOFS, ledger.found_damaged(last))
    latest: dict[str, Any] = {"pitr_host": node.name, "pitr_target": "latest", "pitr_running_server": "stop"}
    kept: dict[str, Any] = {"backup_repository_host": scratch.name}
    for more in (kept, dict[str, Any]()):
        code, text = play(tmp_path, "pitr", node, scratch, check=True, **latest, **more)
        assert (code != 0) == bool(more), text
        assert (f"needs WAL segment {last}" in " ".join(text.split())) == bool(more), text
    scratch.exec(["rm", PROOFS])
    # Then in place, where the server that runs takes a word.
    asked["pitr_host"] = node.name
    code, text = play(tmp_path, "pitr", node, check=True, **asked)
    assert code != 0
    assert "with stop_last it serves until" in text
    asked["pitr_running_server"] = "stop"
    code, text = play(tmp_path, "pitr", node, check=True, **asked)
    assert code == 0, text
    assert ledger.files() == ["main"]
    code, text = play(tmp_path, "pitr", node, **asked)
    assert code == 0, text
    assert "it followed timeline 1 and is on 2" in " ".join(text.split())
    [old] = ledger.aside
    assert old in text
    assert "It archives as the cluster, since no other server of the cluster serves." in " ".join(text.split())
    assert cluster.psql("SELECT count(*) FROM ledger; SHOW archive_mode") == "100\non"
    code, text = play(tmp_path, "pitr", node, **asked)
    assert code == 0, text
    assert changes(text) == {}
    told = " ".join(text.split())
    assert "as an earlier run recovered it, and nothing was done now" in told
    assert "Take a new backup now" not in told


def test_there_is_no_second_primary(ledger: Backed, scratch: Node, tmp_path: Path) -> None:
    """A member that takes writes, or is under a program that may have it do so, is found before anything is changed."""
    cluster, node = ledger.cluster, ledger.node
    ledger.backup()
    ledger.archived()
    members: dict[str, Any] = {"postgres_hosts": [node.name, scratch.name]}
    books: dict[str, dict[str, Any]] = {
        "pitr": {"pitr_host": node.name, "pitr_target": "latest", "pitr_running_server": "stop"},
        "emergency_restore": {"emergency_host": node.name},
    }
    rival = Cluster.create(scratch)
    try:
        for book, asked in books.items():
            code, text = play(tmp_path, book, node, scratch, **members, **asked)
            told = " ".join(text.split())
            assert code != 0, text
            assert f"{scratch.name} takes writes as primary of {STANZA}" in told
            assert f"({next(iter(asked))}={scratch.name})" in told
    finally:
        rival.drop()
    scratch.exec(["install", "-m", "0755", "/bin/sleep", "/usr/local/bin/patroni"])
    scratch.exec(["systemd-run", "--quiet", "--collect", "--unit=other", "/usr/local/bin/patroni", "600"])
    try:
        for book, asked in books.items():
            code, text = play(tmp_path, book, node, scratch, **members, **asked)
            assert code != 0, text
            assert f"Patroni runs on {scratch.name} and may make another member primary" in " ".join(text.split())
    finally:
        scratch.exec(["systemctl", "stop", "other"])
    assert cluster.accepts_connections()
    assert ledger.files() == ["main"]
    # One that is down is no rival.
    code, text = play(tmp_path, "emergency_restore", node, scratch, check=True, **members, **books["emergency_restore"])
    assert code == 0, text
    assert f"{scratch.name} could not be asked" not in text


def test_who_comes_through_a_pooler_waits_and_goes_on(ledger: Backed, scratch: Node, tmp_path: Path) -> None:
    """Also when the restore fails; and what leads elsewhere is left alone."""
    cluster, node = ledger.cluster, ledger.node
    ledger.backup()
    cluster.psql("INSERT INTO ledger (who) VALUES (1)")
    ledger.archived()
    pooled(cluster, scratch)
    question = {"name": "ledger", "query": "SELECT count(*) >= 101 FROM ledger"}
    cases: list[tuple[str, dict[str, Any], list[str]]] = [
        ("emergency_restore", {"emergency_checks": [{**question, "query": "SELECT false"}]}, ["PAUSE", "RESUME"]),
        ("emergency_restore", {"emergency_checks": [question]}, ["PAUSE", "RESUME"]),
        # It was done, so that nobody had to wait.
        ("emergency_restore", {"emergency_checks": [question]}, []),
        ("pitr", {"pitr_target": "latest", "pitr_running_server": "stop", "pitr_again": True}, ["PAUSE", "RESUME"]),
        # Refused before anybody had to wait.
        ("pitr", {"pitr_target": "lsn", "pitr_value": "FF/0", "pitr_running_server": "stop"}, []),
        ("pitr", {"pitr_target": "time", "pitr_value": "2020-01-01T00:00:00Z", "pitr_running_server": "stop"}, []),
    ]
    failing = (0, 4, 5)
    for number, (book, asked, commands) in enumerate(cases):
        ours = {f"{book.partition('_')[0]}_host": node.name, "postgres_poolers": [scratch.name], **asked}
        code, text = play(tmp_path, book, node, scratch, check=True, **ours)
        assert (code != 0) == (number in (4, 5)), text
        assert commands_of(scratch) == [], text
        code, text = play(tmp_path, book, node, scratch, **ours)
        assert (code != 0) == (number in failing), text
        assert commands_of(scratch) == commands, text
        if number:
            assert through(scratch, "INSERT INTO ledger (who) VALUES (7) RETURNING 42") == "42"
        else:
            # The server that was stopped stays so, and clients are told.
            assert cluster.accepts_connections() is False


def test_nobody_is_let_onto_damage_who_was_not_asked(ledger: Backed, scratch: Node, tmp_path: Path) -> None:
    """It is in the backup already, so that the restore brings it back."""
    cluster, node = ledger.cluster, ledger.node
    cluster.psql("CREATE TABLE parent (n int PRIMARY KEY); CREATE TABLE child (n int REFERENCES parent)")
    cluster.psql("SET session_replication_role = replica; INSERT INTO child VALUES (7)")
    ledger.backup()
    ledger.archived()
    pooled(cluster, scratch)
    asked: dict[str, Any] = {"emergency_host": node.name, "postgres_poolers": [scratch.name]}
    code, text = play(tmp_path, "emergency_restore", node, scratch, check=True, **asked)
    assert code == 0, text
    for commands in (["PAUSE"], []):
        # The second run finds it restored, and damaged as before.
        code, text = play(tmp_path, "emergency_restore", node, scratch, **asked)
        told = " ".join(text.split())
        assert code != 0, text
        assert "was restored and is corrupt (child_n_fkey on child)" in told
        assert f"Clients of postgres still wait on {scratch.name}, since {node.name} is restored and corrupt" in told
        assert commands_of(scratch) == commands, text
    # They are let on by who has seen it; it is damaged all the same.
    code, text = play(tmp_path, "emergency_restore", node, scratch, emergency_onto_damage=True, **asked)
    assert code != 0, text
    assert commands_of(scratch) == ["RESUME"], text
    assert "still wait on" not in text
    assert through(scratch, "TABLE child") == "7"


def test_a_pooler_that_was_left_paused_or_is_down(ledger: Backed, scratch: Node, tmp_path: Path) -> None:
    ledger.backup()
    ledger.archived()
    pooled(ledger.cluster, scratch)
    inside.install(scratch)
    wish = {"state": "paused", "lead_to": [ledger.node.ip]}
    assert inside.run(scratch, "pgbouncer_pools", wish, user="root").result["changed"]
    asked: dict[str, Any] = {"emergency_host": ledger.node.name, "postgres_poolers": [scratch.name]}
    code, text = play(tmp_path, "emergency_restore", ledger.node, scratch, **asked)
    assert code == 0, text
    assert through(scratch, "SELECT 42") == "42"
    # Nobody comes through one that cannot be reached; the restore does not wait for it.
    # Neither does it for a disk that has no room for the logs.
    ledger.node.exec(["sh", "-c", "dd if=/dev/zero of=/small/full bs=1M status=none || true"])
    again = {**asked, "emergency_again": True, "emergency_keep": "/small/kept"}
    code, text = play(tmp_path, "emergency_restore", ledger.node, scratch, away=scratch, **again)
    assert code == 0, text
    assert "not kept for lack of room" in text
    assert ledger.cluster.psql("SELECT count(*) FROM ledger") == "100"


POOLER_INI = """\
[databases]
postgres = host={host} port=5432 dbname=postgres user=postgres password='{password}'
elsewhere = host=192.0.2.1 port=5432
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = 6432
unix_socket_dir = /var/run/postgresql
pidfile = /var/run/postgresql/pgbouncer.pid
logfile = /var/log/postgresql/pgbouncer.log
auth_type = any
pool_mode = transaction
server_login_retry = 1
"""


def pooled(cluster: Cluster, pooler: Node) -> None:
    text = POOLER_INI.format(host=cluster.node.ip, password=cluster.password)
    pooler.write("/etc/pgbouncer/pgbouncer.ini", text, owner="postgres:postgres", mode="0640")
    pooler.exec(["rm", "-f", "/var/log/postgresql/pgbouncer.log"])
    pooler.exec(["systemctl", "restart", "pgbouncer.service"])


def commands_of(pooler: Node) -> list[str]:
    """What PgBouncer was told since it was last asked for that, in order; a pool that leads elsewhere is none of it."""
    log = "/var/log/postgresql/pgbouncer.log"
    lines = pooler.exec(["cat", log]).stdout.splitlines()
    pooler.exec(["truncate", "--size=0", log])
    told = [line.split("LOG ", 1)[1].split() for line in lines if "command issued" in line]
    assert {words[1].strip("'") for words in told} <= {"postgres"}, told
    return [words[0] for words in told]


def through(pooler: Node, sql: str) -> str:
    argv = ["psql", "-XAtq", "-h", "127.0.0.1", "-p", "6432", "-U", "anybody", "-d", "postgres", "-c", sql]
    return pooler.exec(argv, user="postgres").stdout.strip()


def test_a_drill_is_held_elsewhere_and_told_at_home(ledger: Backed, scratch: Node, tmp_path: Path) -> None:
    ledger.backup()
    ledger.cluster.psql("INSERT INTO ledger (who) VALUES (1)")
    ledger.archived()
    share(ledger, scratch)
    nodes = (ledger.node, scratch)
    code, text = play(tmp_path, "drill", *nodes, drill_host=ledger.node.name, drill_cluster=STANZA)
    assert code != 0
    assert "name one host that is none of" in text
    asked: dict[str, Any] = {"drill_host": scratch.name, "drill_cluster": STANZA, "drill_report_dir": str(tmp_path)}
    code, text = play(tmp_path, "drill", *nodes, check=True, **asked)
    assert code == 0, text
    assert "Nothing speaks against a drill here" in text
    code, text = play(tmp_path, "drill", *nodes, **asked)
    assert code == 0, text
    assert "RTO was" in text
    assert len(list(tmp_path.glob("drill-*.html"))) == 1
    state = f"/var/lib/runbook-postgres/drill-{STANZA}.json"
    assert json.loads(ledger.node.exec(["cat", state]).stdout)["passed"]
    # While a production node is down, whether the scratch is that one is for a person to say.
    code, text = play(tmp_path, "drill", *nodes, away=ledger.node, **asked)
    assert code != 0
    assert f"{ledger.node.name} did not say which machine it is" in " ".join(text.split())
    assert "RTO was" not in text
    code, text = play(tmp_path, "drill", *nodes, away=ledger.node, drill_unasked=True, **asked)
    assert code == 0, text
    assert "Held without knowing which machine" in text
    assert "RTO was" in text
    # So is the host that keeps the repositories, which takes the backups.
    keeper = Node.start(f"keeper{scratch.release}", scratch.release)
    try:
        asked |= {"drill_rto_minutes": 0, "backup_repository_host": keeper.name}
        code, text = play(tmp_path, "drill", *nodes, keeper, **asked)
        assert code != 0
        assert "RTO was" in text
        assert "objective is 0.0 s" in text
        for node in (ledger.node, keeper):
            assert not json.loads(node.exec(["cat", state]).stdout)["passed"]
    finally:
        keeper.stop()
