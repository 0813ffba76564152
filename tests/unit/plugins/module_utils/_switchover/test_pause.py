"""Which pools of a pooler are led elsewhere, and how it is asked whether the new primary takes writes."""

from __future__ import annotations

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._files import File
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.console import Running
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.host import Host
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.layout import Process
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.render import render
from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.versions import NEWEST
from ansible_collections.runbook.postgres.plugins.module_utils._switchover import pause
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.pause import Way

OLD, NEW, OTHER = "10.0.0.11", "10.0.0.12", "10.0.0.13"


def text(**pools: str) -> str:
    lines = {name: {"host": host, "port": "5432", "dbname": name} for name, host in pools.items()}
    return render(lines, {}, {}, {"listen_port": 6432})


def pooler(said: str, **pools: str) -> Host:
    process = Process()
    settings = {
        "listen_port": ("6432", False),
        "server_tls_sslmode": ("verify-full", True),
        "server_tls_ca_file": ("/etc/ssl/postgres/ca.crt", True),
    }
    running = Running(settings, {name: {"host": host, "database": name} for name, host in pools.items()})
    files = {process.ini: File(process.ini, said.encode())}
    return Host("/usr/sbin/pgbouncer", NEWEST, files, running={process: running})


@pytest.mark.parametrize("old", [(OLD,), (OTHER, OLD), (OLD, OTHER)])
def test_all_that_lead_to_one_of_these_lead_to_the_new_one(old: tuple[str, ...]) -> None:
    pools = {"shop": OLD, "shop_ro": OTHER, "tea": OLD}
    (found,) = pause.repointings(pooler(text(**pools), **pools), old, NEW)
    led = {name: NEW if host in old else host for name, host in pools.items()}
    assert sorted(found.names) == sorted(name for name, host in pools.items() if host in old)
    assert found.change.after is not None
    assert found.change.after.content.decode() == text(**led)
    assert found.port == 6432


def test_where_none_does_or_the_file_is_another_s_it_is_refused() -> None:
    pools = {"shop": OTHER}
    with pytest.raises(Refused, match=rf"No pool of this pooler leads to {OLD} or {NEW}"):
        pause.repointings(pooler(text(**pools), **pools), (OLD, NEW), "10.0.0.14")
    with pytest.raises(Refused, match="was not written by role pgbouncer"):
        pause.repointings(pooler("[databases]\n", **pools), (OTHER,), NEW)


def test_the_servers_are_asked_as_the_pooler_logs_in(monkeypatch: pytest.MonkeyPatch) -> None:
    pools = {"shop_ro": OTHER, "shop": OLD}
    monkeypatch.setattr(pause, "read_host", lambda *_given: pooler(text(**pools), **pools))
    (found,), login = pause.prepared(Way(OLD, NEW, 5433, "pgbouncer"))
    assert found.names == ("shop",)
    assert login(NEW) == {
        "host": NEW,
        "port": "5433",
        "user": "pgbouncer",
        "dbname": "shop",
        "sslmode": "verify-full",
        "sslrootcert": "/etc/ssl/postgres/ca.crt",
    }


def test_a_pooler_that_does_not_run_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pause, "read_host", lambda *_given: Host(None, NEWEST))
    with pytest.raises(Refused, match="does not run on this host"):
        pause.running_here()
