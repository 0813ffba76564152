"""Somebody promoted a standby by hand: the next run takes the servers' word for it."""

from __future__ import annotations

import pytest

from lab.waiting import wait_until
from tests.site.conftest import POOLER, SERVERS, Site

OLD, NEW, THIRD = SERVERS


@pytest.fixture(scope="module")
def cluster(site: Site) -> Site:
    built = site.play()
    assert built.returncode == 0, built.failures or built.output
    return site


def test_the_new_primary_is_taken_as_it_is(cluster: Site) -> None:
    cluster.nodes[OLD].exec(["systemctl", "stop", "postgresql@15-main"])
    cluster.psql(NEW, "SELECT pg_promote()")
    wait_until(
        "the third follows the new primary by itself",
        lambda: cluster.psql(NEW, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == "1",
        bound=60,
    )
    run = cluster.play("--diff")
    assert OLD in run.failure(OLD)
    assert "runbook.postgres.rejoin" in run.failure(OLD)
    touched = {place.rpartition(" / ")[2] for place in run.changed}
    assert touched <= {POOLER}, run.changed
    assert cluster.psql(NEW, "SELECT pg_is_in_recovery()") == "f"


def test_the_pooler_follows(cluster: Site) -> None:
    text = cluster.nodes[POOLER].exec(["cat", "/etc/pgbouncer/pgbouncer.ini"]).stdout
    pools = {line.partition(" ")[0]: line for line in text.splitlines() if line.startswith("shop")}
    assert cluster.nodes[NEW].ip in pools["shop"]
    # Not the old primary, which is no standby either.
    assert cluster.nodes[THIRD].ip in pools["shop_ro"]
    assert cluster.play("--limit", f"!{OLD}").changed == []


def test_two_primaries_are_not_touched(cluster: Site) -> None:
    cluster.nodes[OLD].exec(["systemctl", "start", "postgresql@15-main"])
    settings = {**cluster.variables["provision_settings"], "log_min_duration_statement": "9s"}
    cluster.write(provision_settings=settings)
    refused = cluster.play()
    cluster.write()
    cluster.nodes[OLD].exec(["systemctl", "stop", "postgresql@15-main"])
    assert refused.returncode != 0
    assert refused.changed == []
    said = " ".join(refused.failures)
    assert OLD in said
    assert NEW in said
    assert "Traceback" not in refused.output


def test_the_old_one_comes_back_when_it_is_named(cluster: Site) -> None:
    old, rejoin = cluster.nodes[OLD], {"playbook": "runbook.postgres.rejoin", "rejoin_host": OLD}
    # As whoever stopped it for good would have left it.
    old.exec(["sh", "-c", "echo manual > /etc/postgresql/15/main/start.conf"])
    foreseen = cluster.play("--check", "--diff", **rejoin)
    assert foreseen.returncode == 0, foreseen.failures or foreseen.output
    run = cluster.play("--diff", **rejoin)
    assert run.returncode == 0, run.failures or run.output
    # Which slots it has, nobody says while it is down; a rewinding leaves none.
    assert [place for place in run.changed if "Have a slot for each other member" not in place] == foreseen.changed
    wait_until(
        "both stream from the new primary",
        lambda: cluster.psql(NEW, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == "2",
        bound=60,
    )
    kept = old.exec(["sh", "-c", "ls -d /var/lib/postgresql/15/main.diverged-*"]).stdout.strip()
    [said] = [each.message for each in run.outcomes if "nobody else has" in each.message]
    assert kept in said
    assert old.exec(["cat", "/etc/postgresql/15/main/start.conf"]).stdout == "auto\n"
    again = cluster.play("--diff")
    assert again.returncode == 0, again.failures
    assert again.changed == []
