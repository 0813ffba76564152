"""From bare hosts to a cluster, what a dry run said of it, and what a second run finds to do.

The tests are one story, in this order, on the same nodes: building a cluster for each would take hours.
"""

from __future__ import annotations

from typing import Any

import psycopg2
import pytest

from lab.waiting import wait_until
from tests.site.conftest import PASSWORDS, POOLER, SERVERS, Site
from tests.site.hiding import found, told
from tests.site.playing import Run, first_difference

NOTHING_DIFFERS: list[tuple[str, str, str]] = []


@pytest.fixture(scope="module")
def foretold(site: Site) -> Run:
    return site.play("--check", "--diff")


@pytest.fixture(scope="module")
def built(site: Site, foretold: Run) -> Run:  # noqa: ARG001 - the dry run comes first
    return site.play("--diff")


def test_a_dry_run_on_bare_hosts_completes(foretold: Run) -> None:
    assert foretold.returncode == 0, foretold.failures or foretold.output


@pytest.mark.usefixtures("foretold")
def test_a_dry_run_changes_nothing(site: Site) -> None:
    for node in site.nodes.values():
        left = node.exec(["sh", "-c", "ls -d /etc/postgresql /etc/pgbouncer /etc/ssl/postgres"], check=False)
        assert not left.stdout


def test_the_run_does_what_the_dry_run_said(foretold: Run, built: Run) -> None:
    assert built.returncode == 0, built.failures or built.output
    assert foretold.told() == built.told(), first_difference(foretold.told(), built.told())


@pytest.mark.usefixtures("built")
def test_one_primary_streams_to_two_standbys(site: Site) -> None:
    assert site.psql(SERVERS[0], "SELECT pg_is_in_recovery()") == "f"
    sql = "SELECT application_name, state FROM pg_stat_replication ORDER BY 1"
    assert site.psql(SERVERS[0], sql).splitlines() == ["site_pg2|streaming", "site_pg3|streaming"]
    for name in SERVERS[1:]:
        assert site.psql(name, "SELECT pg_is_in_recovery()") == "t"
        assert site.psql(name, "SELECT status FROM pg_stat_wal_receiver") == "streaming"


@pytest.mark.usefixtures("built")
def test_pages_carry_checksums(site: Site) -> None:
    assert site.psql(SERVERS[2], "SHOW data_checksums") == "on"


@pytest.mark.usefixtures("built")
def test_replication_is_encrypted(site: Site) -> None:
    sql = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_replication USING (pid)"
    assert site.psql(SERVERS[0], sql) == "t"


@pytest.mark.usefixtures("built")
def test_a_second_run_changes_nothing(site: Site) -> None:
    again = site.play("--diff")
    assert again.returncode == 0, again.failures
    assert again.changed == []


@pytest.mark.usefixtures("built")
def test_a_dry_run_of_the_finished_cluster_is_silent(site: Site) -> None:
    again = site.play("--check", "--diff")
    assert again.returncode == 0, again.failures
    assert again.changed == []
    assert again.differences() == NOTHING_DIFFERS


@pytest.mark.usefixtures("built")
def test_a_setting_altered_by_hand_is_all_that_is_shown(site: Site) -> None:
    site.psql(SERVERS[0], "ALTER SYSTEM SET log_min_duration_statement = '7s'; SELECT pg_reload_conf()")
    seen = site.play("--check", "--diff")
    assert {host for host, _, _ in seen.differences()} == {SERVERS[0]}
    assert all("log_min_duration_statement" in line for _, _, line in seen.differences())
    mended = site.play("--diff")
    assert mended.told() == seen.told(), first_difference(mended.told(), seen.told())
    assert mended.differences() == seen.differences()
    assert site.psql(SERVERS[0], "SHOW log_min_duration_statement") == "2s"


@pytest.mark.usefixtures("built")
def test_a_changed_variable_is_all_that_is_shown(site: Site) -> None:
    settings = {**site.variables["provision_settings"], "log_min_duration_statement": "3s"}
    site.write(provision_settings=settings)
    seen = site.play("--check", "--diff")
    assert {host for host, _, _ in seen.differences()} == set(SERVERS)
    assert all("log_min_duration_statement" in line for _, _, line in seen.differences())
    done = site.play("--diff")
    assert done.told() == seen.told(), first_difference(done.told(), seen.told())
    assert done.differences() == seen.differences()
    assert [site.psql(name, "SHOW log_min_duration_statement") for name in SERVERS] == ["3s"] * 3
    site.variables["provision_settings"] = settings


