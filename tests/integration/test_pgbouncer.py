"""The role pgbouncer as an outsider sees it: who gets in, where to, and that nobody notices a change."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from lab.nodes import Node
from lab.waiting import wait_until
from tests.integration import inside, pools
from tests.integration.conftest import releases
from tests.integration.poolers import PORT, TLS, Authority, Scene, build

INI = "/etc/pgbouncer/pgbouncer.ini"
WHERE = "SELECT host(inet_server_addr())"
ODD = 'it\'s "odd" =1'


# What PgBouncer's versions do differently; the rest is asked of one of them.
EVERYWHERE = {
    "test_users_of_the_database_get_in_by_their_password",
    "test_those_who_may_not_are_refused",
    "test_the_console_is_not_for_users",
    "test_each_pool_leads_where_it_should",
    "test_only_what_was_asked_for_is_open",
    "test_a_reload_drops_nobody",
    "test_clients_of_a_paused_pool_wait_and_go_on",
    "test_what_takes_a_restart_waits_for_clients_to_go",
    "test_a_renewed_certificate_is_taken_up",
    "test_a_certificate_of_role_tls_is_taken_up",
    "test_limits_of_users",
    "test_one_database_for_all_lookups",
    "test_several_processes",
    "test_another_number_of_processes_waits_and_the_primary_does_not",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    everywhere = metafunc.function.__name__ in EVERYWHERE
    wanted = [release for release in releases(metafunc.config) if everywhere or release == 12]
    if "scene" in metafunc.fixturenames:
        names = [f"debian{release}" for release in wanted]
        metafunc.parametrize("scene", wanted, ids=names, indirect=True, scope="module")


@pytest.fixture(scope="module")
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A cluster with its pooler, as the role leaves it."""
    place = tmp_path_factory.mktemp("poolers")
    made = build(request.param, place)
    foreseen = made.lookup(place, "--check")
    assert made.lookup(place).changes == foreseen.changes
    foreseen = made.run(place, "--check")
    done = made.run(place)
    assert done.code == 0, done.output
    assert done.changes == foreseen.changes
    yield made
    for node in (made.primary.node, made.standby.node, made.pooler):
        node.stop()


@pytest.fixture
def usual(scene: Scene, tmp_path: Path) -> Iterator[Scene]:
    """The scene, put back afterwards."""
    yield scene
    assert scene.run(tmp_path).code == 0


def major(scene: Scene) -> int:
    return scene.pooler.release


def test_a_second_run_changes_and_shows_nothing(scene: Scene, tmp_path: Path) -> None:
    for options in ((), ("--check", "--diff")):
        for run in (scene.lookup(tmp_path, *options), scene.run(tmp_path, *options)):
            assert run.code == 0, run.output
            assert not run.changed
            assert not any(entry.get("before") != entry.get("after") for entry in differences(run.last()))


def test_users_of_the_database_get_in_by_their_password(scene: Scene) -> None:
    assert scene.ask("SELECT current_user") == "app"
    assert scene.pooler.exec(["cat", "/etc/pgbouncer/userlist.txt"]).stdout == ""
    assert "authentication failed" in scene.refusal(password="wrong")


@pytest.mark.parametrize("user", ["boss", "mover", "expired", "nobody", "pgbouncer"])
def test_those_who_may_not_are_refused(scene: Scene, user: str) -> None:
    assert re.search("no such user|authentication failed", scene.refusal(user=user))


def test_without_tls_nobody_is_served(scene: Scene) -> None:
    assert re.search("SSL required|TLS required", scene.refusal(sslmode="disable", sslrootcert=None))


@pytest.mark.parametrize("user", ["app", "pgbouncer", "nobody", "postgres"])
def test_the_console_is_not_for_users(scene: Scene, user: str) -> None:
    """And asking for it does no harm: with auth_user in the wrong place it ended PgBouncer 1.15 to 1.18."""
    before = scene.console("SHOW VERSION")
    assert re.search("not allowed|authentication failed|no such user", scene.refusal("pgbouncer", user))
    assert scene.console("SHOW VERSION") == before
    assert scene.ask("SELECT 1") == 1


