"""What a role may not see is said to be missing; it never looks healthy instead."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.integration.faults import tables
from tests.integration.faults.scene import schema, settled
from tests.integration.faults.tables import FILLED
from tests.integration.runner import Health, Report
from tests.integration.servers import Server

# What pg_monitor does not open, and what is not to be seen from another host.
NOT_FOR_MONITOR = {"configuration_errors", "hba_errors", "backups", "disks", "sequences", "table_bloat"}
# Shown under another name.
SHOWN_AS = {"blocking": "lock_parties"}


@contextlib.contextmanager
def private_things(server: Server) -> Iterator[None]:
    """A sequence and a table of more than a megabyte that only their owner may read."""
    with schema(server, *FILLED, "ANALYZE scene.t", "CREATE SEQUENCE scene.s"):
        yield


def probes(report: Report) -> set[str]:
    return {SHOWN_AS.get(probe, probe) for group in report.metrics.values() for probe in group}


def test_monitor_sees_all_but_the_documented(server: Server, health: Health) -> None:
    with private_things(server):
        for standby in (False, True):
            report = health(user="monitor", standby=standby)
            assert set(report.unavailable()) == NOT_FOR_MONITOR
            for reason in report.unavailable().values():
                assert "GRANT" in reason or "run it on the database host" in reason


def test_what_the_reasons_advise_helps(server: Server, health: Health) -> None:
    here = (
        "{} SELECT ON pg_file_settings {} monitor",
        "{} EXECUTE ON FUNCTION pg_show_all_file_settings() {} monitor",
        "{} SELECT ON pg_hba_file_rules {} monitor",
        "{} EXECUTE ON FUNCTION pg_hba_file_rules() {} monitor",
    )
    with private_things(server):
        server.run("GRANT USAGE ON SCHEMA scene TO monitor", "GRANT SELECT ON ALL TABLES IN SCHEMA scene TO monitor")
        server.run("GRANT SELECT ON ALL SEQUENCES IN SCHEMA scene TO monitor")
        server.run(*[grant.format("GRANT", "TO") for grant in here], database="postgres")
        try:
            assert set(health(user="monitor").unavailable()) == {"backups", "disks"}
        finally:
            server.run(*[grant.format("REVOKE", "FROM") for grant in here], database="postgres")


def test_superuser_sees_everything(server: Server, health: Health) -> None:
    with private_things(server):
        assert set(health().unavailable()) == {"backups", "disks"}


def test_what_a_plain_role_misses_is_listed(server: Server, health: Health) -> None:
    """Each question the superuser gets an answer to is answered or listed."""
    with private_things(server):
        for standby in (False, True):
            whole = health(standby=standby)
            report = health(user="plain", standby=standby)
            missing = set(report.unavailable())
            assert probes(whole) <= probes(report) | missing
            assert {"active_queries", "replicas", "lock_parties", "statements", "sequences"} <= missing
            for reason in report.unavailable().values():
                assert "pg_monitor" in reason or "GRANT" in reason or "run it on" in reason


def test_a_plain_role_finds_an_invalid_index_while_another_is_built(server: Server, health: Health) -> None:
    """The server hides from it which one is built; that must not hide the broken one."""
    with tables.index_being_built(server):
        server.run("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'scene.t_pkey'::regclass")
        found = health("indexes", user="plain").findings("invalid_index")
        assert "scene.t_pkey" in [finding["object"] for finding in found]


def test_a_plain_role_counts_what_waits_for_vacuum_while_one_runs(server: Server, health: Health) -> None:
    due = ("CREATE TABLE scene.due AS SELECT generate_series(1, 1000)", "DELETE FROM scene.due")
    with tables.running_vacuum(server):
        server.run(*due)
        settled(
            server,
            "the dead rows are counted",
            "SELECT n_dead_tup = 1000 FROM pg_stat_user_tables WHERE relid = 'scene.due'::regclass",
        )
        (row,) = health("tables", user="plain").metrics["tables"]["vacuum_backlog"]
        (whole,) = health("tables").metrics["tables"]["vacuum_backlog"]
        assert row["tables_due"] >= whole["tables_due"] >= 1


def test_a_plain_role_does_not_call_hidden_settings_settled(server: Server, health: Health) -> None:
    """Some settings are not shown to it at all; a change of theirs must not look like none."""
    server.setting(shared_preload_libraries="")
    try:
        waits = "SELECT pending_restart FROM pg_settings WHERE name = 'shared_preload_libraries'"
        settled(server, "the setting waits for a restart", waits)
        report = health("server", user="plain")
        assert report.findings("settings_pending_restart") or "pending_settings" in report.unavailable()
        assert health("server", user="monitor").findings("settings_pending_restart")
    finally:
        server.setting(shared_preload_libraries=None)
        settled(server, "the setting is back", f"SELECT NOT ({waits})")