@pytest.mark.usefixtures("built")
def test_what_was_stopped_by_hand_runs_again_as_foretold(site: Site) -> None:
    site.nodes[SERVERS[2]].exec(["systemctl", "stop", "postgresql@15-main"])
    site.nodes[POOLER].exec(["systemctl", "stop", "pgbouncer"])
    seen, done = site.play("--check", "--diff"), site.play("--diff")
    assert done.returncode == 0, done.failures
    assert done.told() == seen.told(), first_difference(done.told(), seen.told())
    assert done.differences() == seen.differences()
    assert {place.rpartition(" / ")[2] for place in done.changed} == {SERVERS[2], POOLER}
    assert site.psql(SERVERS[2], "SELECT status FROM pg_stat_wal_receiver") == "streaming"
    assert site.nodes[POOLER].exec(["systemctl", "is-active", "pgbouncer"]).stdout.strip() == "active"


@pytest.mark.usefixtures("built")
def test_one_node_alone_may_be_named(site: Site) -> None:
    alone = site.play("--diff", "--limit", SERVERS[1])
    assert alone.returncode == 0, alone.failures
    assert alone.changed == []
    assert {each.host for each in alone.of("ok")} == {SERVERS[1]}


@pytest.mark.usefixtures("built")
def test_a_setting_that_takes_a_restart_waits_for_it(site: Site) -> None:
    began = site.psql(SERVERS[0], "SELECT pg_postmaster_start_time()")
    settings = {**site.variables["provision_settings"], "max_connections": 70}
    site.write(provision_settings=settings)
    assert site.play().returncode == 0
    assert site.psql(SERVERS[0], "SHOW max_connections") == "60"
    assert site.psql(SERVERS[0], "SELECT pg_postmaster_start_time()") == began
    site.variables["provision_settings"] = settings


@pytest.mark.usefixtures("built")
def test_the_restart_leaves_the_primary_unless_told(site: Site) -> None:
    assert site.play(playbook="runbook.postgres.restart").returncode == 0
    assert [site.psql(name, "SHOW max_connections") for name in SERVERS] == ["60", "70", "70"]


@pytest.mark.usefixtures("built")
def test_the_restart_takes_the_primary_when_told(site: Site) -> None:
    assert site.play(playbook="runbook.postgres.restart", restart_primary=True).returncode == 0
    assert [site.psql(name, "SHOW max_connections") for name in SERVERS] == ["70"] * 3
    assert site.play().changed == []


@pytest.mark.usefixtures("built")
def test_what_is_lowered_keeps_no_standby_from_starting(site: Site) -> None:
    """Until the primary has restarted it runs with more, and a standby that boots meanwhile has to have as much."""
    site.write(provision_settings={**site.variables["provision_settings"], "max_connections": 65})
    assert site.play().returncode == 0
    site.nodes[SERVERS[1]].exec(["systemctl", "restart", "postgresql@15-main"])
    streams = "SELECT status FROM pg_stat_wal_receiver"
    wait_until("it streams", lambda: site.psql(SERVERS[1], streams) == "streaming", bound=60)
    assert site.psql(SERVERS[1], "SHOW max_connections") == "70"
    site.write()
    assert site.play().returncode == 0
    assert site.play().changed == []


def test_no_password_is_readable_anywhere(site: Site, built: Run) -> None:
    """Neither in what the run said, nor in any file, log or journal: also not after it became another."""
    new = 'l\'hiver "à venir"'
    app, *others = site.variables["provision_roles"]
    site.write(provision_roles=[{**app, "password": new}, *others])
    rotated = site.play("--diff")
    assert rotated.returncode == 0, rotated.failures
    (place,) = rotated.changed
    assert place.endswith(f"Roles / {SERVERS[0]}")
    assert refusal(site, new) == ""
    assert "authentication failed" in refusal(site, PASSWORDS["app"])
    for password in (*PASSWORDS.values(), new):
        assert not told(password, built.output + rotated.output)
        assert {name: found(password, node) for name, node in site.nodes.items()} == {name: [] for name in site.nodes}


def refusal(site: Site, password: str) -> str:
    """Why app is not let in through the pooler; nothing when it is."""
    where: dict[str, Any] = {
        "host": site.nodes[POOLER].ip,
        "port": 6432,
        "dbname": "shop",
        "user": "app",
        "sslmode": "require",
    }
    try:
        psycopg2.connect(**where, password=password, connect_timeout=10).close()
    except psycopg2.OperationalError as error:
        return str(error)
    return ""


@pytest.mark.usefixtures("built")
def test_the_servers_would_have_told(site: Site) -> None:
    """They keep a log of statements, and it is looked into: what is not hidden is found."""
    site.psql(SERVERS[0], "ALTER ROLE reading PASSWORD 'qu''on le \"voie\"'")
    shown = found('qu\'on le "voie"', site.nodes[SERVERS[0]])
    assert [path for path in shown if path.startswith("/var/log/postgresql/")]


@pytest.mark.usefixtures("built")
def test_no_private_file_is_readable_by_others(site: Site) -> None:
    for name, node in site.nodes.items():
        places = ["/etc/ssl/postgres", "/etc/pgbouncer"] if name == POOLER else ["/etc/ssl/postgres"]
        found = node.exec(["find", *places, "-type", "f", "!", "-name", "*.crt", "-perm", "/o=r"])
        assert found.stdout == ""