def test_each_pool_leads_where_it_should(scene: Scene) -> None:
    assert scene.ask(WHERE, "shop") == scene.addresses["db1"]
    assert scene.ask(WHERE, "shop_ro") == scene.addresses["db2"]
    assert scene.ask("SELECT pg_is_in_recovery()", "shop_ro") is True


def test_servers_see_tls(scene: Scene) -> None:
    sql = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE client_addr IS NOT NULL"
    assert scene.ask("SELECT 1") == 1
    assert scene.primary.psql(sql) == "t"


def test_only_what_was_asked_for_is_open(scene: Scene) -> None:
    lines = scene.pooler.exec(["ss", "-Hltn"]).stdout.splitlines()
    assert {line.split()[3] for line in lines} == {f"127.0.0.1:{PORT}", f"{scene.addresses['pooler']}:{PORT}"}


def test_files_are_for_postgres_only(scene: Scene) -> None:
    for path in (INI, "/etc/pgbouncer/userlist.txt"):
        assert scene.pooler.exec(["stat", "-c", "%U:%G %a", path]).stdout.strip() == "postgres:postgres 640"


def test_the_lookup_answers_nobody_else(scene: Scene) -> None:
    answer = scene.primary.psql("SET ROLE app; SELECT * FROM pgbouncer.user_lookup('app')", "shop", check=False)
    assert answer == ""
    about = "SELECT prosecdef, proconfig, proacl FROM pg_proc WHERE proname = 'user_lookup'"
    assert scene.primary.psql(about, "shop") == (
        't|{"search_path=pg_catalog, pg_temp"}|{postgres=X/postgres,pgbouncer=X/postgres}'
    )


def test_a_lookup_that_was_altered_is_made_right(scene: Scene, tmp_path: Path) -> None:
    scene.primary.psql("GRANT EXECUTE ON FUNCTION pgbouncer.user_lookup(text) TO PUBLIC", "shop")
    scene.primary.psql("GRANT ALL ON SCHEMA pgbouncer TO app", "shop")
    foreseen, done = scene.lookup(tmp_path, "--check"), scene.lookup(tmp_path)
    assert foreseen.last()["steps"] == done.last()["steps"] == ["make the lookup in shop"]
    assert not scene.lookup(tmp_path).changed


def test_a_database_whose_name_is_odd(usual: Scene, tmp_path: Path) -> None:
    databases = [{"name": "shop"}, {"name": ODD, "pool": "odd"}]
    assert usual.lookup(tmp_path, pgbouncer_databases=databases).code == 0
    assert usual.run(tmp_path, pgbouncer_databases=databases).code == 0
    assert usual.ask("SELECT current_database()", "odd") == ODD
    refused = usual.run(tmp_path, pgbouncer_databases=[{"name": ODD}])
    assert refused.code != 0
    assert "another name for its pool" in refused.last()["msg"]


def test_a_reload_drops_nobody(usual: Scene, tmp_path: Path) -> None:
    with usual.connect() as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
        with traffic(usual) as failures:
            done = usual.run(tmp_path, pgbouncer_default_pool_size=30)
            assert done.last()["steps"] == [f"replace {INI}", "reload pgbouncer.service"]
            again = usual.run(tmp_path, pgbouncer_default_pool_size=30)
            assert not again.changed
        assert failures == []
        cursor.execute("SELECT pg_backend_pid()")
        assert cursor.fetchone() == (pid,)
        cursor.execute("COMMIT")
    assert "\ndefault_pool_size|30|" in usual.console("SHOW CONFIG")


def test_the_write_pool_follows_the_primary(usual: Scene, tmp_path: Path) -> None:
    """Here the servers change their roles on paper only: where a pool leads is what counts."""
    with usual.connect("shop_ro") as connection, connection.cursor() as cursor:
        cursor.execute(WHERE)
        moved = usual.run(tmp_path, postgres_topology=usual.topology(primary="db2", read_hosts=["db1"]))
        assert "reload pgbouncer.service" in moved.last()["steps"]
        assert usual.ask(WHERE, "shop") == usual.addresses["db2"]
        cursor.execute(WHERE)
        assert cursor.fetchone() == (usual.addresses["db1"],)


