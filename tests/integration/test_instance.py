"""Instances, settings and their role, on nodes of each release: one with PostgreSQL, one where it is yet to come."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._cluster.topology import decide
from ansible_collections.runbook.postgres.plugins.module_utils._instance.tuning import (
    DISKS,
    GB,
    MB,
    WORKLOADS,
    read_machine,
    tuned,
)
from lab.clusters import Cluster
from lab.images import release
from lab.nodes import Node
from tests.integration import inside
from tests.integration.converge import Converged, converge, host_variables, role
from tests.integration.inside import Ended, Interrupt

NUMBERS = {"shared_buffers": "32MB", "max_connections": 30}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "debian" in metafunc.fixturenames:
        numbers = [int(word) for word in str(metafunc.config.getoption("--releases")).split(",")]
        metafunc.parametrize("debian", numbers, ids=[f"debian{number}" for number in numbers], scope="module")


@dataclass(frozen=True)
class Host:
    """A node, its modules and its one instance as an outsider sees them."""

    node: Node
    version: int

    @property
    def cluster(self) -> Cluster:
        return Cluster(self.node, self.version)

    @property
    def file(self) -> str:
        return f"{self.cluster.config_directory}/conf.d/runbook.conf"

    def call(self, module: str, *, check: bool = False, die: Interrupt | None = None, **options: Any) -> Ended:
        arguments = {"version": self.version, **options}
        return inside.run(self.node, module, arguments, check=check, die=die, user="root")

    def instance(self, *, check: bool = False, **options: Any) -> dict[str, Any]:
        return told(self.call("pg_instance", check=check, **options))

    def settings(self, settings: dict[str, Any], *, check: bool = False, **options: Any) -> dict[str, Any]:
        return told(self.call("pg_settings", check=check, settings=settings, **options))

    def foretold(self, settings: dict[str, Any]) -> dict[str, Any]:
        """A run that said beforehand what it would do, and that leaves nothing to do."""
        check, run = self.settings(settings, check=True), self.settings(settings)
        for name in ("changed", "diff", "touched", "reset", "pending_restart"):
            assert check[name] == run[name], name
        again = self.settings(settings, check=True)
        assert (again["changed"], again["diff"]) == (False, [])
        assert again["pending_restart"] == run["pending_restart"]
        return run

    @property
    def task(self) -> str:
        """What preflight makes of it for a cluster whose first primary it is to be."""
        seen = told(self.call("pg_node_facts"))["ansible_facts"]["pg_node"]
        found = decide({"name": "orders", "first_primary": "a", "nodes": {"a": seen}})
        assert found["refusals"] == []
        return str(found["nodes"]["a"]["task"])

    def read(self, path: str) -> str:
        return self.node.exec(["cat", path]).stdout

    def show(self, name: str) -> str:
        return self.cluster.psql(f"SHOW {name}")

    def clear(self) -> None:
        """No instance, whatever half of one a test left."""
        version = str(self.version)
        self.node.exec(["systemctl", "stop", self.cluster.unit], check=False)
        for path in (f"/etc/postgresql/{version}", f"/var/lib/postgresql/{version}", "/srv/pg"):
            self.node.exec(["rm", "-rf", path])
        script = "rm -f /etc/postgresql-common/runbook-unfinished-* /var/log/postgresql/*.log"
        self.node.exec(["sh", "-c", script])
        self.node.exec(["systemctl", "reset-failed", self.cluster.unit], check=False)


def told(ended: Ended) -> dict[str, Any]:
    assert ended.code == 0, ended.text
    result = dict(ended.result)
    # Ansible wraps them; only the words matter here.
    result["warnings"] = [
        each if isinstance(each, str) else each["event"]["msg"] for each in result.get("warnings", [])
    ]
    return result


@pytest.fixture(scope="module")
def host(debian: int) -> Iterator[Host]:
    node = Node.start(f"instance{debian}", debian)
    try:
        inside.install(node)
        yield Host(node, node.postgresql)
    finally:
        node.stop()


@pytest.fixture
def empty(host: Host) -> Host:
    host.clear()
    return host


@pytest.fixture
def started(host: Host) -> Host:
    """An instance that runs with nothing but NUMBERS, made once and put back where a test began."""
    if not host.cluster.accepts_connections():
        host.clear()
        host.instance()
        host.settings(NUMBERS)
        host.instance(started=True)
    host.cluster.psql("ALTER SYSTEM RESET ALL")
    host.settings(NUMBERS)
    if host.settings(NUMBERS)["pending_restart"]:
        host.cluster.restart()
    return host


def test_an_instance_is_made_started_and_stopped_as_foretold(empty: Host) -> None:
    for options, steps in (({}, ["create"]), ({"started": True}, ["start"]), ({"started": False}, ["stop"])):
        check, run = empty.instance(check=True, **options), empty.instance(**options)
        for name in ("changed", "diff", "steps"):
            assert check[name] == run[name]
        assert [each.split()[0] for each in run["steps"]] == steps
        again = empty.instance(check=True, **options)
        assert (again["changed"], again["warnings"]) == (False, [])
    directory = empty.cluster.config_directory
    assert empty.node.exec(["cat", f"{directory}/start.conf"]).stdout.splitlines()[-1] == "auto"
    # As pg_createcluster makes them for an operator, whatever our own umask.
    listed = empty.node.exec(["stat", "-c", "%U %a", f"{directory}/..", directory, f"{directory}/conf.d"]).stdout
    assert set(listed.splitlines()) == {"postgres 755"}


def test_a_new_instance_has_what_was_asked_for(empty: Host) -> None:
    options: dict[str, Any] = {
        "data_directory": "/srv/pg/data",
        "wal_directory": "/srv/pg/wal",
        "port": 5444,
        "started": True,
    }
    empty.instance(**options)
    cluster = Cluster(empty.node, empty.version, port=5444)
    query = "SELECT current_setting('data_checksums'), datcollate, pg_encoding_to_char(encoding)"
    assert cluster.psql(f"{query} FROM pg_database WHERE datname = 'template1'") == "on|C.UTF-8|UTF8"
    assert cluster.psql("SHOW data_directory") == "/srv/pg/data"
    assert empty.node.exec(["readlink", "/srv/pg/data/pg_wal"]).stdout.strip() == "/srv/pg/wal"
    assert empty.node.exec(["stat", "-c", "%U %a", "/srv/pg/data", "/srv/pg/wal"]).stdout.split("\n")[:2] == [
        "postgres 700",
        "postgres 700",
    ]
    again = empty.instance(**options)
    assert (again["changed"], again["warnings"]) == (False, [])
    assert "not moved" in empty.call("pg_instance", data_directory="/srv/other").failure


def test_what_differs_and_cannot_be_changed_is_told(empty: Host) -> None:
    empty.instance(checksums=False, encoding="LATIN1", locale="C", started=True)
    result = empty.instance()
    assert result["changed"] is False
    assert [re.search("checksums|encoding|locale", each)[0] for each in result["warnings"]] == [  # type: ignore[index]
        "checksums",
        "encoding",
        "locale",
    ]


def test_a_disk_that_is_not_mounted_is_waited_for(empty: Host) -> None:
    empty.node.exec(["sh", "-c", "echo 'UUID=none /var/lib/postgresql ext4 defaults 0 2' > /etc/fstab"])
    for check in (True, False):
        assert "mount /var/lib/postgresql" in empty.call("pg_instance", check=check).failure
    empty.node.exec(["truncate", "--size=0", "/etc/fstab"])
    empty.instance()


def test_data_that_nobody_claims_are_left(empty: Host) -> None:
    empty.instance()
    empty.node.exec(["rm", "-rf", empty.cluster.config_directory])
    for check in (True, False):
        assert "no instance of this host claims" in empty.call("pg_instance", check=check).failure
    empty.node.exec(["test", "-e", f"{empty.cluster.data_directory}/PG_VERSION"])
    empty.clear()
    empty.node.exec(["install", "-d", f"{empty.cluster.data_directory}/photos"])
    assert "photos" in empty.call("pg_instance").failure


PUT = "ansible_collections.runbook.postgres.plugins.module_utils._instance.make:put"
RUN = "ansible_collections.runbook.postgres.plugins.module_utils._instance.make:run"
BOOT = "ansible_collections.runbook.postgres.plugins.module_utils._instance.make:_start_at_boot"


@pytest.mark.parametrize(
    "moment", [Interrupt((PUT,), 1), Interrupt((RUN,), 1), Interrupt((BOOT,), 1), Interrupt((PUT,), 2)], ids=str
)
def test_a_killed_run_is_finished_by_the_next(empty: Host, moment: Interrupt) -> None:
    assert empty.call("pg_instance", die=moment).killed
    # It is whole once it starts at boot; before that preflight has it made anew.
    assert empty.task == ("primary" if moment == Interrupt((PUT,), 2) else "bootstrap")
    check, run = empty.instance(check=True, started=True), empty.instance(started=True)
    assert (check["steps"], check["diff"]) == (run["steps"], run["diff"])
    assert empty.cluster.accepts_connections()
    assert empty.node.exec(["sh", "-c", "ls /etc/postgresql-common | grep unfinished"], check=False).stdout == ""
    assert empty.instance(started=True)["changed"] is False


@pytest.mark.parametrize("seconds", ["0.15", "0.4", "0.7"])
def test_a_half_made_instance_is_made_again(empty: Host, seconds: str) -> None:
    """The programs themselves killed, as by a power cut."""
    script = f"""#!/bin/sh
