"""Applications that know a service or one address, and no hosts, find whoever takes writes.

The tests are one story, in this order, on the same nodes. The pooler's node is the application's host as well.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from lab import networks
from lab.waiting import wait_until
from tests.site.conftest import PASSWORDS, VARIABLES, Site, booted
from tests.site.failing_over import frozen
from tests.site.handing_over import SWITCHOVER, primaries
from tests.site.playing import first_difference
from tests.site.reaching import CLIENTS, FILE, SERVICES, TAKES_WRITES, THEIRS, asked, holders, prepared

FIRST_ADDRESS = 111
OLD, NEW, APP = "cl-pg1", "cl-pg2", "cl-pool1"
ADDRESS = networks.address(201)
OWN = {APP: {"client_services": SERVICES}}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    nodes = booted([OLD, NEW, APP], FIRST_ADDRESS, bare=False)
    site = Site(tmp_path_factory.mktemp("clients"), nodes, dict(VARIABLES), [OLD, NEW], APP, FIRST_ADDRESS)
    site.write(OWN, virtual_ip_address=f"{ADDRESS}/24")
    prepared(nodes[APP])
    foreseen = site.play("--check", "--diff")
    done = site.play("--diff")
    assert done.returncode == 0, done.failures or done.output
    assert foreseen.told() == done.told(), first_difference(foreseen.told(), done.told())
    yield site
    for node in nodes.values():
        node.stop()


def by_address(site: Site) -> str:
    """As an application that can know one address only, and verifies whom it finds there."""
    words = f"host={ADDRESS} dbname=shop user=app sslmode=verify-full connect_timeout=2"
    words += " sslrootcert=/etc/postgresql-common/runbook-shop.crt"
    done = site.nodes[APP].exec(["psql", "-XAtq", "-w", "-d", words, "-c", "SELECT pg_is_in_recovery()"], check=False)
    return done.stdout.strip() or done.stderr.strip()


def leads_to(site: Site, name: str) -> bool:
    return asked(site.nodes[APP], "shop", TAKES_WRITES) == f"{site.nodes[name].ip}|f"


def test_services_are_written_beside_those_of_others(cluster: Site) -> None:
    app = cluster.nodes[APP]
    foreseen = cluster.play("--check", "--diff", playbook=CLIENTS, client_hosts=APP)
    assert foreseen.returncode == 0, foreseen.failures or foreseen.output
    assert app.exec(["cat", FILE]).stdout == THEIRS
    done = cluster.play("--diff", playbook=CLIENTS, client_hosts=APP)
    assert done.returncode == 0, done.failures or done.output
    assert foreseen.told() == done.told(), first_difference(foreseen.told(), done.told())
    assert foreseen.differences() == done.differences()
    text = app.exec(["cat", FILE]).stdout
    assert text.startswith(THEIRS)
    assert PASSWORDS["app"] not in text
    assert "password" not in text
    again = cluster.play("--diff", playbook=CLIENTS, client_hosts=APP)
    assert again.returncode == 0, again.failures
    assert again.changed == []


def test_each_leads_to_its_kind(cluster: Site) -> None:
    app = cluster.nodes[APP]
    assert leads_to(cluster, OLD)
    assert asked(app, "shop pooled", "SELECT pg_is_in_recovery()") == "f"
    odd = "SELECT pg_is_in_recovery(), current_setting('application_name'), current_setting('statement_timeout')"
    assert asked(app, "Läden [reads", odd) == 't|it\'s "read" = #1|7min'
    assert by_address(cluster) == "f"
    assert holders(cluster, ADDRESS) == [OLD]


def test_after_a_switchover_they_lead_elsewhere(cluster: Site) -> None:
    before = cluster.nodes[APP].exec(["cat", FILE]).stdout
    done = cluster.play(playbook=SWITCHOVER, switchover_to=NEW)
    assert done.returncode == 0, done.failures or done.output
    assert primaries(cluster) == [NEW]
    wait_until("the address is at the new primary", lambda: holders(cluster, ADDRESS) == [NEW], bound=60)
    assert leads_to(cluster, NEW)
    wait_until("the application is there", lambda: by_address(cluster) == "f", bound=30)
    assert asked(cluster.nodes[APP], "shop pooled", "SELECT pg_is_in_recovery()") == "f"
    assert cluster.nodes[APP].exec(["cat", FILE]).stdout == before
    for book in ("runbook.postgres.site", CLIENTS):
        again = cluster.play("--diff", playbook=book, client_hosts=APP)
        assert again.returncode == 0, again.failures
        assert again.changed == []


def test_while_nobody_takes_writes_nobody_has_the_address(cluster: Site, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.nodes[NEW].exec(["systemctl", "kill", "--signal=SIGKILL", "postgresql@15-main"])
    cluster.nodes[NEW].exec(["systemctl", "stop", "postgresql@15-main"])
    wait_until("nobody has it", lambda: holders(cluster, ADDRESS) == [], bound=60)
    assert "session is read-only" in asked(cluster.nodes[APP], "shop", TAKES_WRITES)
    # Where no standby is left readers have the primary, and here no primary is left.
    assert asked(cluster.nodes[APP], "Läden [reads", TAKES_WRITES) == f"{cluster.nodes[OLD].ip}|t"
    assert by_address(cluster) != "f"

    began = time.monotonic()
    cluster.psql(OLD, "SELECT pg_promote()")
    wait_until("a service leads to the promoted one", lambda: leads_to(cluster, OLD), bound=60)
    by_service = time.monotonic() - began
    wait_until("the address does", lambda: by_address(cluster) == "f", bound=60)
    address = time.monotonic() - began
    with capsys.disabled():
        print(f"\n  promoted by hand: found by service after {by_service:.1f} s, by address {address:.1f} s")
    assert holders(cluster, ADDRESS) == [OLD]


def test_one_that_is_kept_stopped_does_not_have_it_after_a_boot(cluster: Site) -> None:
    """The old primary would take writes if it were started."""
    cluster.nodes[NEW].exec(["sh", "-c", "echo disabled > /etc/postgresql/15/main/start.conf"])
    cluster.nodes[NEW].exec(["systemctl", "restart", "keepalived.service"])
    time.sleep(5)
    assert holders(cluster, ADDRESS) == [OLD]
    cluster.nodes[NEW].exec(["sh", "-c", "echo auto > /etc/postgresql/15/main/start.conf"])
    back = cluster.play(playbook="runbook.postgres.rejoin", rejoin_host=NEW)
    assert back.returncode == 0, back.failures or back.output


def test_a_primary_that_hangs_is_left_for_the_next(cluster: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Its kernel still takes connections, and nobody answers them."""
    with frozen(cluster.nodes[OLD]):
        cluster.psql(NEW, "SELECT pg_promote()")
        began = time.monotonic()
        assert leads_to(cluster, NEW)
        by_service = time.monotonic() - began
        wait_until("the address is at the other", lambda: by_address(cluster) == "f", bound=60)
        with capsys.disabled():
            print(f"\n  beside one that hangs: connected by service within {by_service:.1f} s")
        assert ADDRESS in cluster.nodes[NEW].exec(["hostname", "-I"]).stdout.split()
    cluster.nodes[OLD].exec(["systemctl", "stop", "postgresql@15-main"])
    wait_until("it lets the address go", lambda: holders(cluster, ADDRESS) == [NEW], bound=60)