def test_readers_go_to_the_primary_when_no_standby_serves(usual: Scene, tmp_path: Path) -> None:
    done = usual.run(tmp_path, postgres_topology=usual.topology(read_hosts=[]))
    assert "No standby is in service" in str(done.last()["warnings"])
    assert usual.ask(WHERE, "shop_ro") == usual.addresses["db1"]


def test_a_setting_changed_by_hand_is_shown_and_put_back(scene: Scene, tmp_path: Path) -> None:
    scene.pooler.exec(["sed", "-i", "s/^max_client_conn.*/max_client_conn = 7/", INI])
    run = scene.run(tmp_path, "--check", "--diff")
    (shown,) = differences(run.last())
    before, after = (set(shown[side].splitlines()) for side in ("before", "after"))
    assert (before - after, after - before) == ({"max_client_conn = 7"}, {"max_client_conn = 200"})
    assert scene.run(tmp_path).changes == run.changes
    assert not scene.run(tmp_path).changed


def test_what_only_runs_otherwise_is_reloaded(scene: Scene, tmp_path: Path) -> None:
    """A run that was killed between writing and reloading leaves this behind."""
    scene.console("SET max_client_conn = 9")
    run = scene.run(tmp_path)
    assert run.last()["steps"] == ["reload pgbouncer.service"]
    assert "max_client_conn|200" in scene.console("SHOW CONFIG")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"bogus": 1}, "bogus"),
        ({"auth_type": "trustworthy"}, "auth_type"),
        ({"client_tls_protocols": "tlsv9"}, "protocol"),
        ({"max_client_conn": "many"}, "whole number"),
    ],
)
def test_what_pgbouncer_refuses_changes_nothing(
    scene: Scene, tmp_path: Path, settings: dict[str, Any], reason: str
) -> None:
    before = scene.pooler.exec(["cat", INI]).stdout
    for options in ((), ("--check",)):
        run = scene.run(tmp_path, *options, pgbouncer_settings=settings)
        assert run.code != 0
        assert reason in run.last()["msg"], run.last()["msg"]
    assert scene.pooler.exec(["cat", INI]).stdout == before
    assert scene.ask("SELECT 1") == 1


def test_what_takes_a_restart_waits_for_clients_to_go(usual: Scene, tmp_path: Path) -> None:
    listening = ["127.0.0.1", usual.addresses["pooler"], "127.0.0.2"]
    with usual.connect() as connection, connection.cursor() as cursor:
        waiting = usual.run(tmp_path, pgbouncer_listen_addresses=listening)
        assert waiting.last()["pending_restart"] == ["pgbouncer.service: listen_addr"]
        again = usual.run(tmp_path, "--check", pgbouncer_listen_addresses=listening)
        assert not again.changed
        assert again.last()["pending_restart"] == ["pgbouncer.service: listen_addr"]
        cursor.execute("SELECT 1")
    wait_until("nobody is connected", lambda: "|app|" not in usual.console("SHOW CLIENTS"))
    foreseen = usual.run(tmp_path, "--check", pgbouncer_listen_addresses=listening)
    done = usual.run(tmp_path, pgbouncer_listen_addresses=listening)
    assert done.last()["steps"] == foreseen.last()["steps"] == ["restart pgbouncer.service for listen_addr"]
    assert "127.0.0.2:6432" in usual.pooler.exec(["ss", "-Hltn"]).stdout