setsid /usr/bin/pg_createcluster "$@" &
group=$!
sleep {seconds}
kill -s KILL -- -$group && exit 9
wait $group
"""
    empty.node.write("/usr/local/bin/pg_createcluster", script, mode="0755")
    try:
        first = empty.call("pg_instance")
    finally:
        empty.node.exec(["rm", "/usr/local/bin/pg_createcluster"])
    if first.code == 0:
        pytest.skip("it was faster than the kill")
    assert "could not be made" in first.failure
    assert empty.task == "bootstrap"
    assert empty.instance(started=True)["changed"] is True
    assert empty.show("data_checksums") == "on"


def test_one_that_is_kept_from_starting_is_not_started(empty: Host) -> None:
    empty.instance()
    path = f"{empty.cluster.config_directory}/start.conf"
    empty.node.exec(["sed", "-i", "s/^auto/manual/", path])
    assert "keeps it from starting" in empty.call("pg_instance", started=True).failure
    assert empty.instance()["changed"] is False


def test_a_server_that_does_not_start_is_told_with_its_words(empty: Host) -> None:
    empty.instance()
    empty.node.write(f"{empty.cluster.config_directory}/conf.d/zz.conf", "shared_preload_libraries = 'nope'\n")
    assert "nope" in empty.call("pg_instance", started=True).failure


AWKWARD = {
    "log_line_prefix": "it's \\ ü 表 %m|",
    "cluster_name": "a b",
    "search_path": '"it\'s", public',
    "log_lock_waits": True,
    "log_rotation_size": 0,
    "DateStyle": "ISO, DMY",
    "archive_command": "cp '%p' \"/a b/%f\"",
    "archive_cleanup_command": "rm '%r' \"/a b\"",
}


def test_settings_of_a_stopped_server_wait_for_its_start(empty: Host) -> None:
    empty.instance()
    result = empty.foretold({**NUMBERS, **AWKWARD})
    assert (result["running"], result["pending_restart"]) == (False, [])
    empty.instance(started=True)
    assert {name: empty.show(name) for name in AWKWARD} == {
        **AWKWARD,
        "log_lock_waits": "on",
        "log_rotation_size": "0",
        # The server shows this as long as it archives nothing.
        "archive_command": "(disabled)",
    }
    assert empty.foretold({**NUMBERS, **AWKWARD})["changed"] is False
    assert empty.node.exec(["stat", "-c", "%U:%G %a", empty.file]).stdout.strip() == "postgres:postgres 640"


def test_overrides_of_a_stopped_server_are_taken_out_of_their_file(started: Host) -> None:
    started.cluster.psql("ALTER SYSTEM SET work_mem = '33MB'; ALTER SYSTEM SET jit = off")
    started.cluster.stop()
    result = started.foretold({**NUMBERS, "work_mem": "8MB"})
    assert result["reset"] == ["work_mem"]
    started.cluster.start()
    assert (started.show("work_mem"), started.show("jit")) == ("8MB", "off")


def test_what_means_the_same_is_no_change(started: Host) -> None:
    started.settings({**NUMBERS, "work_mem": "1GB", "log_checkpoints": True})
    before = started.read(started.file)
    same = {"SHARED_BUFFERS": 4096, "max_connections": "30", "work_mem": "1024MB", "log_checkpoints": "yes"}
    for check in (True, False):
        result = started.settings(same, check=check)
        assert (result["changed"], result["diff"]) == (False, [])
    assert started.read(started.file) == before


def test_one_setting_changed_by_hand_is_all_that_is_shown(started: Host) -> None:
    started.settings({**NUMBERS, "work_mem": "8MB"})
    started.node.exec(["sed", "-i", "s/8MB/9MB/", started.file])
    result = started.foretold({**NUMBERS, "work_mem": "8MB"})
    assert result["touched"] == ["work_mem"]
    [told_] = result["diff"]
    pairs = zip(told_["before"].splitlines(), told_["after"].splitlines())
    assert [pair for pair in pairs if pair[0] != pair[1]] == [("work_mem = '9MB'", "work_mem = '8MB'")]
    assert started.show("work_mem") == "8MB"


def test_alter_system_is_undone_for_what_is_ours_and_nothing_else(started: Host) -> None:
    started.settings({**NUMBERS, "work_mem": "8MB"})
    started.cluster.psql("ALTER SYSTEM SET work_mem = '33MB'; ALTER SYSTEM SET jit = off; SELECT pg_reload_conf()")
    result = started.foretold({**NUMBERS, "work_mem": "8MB"})
    [told_] = result["diff"]
    assert (told_["before"], told_["after"], result["reset"]) == ("work_mem = '33MB'\n", "", ["work_mem"])
    assert (started.show("work_mem"), started.show("jit")) == ("8MB", "off")


def test_a_setting_that_is_no_longer_named_leaves(started: Host) -> None:
    started.settings({**NUMBERS, "work_mem": "8MB", "log_temp_files": 0})
    assert started.foretold({**NUMBERS, "log_temp_files": None})["touched"] == ["log_temp_files", "work_mem"]
    assert (started.show("work_mem"), started.show("log_temp_files")) == ("4MB", "-1")


RESTARTS: list[tuple[dict[str, Any], list[str]]] = [
    ({"max_connections": 40}, ["max_connections"]),
    ({"max_connections": 40, "wal_level": "logical", "work_mem": "9MB"}, ["max_connections", "wal_level"]),
    ({"max_connections": 30, "work_mem": "9MB"}, []),
    ({"shared_buffers": "32768kB"}, []),
    # Left out, so that postgresql.conf's own counts again, which is another than what runs.
    ({"max_connections": None, "shared_buffers": None}, ["max_connections", "shared_buffers"]),
    ({"max_wal_senders": 10}, []),
    ({"track_activity_query_size": "2kB"}, ["track_activity_query_size"]),
]


@pytest.mark.parametrize(("settings", "pending"), RESTARTS)
def test_what_waits_for_a_restart_is_foretold_and_told(
    started: Host, settings: dict[str, Any], pending: list[str]
) -> None:
    began = started.cluster.psql("SELECT pg_postmaster_start_time()")
    result = started.foretold({**NUMBERS, **settings})
    assert result["pending_restart"] == pending
    assert any("restart" in each for each in result["warnings"]) == bool(pending)
    assert started.cluster.psql("SELECT pg_postmaster_start_time()") == began
    back = started.foretold(NUMBERS)
    assert back["pending_restart"] == [name for name in pending if name not in NUMBERS]


BAD = [
    ({"work_mem": "lots"}, "work_mem"),
    ({"no_such_setting": 1}, "no_such_setting"),
    ({"synchronous_standby_names": "ANY 9 (("}, "synchronous_standby_names"),
    ({"wal_level": "most"}, "wal_level"),
    ({"max_connections": 2}, "max_connections"),
    ({"ssl": True, "ssl_cert_file": "/nowhere/node.crt"}, "/nowhere/node.crt"),
]


@pytest.mark.parametrize(("settings", "word"), BAD)
def test_a_bad_setting_is_refused_and_the_old_file_stays(started: Host, settings: dict[str, Any], word: str) -> None:
    before = started.read(started.file)
    for check in (True, False):
        if check and "ssl" in settings:
            # Certificates may be what an earlier task of the same run brings.
            continue
        failure = started.call("pg_settings", check=check, settings={**NUMBERS, **settings}).failure
        assert word in failure
    assert started.read(started.file) == before


def test_what_only_the_running_server_refuses_is_put_back(started: Host) -> None:
    """A placeholder of an extension that the server has loaded and its program on its own does not know."""
    started.cluster.psql("LOAD 'auto_explain'")
    started.settings({**NUMBERS, "session_preload_libraries": "auto_explain"})
    started.settings({**NUMBERS, "shared_preload_libraries": "auto_explain"})
    started.cluster.restart()
    before = started.read(started.file)
    wanted = {**NUMBERS, "shared_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "soon"}
    failure = started.call("pg_settings", settings=wanted).failure
    assert "auto_explain.log_min_duration" in failure
    assert "is back as it was" in failure
    assert started.read(started.file) == before
    assert started.cluster.psql("SELECT count(*) FROM pg_file_settings WHERE error IS NOT NULL") == "0"
    started.settings(NUMBERS)
    started.cluster.restart()


SETTINGS_PUT = "ansible_collections.runbook.postgres.plugins.module_utils._instance.manage_settings:put"
RESET = "ansible_collections.runbook.postgres.plugins.module_utils._instance.live:reset"
RELOAD = "ansible_collections.runbook.postgres.plugins.module_utils._instance.live:reload"


@pytest.mark.parametrize("place", [SETTINGS_PUT, RESET, RELOAD])
def test_a_killed_write_is_finished_by_the_next(started: Host, place: str) -> None:
    started.settings({**NUMBERS, "work_mem": "8MB"})
    started.cluster.psql("ALTER SYSTEM SET log_temp_files = 5; SELECT pg_reload_conf()")
    wanted = {**NUMBERS, "work_mem": "9MB", "log_temp_files": 0}
    assert started.call("pg_settings", settings=wanted, die=Interrupt((place,))).killed
    assert started.foretold(wanted)["changed"] is True
    assert (started.show("work_mem"), started.show("log_temp_files")) == ("9MB", "0")


def test_another_file_counts_and_one_that_counts_more_is_told(started: Host) -> None:
    started.settings({"work_mem": "7MB"}, file="replication")
    assert started.show("work_mem") == "7MB"
    started.settings({**NUMBERS, "work_mem": "8MB"})
    [sentence] = started.settings({"work_mem": "7MB"}, file="replication")["warnings"]
    assert "runbook.conf" in sentence
    started.settings({}, file="replication")


def test_a_file_that_would_not_be_read_is_refused(started: Host) -> None:
    path = f"{started.cluster.config_directory}/postgresql.conf"
    started.node.exec(["sed", "-i", "s/^include_dir/#include_dir/", path])
    try:
        assert "does not read conf.d" in started.call("pg_settings", settings=NUMBERS).failure
    finally:
        started.node.exec(["sed", "-i", "s/^#include_dir = 'conf.d'/include_dir = 'conf.d'/", path])


def test_every_tuning_is_accepted(started: Host) -> None:
    """All workloads and disks, on the smallest machine and on large ones, by this release's own program."""
    sizes = [(128 * MB, 1, GB), (4 * GB, 2, None), (1024 * GB, 128, 50_000 * GB)]
    for memory, cores, disk in sizes:
        for workload in WORKLOADS:
            for kind in DISKS:
                machine = read_machine({"memory_bytes": memory, "cores": cores, "disk_bytes": disk}, kind)
                for connections in (5, 100, 10000) if (workload, kind) == ("oltp", "ssd") else (100,):
                    started.settings(tuned(machine, workload, connections, started.version), check=True)