def test_what_was_set_up_is_taken_away(cluster: Site) -> None:
    back = cluster.play(playbook="runbook.postgres.rejoin", rejoin_host=OLD)
    assert back.returncode == 0, back.failures or back.output
    cluster.write({APP: {"client_services": []}}, virtual_ip_address="")
    for book in ("runbook.postgres.site", CLIENTS):
        foreseen = cluster.play("--check", "--diff", playbook=book, client_hosts=APP)
        done = cluster.play("--diff", playbook=book, client_hosts=APP)
        assert done.returncode == 0, done.failures or done.output
        assert foreseen.told() == done.told(), first_difference(foreseen.told(), done.told())
        assert cluster.play("--diff", playbook=book, client_hosts=APP).changed == []
    assert cluster.nodes[APP].exec(["cat", FILE]).stdout == THEIRS
    assert holders(cluster, ADDRESS) == []
    for name in (OLD, NEW):
        left = cluster.nodes[name].exec(["ls", "/etc/keepalived"]).stdout.split()
        assert not {"keepalived.conf", "runbook-takes-writes"} & set(left)


def test_what_cannot_be_is_refused_before_anything_is_changed(cluster: Site) -> None:
    cluster.write(OWN, virtual_ip_address=f"{networks.address(FIRST_ADDRESS)}/24")
    refused = cluster.play()
    assert f"which is the address of {OLD}: choose one that no host has" in " ".join(refused.failures)
    assert refused.changed == []
    cluster.write(OWN, virtual_ip_address=f"{ADDRESS}/24")
    cluster.nodes[NEW].write("/etc/keepalived/keepalived.conf", "global_defs {\n}\n")
    refused = cluster.play()
    assert "is not of this role's making" in refused.failure(NEW)
    assert refused.changed == []
    cluster.nodes[APP].write(FILE, THEIRS + "[shop]\nhost=192.0.2.1\n")
    refused = cluster.play(playbook=CLIENTS, client_hosts=APP)
    assert "has a service 'shop' already that somebody else wrote" in refused.failure(APP)
    assert refused.changed == []