def test_a_renewed_certificate_is_taken_up(usual: Scene, tmp_path: Path) -> None:
    place = usual.ca.parent
    Authority(place).equip(usual.pooler, "pooler", usual.addresses["pooler"])
    done = usual.run(tmp_path)
    assert done.changed
    assert done.last()["pending_restart"] == []
    assert usual.ask("SELECT 1") == 1
    assert (
        serial(usual, place)
        in usual.pooler.exec(["openssl", "x509", "-noout", "-serial", "-in", f"{TLS}/node.crt"]).stdout
    )
    assert not usual.run(tmp_path).changed


def test_a_certificate_of_role_tls_is_taken_up(usual: Scene, tmp_path: Path) -> None:
    """Role tls has the running pooler reload its files; one that takes up certificates at its start only, role
    pgbouncer restarts."""
    place = usual.ca.parent
    before = serial(usual, place)
    with usual.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        foreseen, done = usual.tls(tmp_path, "--check"), usual.tls(tmp_path)
        assert (foreseen.code, done.code) == (0, 0), foreseen.output + done.output
        assert done.changes == foreseen.changes
        assert dict(done.tasks)["runbook.postgres.tls : Keep the node's certificate"]["reloaded"] == [
            "pgbouncer.service"
        ]
        cursor.execute("SELECT 2")
        assert cursor.fetchone() == (2,)
    assert not usual.tls(tmp_path).changed
    wait_until("nobody is connected", lambda: "|app|" not in usual.console("SHOW CLIENTS"))
    assert usual.run(tmp_path).last()["pending_restart"] == []
    assert serial(usual, place) != before
    assert usual.ask("SELECT 1") == 1
    assert not usual.run(tmp_path).changed


def test_a_reload_that_is_not_taken_is_taken_back(usual: Scene, tmp_path: Path) -> None:
    """Somebody has the pooler read another file: what is written does not become what runs."""
    drop_in = "/etc/systemd/system/pgbouncer.service.d/other.conf"
    usual.pooler.exec(["cp", "-p", INI, "/etc/pgbouncer/other.conf"])
    usual.pooler.exec(["install", "-d", str(Path(drop_in).parent)])
    usual.pooler.write(drop_in, "[Service]\nExecStart=\nExecStart=/usr/sbin/pgbouncer /etc/pgbouncer/other.conf\n")
    before = usual.pooler.exec(["cat", INI]).stdout
    try:
        usual.pooler.exec(["systemctl", "daemon-reload"])
        usual.pooler.exec(["systemctl", "restart", "pgbouncer.service"])
        done = usual.run(tmp_path, pgbouncer_default_pool_size=31)
        assert done.code != 0
        assert "was reloaded and does not run with the new configuration" in done.last()["msg"]
        assert usual.pooler.exec(["cat", INI]).stdout == before
        assert usual.ask("SELECT 1") == 1
    finally:
        usual.pooler.exec(["rm", "-r", str(Path(drop_in).parent), "/etc/pgbouncer/other.conf"])
        usual.pooler.exec(["systemctl", "daemon-reload"])
        usual.pooler.exec(["systemctl", "restart", "pgbouncer.service"])
    assert not usual.run(tmp_path).changed


def test_clients_of_a_paused_pool_wait_and_go_on(usual: Scene, tmp_path: Path) -> None:
    databases = [{"name": "shop"}, {"name": ODD, "pool": "Odd-1.x"}]
    assert usual.lookup(tmp_path, pgbouncer_databases=databases).code == 0
    assert usual.run(tmp_path, pgbouncer_databases=databases).code == 0
    inside.install(usual.pooler)
    primary = usual.addresses["db1"]
    with usual.connect() as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN; SELECT 1")
        foreseen = pools.have(usual, "paused", primary, check=True)
        assert pools.paused(usual) == []
        done = pools.have(usual, "paused", primary, limit=1)
        assert done.result["diff"] == foreseen.result["diff"]
        assert done.result["pools"] == foreseen.result["pools"]
        # Whoever reads from the standby is not kept from it.
        assert sorted(pools.paused(usual)) == sorted(done.result["pools"]) == ["Odd-1.x", "shop"]
        assert "still has transactions under way" in str(done.result["warnings"])
        assert not pools.have(usual, "paused", primary).result["changed"]
        assert usual.ask("SELECT 1", "shop_ro") == 1
        with pools.waiting(usual) as answers:
            cursor.execute("COMMIT")
            assert answers == []
            assert not pools.have(usual, "resumed", usual.addresses["db2"]).result["changed"]
            assert pools.have(usual, "resumed", primary).result["changed"]
        assert answers == [42]
    assert pools.paused(usual) == []
    assert not pools.have(usual, "resumed", primary).result["changed"]


