"""The result has one shape: on every version, on primary and standby, healthy or not."""

from __future__ import annotations

from typing import Any

from tests.integration.faults.pooler import console, through_pooler
from tests.integration.faults.replication import subscription
from tests.integration.faults.scene import held, running, schema
from tests.integration.faults.tables import FILLED
from tests.integration.runner import Health, Report
from tests.integration.servers import Server

# What only a standby tells.
STANDBY_ONLY = {"standby"}
# What the tests' own doings leave behind in counters that nobody resets.
OWN_DOINGS = [{"check": name} for name in ("checkpoints_requested_percent", "cache_hit_percent")]

THINGS = (
    *FILLED,
    "CREATE INDEX first ON scene.t (n)",
    "CREATE INDEX second ON scene.t (n)",
    "ANALYZE scene.t",
    "CREATE SEQUENCE scene.s",
    "SELECT nextval('scene.s')",
    "CREATE TABLE scene.parts (day date) PARTITION BY RANGE (day)",
    "CREATE TABLE scene.part PARTITION OF scene.parts FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')",
)


def shape(value: Any) -> Any:
    """Keys and types without values; a list is what its first row is."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__ if value is not None else None


def keys(value: Any) -> Any:
    """The same without types, which null would hide."""
    if isinstance(value, dict):
        return {key: keys(each) for key, each in value.items()}
    if isinstance(value, list):
        return [keys(value[0])] if value else []
    return None


def everything(server: Server) -> Report:
    """A report in which hardly a list is empty."""
    check = {"name": "mine", "query": "SELECT 1, 'x'", "warning": 0, "database": "app"}
    with (
        schema(server, *THINGS),
        held(server, "SELECT 1"),
        running(server, "SELECT pg_sleep(600)", waits="PgSleep"),
        subscription(server),
        through_pooler(server),
    ):
        return Health(server)(
            checks=[check], pgbouncer=console(server), baseline={"transactions_per_second": 1}, sample_seconds=0.1
        )


def test_versions_answer_alike(servers: list[Server]) -> None:
    reports = [everything(server) for server in servers]
    for report in reports:
        assert keys(report.metrics) == keys(reports[0].metrics)
        assert shape(report.health["server"]) == shape(reports[0].health["server"])
        assert report.health.keys() == reports[0].health.keys()
        assert report.unavailable() == reports[0].unavailable()


def test_a_standby_answers_alike(server: Server) -> None:
    health = Health(server)
    primary, standby = health(ignore=OWN_DOINGS), health(standby=True, ignore=OWN_DOINGS)
    assert primary.health["server"]["role"] == "primary"
    assert standby.health["server"]["role"] == "standby"
    for same in ("system_identifier", "timeline", "version_num"):
        assert standby.health["server"][same] == primary.health["server"][same]
    assert standby.health["server"].keys() == primary.health["server"].keys()
    for subset, group in primary.metrics.items():
        assert set(standby.metrics[subset]) - STANDBY_ONLY == set(group)
    assert standby.metrics["replication"]["standby"]["receiving"] is True
    assert standby.health["findings"] == []
    assert standby.status == "ok"
    assert standby.unavailable() == primary.unavailable()


def test_a_quiet_server_is_healthy(health: Health) -> None:
    """By the defaults nobody is bothered."""
    for user in ("postgres", "monitor"):
        report = health(user=user, databases=None, ignore=OWN_DOINGS)
        assert report.findings() == []
        assert report.status == "ok"


def test_ours_is_not_counted(health: Health) -> None:
    """The module does not report itself."""
    levels = {"active_connections": {"warning": 0}, "longest_query_seconds": {"warning": 0, "critical": None}}
    report = health("sessions", thresholds=levels)
    assert report.findings() == []
