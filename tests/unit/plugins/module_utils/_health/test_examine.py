"""Options to facts: refused as a whole, or examined as a whole."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._connection import KEEPALIVES
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused, Unreachable
from ansible_collections.runbook.postgres.plugins.module_utils._health import examine as examine_module
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import custom, tables
from ansible_collections.runbook.postgres.plugins.module_utils._health.checks import CHECKS
from ansible_collections.runbook.postgres.plugins.module_utils._health.examine import Examination, examine
from ansible_collections.runbook.postgres.plugins.module_utils._health.judge import Accepted
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Observed
from ansible_collections.runbook.postgres.plugins.module_utils._health.request import SUBSETS, CustomQuery
from tests.unit.plugins.options import options
from tests.unit.plugins.rows import observed, row


def own(name: str = "backlog", **values: Any) -> dict[str, Any]:
    return {"name": name, "query": "SELECT 1", "database": None, "worse": "above", **values}


def health(monkeypatch: pytest.MonkeyPatch, seen: Observed, **given: Any) -> dict[str, Any]:
    """The facts on a server of which this was seen."""
    monkeypatch.setattr(examine_module, "observe", lambda _connection, _scope: seen)
    return examine(options(**given))


def test_options_become_a_scope() -> None:
    examination = Examination.from_options(
        options(
            login_host="pg1",
            gather_subset=["!bloat"],
            databases=["shop"],
            limit=3,
            query_timeout=2.0,
            timeout=20.0,
            connect_timeout=1.0,
            sample_seconds=4.0,
            baseline={"transactions_per_second": 100},
            checks=[own(database="stock")],
            thresholds={"dead_percent": {"floor": 7}},
            ignore=[
                {"check": "dead_*", "object": "public.t", "database": "*"},
                {"check": "backlog", "object": "*", "database": "s*"},
            ],
        )
    )
    scope = examination.scope
    assert scope.subsets == set(SUBSETS) - {"bloat"}
    assert (scope.databases, scope.limit) == (("shop",), 3)
    assert (scope.query_seconds, scope.total_seconds, scope.connect_seconds, scope.sample_seconds) == (2, 20, 1, 4)
    assert (scope.transaction_rate_baseline, scope.pooler) == (100.0, None)
    assert scope.queries == (CustomQuery("backlog", "SELECT 1", "stock"),)
    assert scope.floors["dead_percent"] == 7.0
    assert examination.connection["host"] == "pg1"
    assert set(examination.checks) == {*CHECKS, "backlog"}
    assert examination.accepted == (Accepted("dead_*", "public.t"), Accepted("backlog", "*", "s*"))


def test_a_floor_that_is_off_is_nothing_and_not_missing() -> None:
    examination = Examination.from_options(options(thresholds={"dead_percent": {"floor": None}}))
    assert examination.scope.floors["dead_percent"] == 0.0


def test_the_pooler_is_reached_at_its_console() -> None:
    pgbouncer = {
        "login_host": "pg1",
        "login_port": 6432,
        "login_user": "monitoring",
        "login_password": "p",
        "ssl_mode": "prefer",
        "login_unix_socket": "",
    }
    assert Examination.from_options(options(pgbouncer=pgbouncer)).scope.pooler == {
        **KEEPALIVES,
        "host": "pg1",
        "port": 6432,
        "user": "monitoring",
        "password": "p",
        "sslmode": "prefer",
        "dbname": "pgbouncer",
    }


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"limit": 0}, ["limit is 0"]),
        ({"query_timeout": -1}, ["query_timeout is -1"]),
        ({"timeout": 0.0}, ["timeout is 0"]),
        ({"connect_timeout": float("nan")}, ["connect_timeout is nan"]),
        ({"sample_seconds": 0}, ["sample_seconds is 0"]),
        ({"baseline": {"transactions_per_second": 0}}, ["transactions_per_second is 0"]),
        ({"gather_subset": ["walls"]}, ["walls"]),
        ({"checks": [own("dead_rows")]}, ["'dead_rows'", "choose another name"]),
        ({"checks": [own(), own()]}, ["'backlog' twice"]),
        ({"checks": [own(warning=5.0, critical=1.0)]}, ["backlog", "warning at 5", "critical at 1"]),
        ({"checks": [own(warning=float("nan"))]}, ["backlog", "nan"]),
        ({"ignore": [{"check": "dead_cows", "object": "*"}]}, ["'dead_cows'", "dead_rows"]),
        ({"ignore": [{"check": "dead_row[s]", "object": "*"}]}, ["'dead_row[s]'"]),
        ({"thresholds": {"backlog": {"warning": 1}}}, ["'backlog'"]),
    ],
)
def test_what_makes_no_sense_is_refused_as_a_whole(given: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(Refused) as refusal:
        Examination.from_options(options(**given))
    assert all(word in refusal.value.sentence for word in words)


def test_thresholds_may_change_a_check_of_ones_own() -> None:
    given = options(checks=[own(warning=5.0)], thresholds={"backlog": {"warning": 7}})
    assert Examination.from_options(given).levels["backlog"].warning == 7.0


def test_what_is_seen_is_judged_by_the_users_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = observed((tables.TABLES, row(tables.Table, table="public.t", dead_rows=6)), database="shop")
    assert health(monkeypatch, seen)["status"] == "ok"
    found = health(monkeypatch, seen, thresholds={"dead_rows": {"warning": 5}})
    assert (found["status"], [each["object"] for each in found["findings"]]) == ("warning", ["public.t"])
    rule = {"check": "dead_rows", "object": "public.*", "database": "shop"}
    accepted = health(monkeypatch, seen, thresholds={"dead_rows": {"warning": 5}}, ignore=[rule])
    assert (accepted["status"], accepted["findings"]) == ("ok", [])
    assert accepted["ignored"] == {"dead_rows": 1}
    assert accepted["metrics"]["tables"]["tables"][0]["dead_rows"] == 6


def test_a_check_of_ones_own_can_be_the_gravest(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = observed((custom.CUSTOM_VALUES, row(custom.CustomValue, check="backlog", value=9.0)))
    assert health(monkeypatch, seen, checks=[own(critical=5.0)])["status"] == "critical"


@pytest.mark.parametrize(("seen", "status"), [(observed(), "ok"), (Observed(down="It refused."), "down")])
def test_a_report_includes_every_server(monkeypatch: pytest.MonkeyPatch, seen: Observed, status: str) -> None:
    found = health(monkeypatch, seen, on_unreachable="report")
    assert found["status"] == status
    assert found["duration_ms"] >= 0


def test_a_dead_server_fails_where_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unreachable, match=r"It refused\."):
        health(monkeypatch, Observed(down="It refused."), on_unreachable="fail")