def test_only_what_was_paused_by_us_goes_on(usual: Scene) -> None:
    """Also when the run that paused it was killed."""
    inside.install(usual.pooler)
    addresses = usual.addresses["db1"], usual.addresses["db2"]
    usual.console("PAUSE shop")
    try:
        pools.have(usual, "paused", *addresses)
        assert sorted(pools.paused(usual)) == ["shop", "shop_ro"]
        pools.have(usual, "resumed", *addresses)
        assert pools.paused(usual) == ["shop"]
    finally:
        usual.console("RESUME shop")
    for call in (1, 2):
        died = inside.Interrupt(("._pgbouncer.holding:compose",), call)
        assert pools.have(usual, "paused", *addresses, die=died).killed
    assert len(pools.paused(usual)) == 1
    pools.have(usual, "resumed", *addresses)
    assert pools.paused(usual) == []
    assert usual.ask("SELECT 1") == 1


def test_a_pooler_that_somebody_paused_as_a_whole_is_paused_enough(usual: Scene) -> None:
    inside.install(usual.pooler)
    usual.console("PAUSE")
    try:
        done = pools.have(usual, "paused", usual.addresses["db1"])
        assert "paused pgbouncer.service as a whole" in str(done.result["warnings"])
        pools.have(usual, "resumed", usual.addresses["db1"])
        with pools.waiting(usual) as answers:
            assert answers == []
            usual.console("RESUME")
        assert answers == [42]
    finally:
        usual.console("RESUME", check=False)
    assert usual.ask("SELECT 1") == 1


def test_where_no_pgbouncer_runs_nobody_is_held_back(usual: Scene) -> None:
    inside.install(usual.pooler)
    usual.pooler.exec(["systemctl", "stop", "pgbouncer.service"])
    done = pools.have(usual, "paused", usual.addresses["db1"])
    assert (done.code, done.result["changed"]) == (0, False)


def test_figures_for_a_monitoring_agent(usual: Scene, tmp_path: Path) -> None:
    password = usual.passwords["monitoring"]
    logins = [{"name": "monitoring", "password": password}]
    done = usual.run(tmp_path, "--diff", pgbouncer_stats_logins=logins)
    assert done.code == 0, done.output
    assert password not in done.output
    assert "SCRAM-SHA-256$" not in done.output
    assert not usual.run(tmp_path, pgbouncer_stats_logins=logins).changed
    with psycopg2_console(usual, "monitoring") as cursor:
        cursor.execute("SHOW POOLS")
        assert cursor.fetchall()
        with pytest.raises(psycopg2.Error, match="admin"):
            cursor.execute("PAUSE")


def test_limits_of_users(usual: Scene, tmp_path: Path) -> None:
    done = usual.run(tmp_path, pgbouncer_users=[{"name": "app", "max_user_connections": 1}])
    if major(usual) < 13:
        assert "connection limit in PostgreSQL" in done.last()["msg"]
        return
    assert done.code == 0, done.output
    assert usual.ask("SELECT current_user") == "app"


def test_one_database_for_all_lookups(usual: Scene, tmp_path: Path) -> None:
    variables: dict[str, Any] = {"pgbouncer_auth_database": "postgres"}
    if major(usual) < 13:
        assert "needs PgBouncer 1.19" in usual.run(tmp_path, **variables).last()["msg"]
        return
    assert usual.lookup(tmp_path, **variables).code == 0
    assert usual.run(tmp_path, **variables).code == 0
    assert usual.ask("SELECT current_user", "shop_ro") == "app"
    assert "no such user" in usual.refusal(user="boss")


