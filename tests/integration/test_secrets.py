"""What other people's queries hold, and what the module itself was given, is not shown."""

from __future__ import annotations

from tests.integration.faults.pooler import console
from tests.integration.faults.scene import held, running, schema, settled
from tests.integration.runner import Health
from tests.integration.servers import Server

SECRET = "geheim-6a1f"
ALTER = f"ALTER ROLE plain PASSWORD '{SECRET}'"


def test_passwords_in_queries_are_masked(server: Server, health: Health) -> None:
    """One session holds an ALTER ROLE back by another of its own: both show it as their query."""
    with held(server, ALTER), running(server, f"/* {SECRET} */ {ALTER}", waits="Lock"):
        levels = {name: {"warning": 0} for name in ("idle_in_transaction_seconds", "slow_query_seconds")}
        levels["blocked_seconds"] = {"warning": 0}
        report = health("sessions", thresholds=levels)
        for check in levels:
            assert report.findings(check)
        assert "ALTER ROLE plain PASSWORD" in report.text
        assert SECRET not in report.text


def test_passwords_in_counted_statements_are_masked(server: Server, health: Health) -> None:
    """pg_stat_statements keeps utility statements as they were typed.

    The report shows those that took longest: what other tests have left there could be before ours.
    """
    server.run("SELECT pg_stat_statements_reset()")
    statements = (
        f"DO $x$ BEGIN PERFORM '{SECRET}'; END $x$",
        f"CREATE ROLE gone PASSWORD E'{SECRET}\\''",
        "DROP ROLE gone",
    )
    with schema(server, *statements):
        kept = "SELECT count(*) > 0 FROM pg_stat_statements WHERE query ~ %s"
        settled(server, "the statements are counted", kept, [SECRET])
        report = health("statements", limit=1000)
        assert any("CREATE ROLE gone" in row["query"] for row in report.metrics["statements"]["statements"])
        assert SECRET not in report.text
    server.run("SELECT pg_stat_statements_reset()")


def test_a_long_query_cut_within_its_literal_is_masked(server: Server, health: Health) -> None:
    """The server cuts queries at track_activity_query_size, here before the literal ends."""
    with held(server, f"SELECT length('{SECRET * 200}')"):
        report = health("sessions", thresholds={"idle_in_transaction_seconds": {"warning": 0}})
        assert report.findings("idle_in_transaction_seconds")
        assert SECRET not in report.text


def test_our_own_passwords_are_not_in_the_result(server: Server, health: Health) -> None:
    report = health(user="monitor", pgbouncer=console(server))
    assert report.metrics["pgbouncer"]["pooler"]
    assert server.passwords["monitor"] not in report.text
    assert server.passwords["stats"] not in report.text


def test_a_subscription_does_not_show_how_it_connects(server: Server, health: Health) -> None:
    connection = f"host=/nowhere password={SECRET} dbname=app"
    made = f"CREATE SUBSCRIPTION quiet CONNECTION '{connection}' PUBLICATION p WITH (connect = false)"
    server.run("SELECT pg_stat_statements_reset()", made)
    try:
        report = health()
        assert "quiet" in [row["name"] for row in report.metrics["replication"]["subscriptions"]]
        assert SECRET not in report.text
    finally:
        server.run("ALTER SUBSCRIPTION quiet SET (slot_name = NONE)", "DROP SUBSCRIPTION quiet")