def test_a_server_starts_with_the_tuning_of_a_small_machine(empty: Host) -> None:
    machine = read_machine({"memory_bytes": 256 * MB, "cores": 1, "disk_bytes": 4 * GB}, "hdd")
    settings = tuned(machine, "insert_heavy", 50, empty.version)
    empty.instance()
    empty.settings(settings)
    empty.instance(started=True)
    assert empty.settings(settings)["changed"] is False
    assert empty.show("shared_buffers") == "64MB"


def test_a_restart_is_made_when_something_waits_and_only_then(started: Host) -> None:
    assert told(started.call("pg_restart"))["changed"] is False
    started.settings({**NUMBERS, "max_connections": 44})
    check, run = told(started.call("pg_restart", check=True)), told(started.call("pg_restart"))
    assert (check["changed"], check["diff"]) == (run["changed"], run["diff"]) == (True, run["diff"])
    assert run["waiting"] == {"max_connections": {"running": "30", "wanted": "44"}}
    assert started.show("max_connections") == "44"
    assert told(started.call("pg_restart"))["changed"] is False


def test_a_server_that_would_not_start_again_is_not_stopped(started: Host) -> None:
    started.settings({**NUMBERS, "max_connections": 44})
    path = f"{started.cluster.config_directory}/conf.d/zz.conf"
    started.node.write(path, "work_mem = nonsense\n")
    try:
        assert "not stopped" in started.call("pg_restart").failure
        assert started.cluster.accepts_connections()
    finally:
        started.node.exec(["rm", path])