def test_several_processes(usual: Scene, tmp_path: Path) -> None:
    if major(usual) < 13:
        assert "need PgBouncer 1.19" in usual.run(tmp_path, pgbouncer_processes=2).last()["msg"]
        return
    wait_until("nobody is connected", lambda: "|app|" not in usual.console("SHOW CLIENTS"))
    foreseen = usual.run(tmp_path, "--check", pgbouncer_processes=2)
    done = usual.run(tmp_path, pgbouncer_processes=2)
    assert done.code == 0, done.output
    assert done.last()["steps"] == foreseen.last()["steps"]
    assert not usual.run(tmp_path, pgbouncer_processes=2).changed
    for _ in range(8):
        assert usual.ask("SELECT current_user") == "app"
    sizes = [usual.console("SHOW CONFIG", directory=f"/run/pgbouncer/{number}") for number in (1, 2)]
    assert all("max_client_conn|100|" in size and "default_pool_size|12|" in size for size in sizes)
    for _ in range(6):
        cancelled(usual)
    # And back to one.
    wait_until("nobody is connected", lambda: not several_are_busy(usual))
    foreseen, done = usual.run(tmp_path, "--check"), usual.run(tmp_path)
    assert done.code == 0, done.output
    assert done.last()["steps"] == foreseen.last()["steps"]
    assert done.last()["pending_restart"] == []
    assert not usual.run(tmp_path).changed
    assert len(usual.pooler.exec(["pgrep", "-x", "pgbouncer"]).stdout.split()) == 1
    assert "\ndefault_pool_size|25|" in usual.console("SHOW CONFIG")
    assert usual.ask("SELECT current_user") == "app"


def test_another_number_of_processes_waits_and_the_primary_does_not(usual: Scene, tmp_path: Path) -> None:
    """A client that never goes keeps one process from becoming two; after a failover it is on the new primary."""
    if major(usual) < 13:
        pytest.skip("several processes need PgBouncer 1.19")
    two: dict[str, Any] = {"pgbouncer_processes": 2}
    with usual.connect() as connection, connection.cursor() as cursor:
        cursor.execute(WHERE)
        assert cursor.fetchone() == (usual.addresses["db1"],)
        waiting = usual.run(tmp_path, **two)
        assert (waiting.code, waiting.changed) == (0, False)
        assert waiting.last()["pending_restart"] == ["pgbouncer.service: processes"]
        moved = {**two, "postgres_topology": usual.topology(primary="db2", read_hosts=["db1"])}
        foreseen, done = usual.run(tmp_path, "--check", **moved), usual.run(tmp_path, **moved)
        assert done.last()["steps"] == foreseen.last()["steps"] == [f"replace {INI}", "reload pgbouncer.service"]
        assert done.last()["pending_restart"] == ["pgbouncer.service: processes"]
        assert not usual.run(tmp_path, **moved).changed
        cursor.execute(WHERE)
        assert cursor.fetchone() == (usual.addresses["db2"],)
    wait_until("nobody is connected", lambda: "|app|" not in usual.console("SHOW CLIENTS"))
    done = usual.run(tmp_path, **moved)
    assert (done.code, done.last()["pending_restart"]) == (0, []), done.output
    assert usual.ask(WHERE) == usual.addresses["db2"]
    # And the way back waits as well.
    with usual.connect() as connection, connection.cursor() as cursor:
        cursor.execute(WHERE)
        back = usual.run(tmp_path)
        (waits,) = back.last()["pending_restart"]
        assert re.fullmatch("pgbouncer@[12].service: processes", waits)
        cursor.execute(WHERE)
        assert cursor.fetchone() == (usual.addresses["db1"],)
    wait_until("nobody is connected", lambda: not several_are_busy(usual))
    assert usual.run(tmp_path).last()["pending_restart"] == []
    assert usual.ask(WHERE) == usual.addresses["db1"]