ROLE = "runbook.postgres.provision"
Play = Callable[..., Converged]


@pytest.fixture(scope="module")
def bare(debian: int) -> Iterator[Node]:
    node = Node.start(f"bare{debian}", debian, bare=True)
    try:
        yield node
    finally:
        node.stop()


@pytest.fixture
def play(bare: Node, tmp_path: Path) -> Play:
    def run(*, check: bool = False, ok: bool = True, **variables: Any) -> Converged:
        values = {"provision_tls": False, "provision_memory_bytes": 512 * MB, **variables}
        return converge(
            {bare.name: host_variables(bare)},
            tmp_path,
            role(ROLE, "packages", "instance", "start", **values),
            check=check,
            ok=ok,
        )

    return run


def test_the_role_brings_a_bare_host_up_as_foretold(bare: Node, play: Play, debian: int) -> None:
    """From nothing to a server, and everything that may come to pass afterwards."""
    variables = {"provision_locales": ["de_DE.UTF-8"], "provision_locale": "de_DE.UTF-8"}
    check, run = play(check=True, **variables), play(**variables)
    assert check.outcomes == run.outcomes
    assert len(run.changes) == 6
    for again in (play(**variables), play(check=True, **variables)):
        assert again.changes == []
    cluster = Cluster(bare, release(debian).postgresql)
    assert cluster.psql("SHOW data_checksums; SHOW shared_buffers; SHOW password_encryption").split() == [
        "on",
        "128MB",
        "scram-sha-256",
    ]
    assert cluster.psql("SELECT datcollate FROM pg_database WHERE datname = 'template1'") == "de_DE.UTF-8"
    assert bare.exec(["pg_lsclusters", "-h"]).stdout.count("\n") == 1

    # A later package makes no instance either, and the package's own configuration has arrived.
    assert "add_include_dir" in bare.exec(["cat", "/etc/postgresql-common/createcluster.conf"]).stdout

    # One setting by hand, and one by ALTER SYSTEM, are exactly what is shown.
    bare.exec(
        ["sed", "-i", "s/^max_wal_size = .*/max_wal_size = '77MB'/", f"{cluster.config_directory}/conf.d/runbook.conf"]
    )
    cluster.psql("ALTER SYSTEM SET jit = off; ALTER SYSTEM SET random_page_cost = 9; SELECT pg_reload_conf()")
    check, run = play(check=True, **variables), play(**variables)
    assert check.outcomes == run.outcomes
    assert [name.split(" : ")[-1] for name in run.changes] == ["Have its settings"]
    told_ = check.task("Have its settings").diff
    assert "77MB" in told_[0]["before"]
    assert "random_page_cost = '9'" in told_[1]["before"]
    assert play(**variables).changes == []

    # A restart is asked for, not made; a bad value changes nothing.
    began = cluster.psql("SELECT pg_postmaster_start_time()")
    run = play(**variables, provision_max_connections=50)
    assert "max_connections" in run.task("Have its settings").result["pending_restart"]
    assert cluster.psql("SELECT pg_postmaster_start_time()") == began
    refused = play(**variables, provision_settings={"work_mem": "lots"}, ok=False)
    assert "work_mem" in refused.failures[0]
    refused = play(**variables, provision_tls=True, ok=False)
    assert "/etc/ssl/postgres/node.crt" in refused.failures[0]