def several_are_busy(scene: Scene) -> bool:
    shown = [scene.console("SHOW CLIENTS", directory=f"/run/pgbouncer/{number}") for number in (1, 2)]
    return any("|app|" in clients for clients in shown)


def test_a_bare_host(scene: Scene, tmp_path: Path) -> None:
    """Nothing is installed: what a run does is foreseen task by task."""
    node = Node.start(f"pool{major(scene)}-bare", major(scene), bare=True)
    try:
        variables: dict[str, Any] = {"postgres_address": node.ip}
        foreseen = scene.run(tmp_path, "--check", "--diff", node=node, **variables)
        assert foreseen.code == 0, foreseen.output
        packages = scene.part(tmp_path, "packages", node, **variables)
        assert packages.code == 0, packages.output
        assert node.exec(["ss", "-Hltn"]).stdout == ""
        # What role tls does in between.
        Authority(scene.ca.parent).equip(node, "pooler", node.ip)
        configured = scene.part(tmp_path, "configure", node, **variables)
        assert configured.code == 0, configured.output
        done = {**dict(packages.changes), **dict(configured.changes)}
        assert {name: done[name] for name, _ in foreseen.changes if name in done} == {
            name: changed for name, changed in foreseen.changes if name in done
        }
        assert [changed for _, changed in foreseen.changes][-2:] == [True, True]
        assert scene.ask("SELECT current_user", host=node.ip) == "app"
        assert not scene.run(tmp_path, node=node, **variables).changed
    finally:
        node.stop()


def serial(scene: Scene, place: Path) -> str:
    """Of the certificate that a client is shown."""
    argv = ["openssl", "s_client", "-starttls", "postgres", "-connect", f"{scene.addresses['pooler']}:{PORT}"]
    shown = scene.pooler.exec([*argv, "-CAfile", f"{TLS}/ca.crt"], input="", check=False).stdout
    (place / "shown.crt").write_text(shown)
    return scene.pooler.exec(["openssl", "x509", "-noout", "-serial"], input=shown).stdout.strip()


def cancelled(scene: Scene) -> None:
    """A cancel request may reach either process and has to end the statement all the same."""
    with scene.connect() as connection, connection.cursor() as cursor:
        timer = threading.Timer(0.3, connection.cancel)
        timer.start()
        with pytest.raises(psycopg2.errors.QueryCanceled):
            cursor.execute("SELECT pg_sleep(20)")
        timer.join()


class traffic:  # noqa: N801 - reads as what it is
    """Clients that connect, and clients that stay, until the block ends; what fails is kept."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.failures: list[str] = []
        self.done = threading.Event()
        self.threads = [threading.Thread(target=work) for work in (self.come_and_go, self.stay, self.stay)]

    def __enter__(self) -> list[str]:
        for thread in self.threads:
            thread.start()
        return self.failures

    def __exit__(self, *_: object) -> None:
        self.done.set()
        for thread in self.threads:
            thread.join()

    def come_and_go(self) -> None:
        while not self.done.is_set():
            self.attempt(lambda: self.scene.ask("SELECT 1"))

    def stay(self) -> None:
        with self.scene.connect() as connection, connection.cursor() as cursor:
            while not self.done.is_set():
                self.attempt(lambda: cursor.execute("SELECT 1"))

    def attempt(self, work: Any) -> None:
        # Enough to be in the way of a reload; the machine has other work.
        time.sleep(0.02)
        try:
            work()
        except psycopg2.Error as error:
            self.failures.append(str(error))


class psycopg2_console:  # noqa: N801
    """The console over the network: it knows neither transactions nor settings."""

    def __init__(self, scene: Scene, user: str) -> None:
        self.connection = psycopg2.connect(**scene.parameters("pgbouncer", user))
        self.connection.autocommit = True

    def __enter__(self) -> Any:
        return self.connection.cursor()

    def __exit__(self, *_: object) -> None:
        self.connection.close()


def differences(result: Any) -> list[dict[str, Any]]:
    shown = result.get("diff") or []
    return [entry for entry in (shown if isinstance(shown, list) else [shown]) if entry]
