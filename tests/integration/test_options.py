"""What is asked for is what is looked at, and what makes no sense is refused before anything is asked."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.faults.scene import schema
from tests.integration.faults.tables import FILLED, counted
from tests.integration.runner import Failed, Health
from tests.integration.servers import Server

# Backups are known on the database host alone, and this asks from another.
SUBSETS = {
    *("server", "sessions", "databases", "replication", "wal", "storage", "tables", "partitions"),
    *("indexes", "bloat", "sequences", "statements", "progress"),
}


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["all"], SUBSETS),
        (["wal"], {"wal"}),
        (["wal", "sessions"], {"wal", "sessions"}),
        (["!bloat"], SUBSETS - {"bloat"}),
        (["all", "!bloat", "!tables"], SUBSETS - {"bloat", "tables"}),
        (["!all", "server"], {"server"}),
    ],
    ids=" ".join,
)
def test_gather_subset(health: Health, words: list[str], shown: set[str]) -> None:
    assert set(health(*words).metrics) == shown


REFUSALS: list[tuple[dict[str, Any], list[str]]] = [
    ({"gather_subset": ["wall"]}, ["wall", "wal, storage", "!"]),
    ({"gather_subset": ["!wall"]}, ["wall", "sessions"]),
    ({"thresholds": {"dead_row": {"warning": 1}}}, ["dead_row", "dead_rows", "xid_used_percent"]),
    ({"thresholds": {"dead_rows": {"warn": 1}}}, ["warn", "warning", "critical", "floor"]),
    ({"thresholds": {"dead_rows": {"warning": "many"}}}, ["dead_rows", "many"]),
    ({"thresholds": {"dead_rows": {"warning": 9, "critical": 8}}}, ["dead_rows", "9", "8"]),
    ({"thresholds": {"dead_rows": {"warning": 60000}}}, ["dead_rows", "60000", "50000"]),
    ({"thresholds": {"cache_hit_percent": {"warning": 80, "critical": 90}}}, ["cache_hit_percent", "less is worse"]),
    ({"thresholds": {"dead_rows": 5}}, ["dead_rows", "dictionary"]),
    ({"ignore": [{"check": "dead_row"}]}, ["dead_row", "dead_rows"]),
    ({"checks": [{"name": "dead_rows", "query": "SELECT 1"}]}, ["dead_rows", "another name"]),
    ({"checks": [{"name": "a", "query": "SELECT 1"}] * 2}, ["twice"]),
    ({"limit": 0}, ["limit"]),
    ({"query_timeout": -1}, ["query_timeout"]),
    ({"connect_params": {"password": "hunter2"}}, ["connect_params", "login_password"]),
    ({"on_unreachable": "ignore"}, ["fail", "report"]),
]


@pytest.mark.parametrize(("options", "words"), REFUSALS, ids=lambda value: str(value)[:50])
def test_refusals_name_what_is_valid(health: Health, options: dict[str, Any], words: list[str]) -> None:
    """Refused without a server: the port is one where nobody listens."""
    with pytest.raises(Failed) as refused:
        health(login_port=1, **options)
    for word in words:
        assert word in str(refused.value)
    assert "Traceback" not in str(refused.value)


def test_thresholds_merge_over_defaults(server: Server, health: Health) -> None:
    with schema(server, "CREATE SEQUENCE scene.s MAXVALUE 1000", "SELECT setval('scene.s', 800)"):

        def found(**levels: float | None) -> list[tuple[str, float | None, float | None]]:
            report = health("sequences", thresholds={"sequence_used_percent": levels} if levels else {})
            return [(each["severity"], each["warning"], each["critical"]) for each in report.findings()]

        assert found() == [("warning", 75, 90)]
        assert found(warning=70) == [("warning", 70, 90)]
        assert found(critical=79) == [("critical", 75, 79)]
        assert found(warning=85) == []
        assert found(warning=None) == []


def test_a_value_on_the_level_is_not_beyond_it(server: Server, health: Health) -> None:
    with schema(server, "CREATE SEQUENCE scene.s MINVALUE 0 MAXVALUE 1000", "SELECT setval('scene.s', 800)"):
        assert health("sequences", thresholds={"sequence_used_percent": {"warning": 80}}).status == "ok"
        assert health("sequences", thresholds={"sequence_used_percent": {"warning": 79.9}}).status == "warning"


def test_ignored_findings_do_not_count(server: Server, health: Health) -> None:
    names = ["first", "second", "odd[1]"]
    with schema(server, *[f'CREATE SEQUENCE scene."{name}" MAXVALUE 10' for name in names]):
        server.run(*[f"SELECT setval('scene.\"{name}\"', 10)" for name in names])

        def left(*objects: str) -> tuple[str, list[str]]:
            rules = [{"check": "sequence_*", "object": name} for name in objects]
            report = health("sequences", ignore=rules)
            return report.status, sorted(finding["object"] for finding in report.findings())

        assert left() == ("critical", ["scene.first", "scene.odd[1]", "scene.second"])
        assert left("scene.first") == ("critical", ["scene.odd[1]", "scene.second"])
        assert left("scene.?????", "*second") == ("critical", ["scene.odd[1]"])
        assert left("scene.odd[1]") == ("critical", ["scene.first", "scene.second"])
        assert left("*") == ("ok", [])


def test_databases(health: Health) -> None:
    def looked_at(*names: str) -> list[str]:
        rows = health("tables", databases=list(names)).metrics["tables"]["vacuum_backlog"]
        return sorted(row["database"] for row in rows)

    # Other tests keep databases of their own meanwhile; templates are nobody's.
    everywhere = set(looked_at())
    assert {"app", "postgres"} <= everywhere
    assert not {"template0", "template1"} & everywhere
    assert looked_at("app") == ["app"]
    assert looked_at("postgres", "app", "app") == ["app", "postgres"]


def test_a_database_that_is_not_there_costs_only_itself(health: Health) -> None:
    report = health("tables", databases=["app", "nowhere"])
    assert [row["database"] for row in report.metrics["tables"]["vacuum_backlog"]] == ["app"]
    assert 'database "nowhere" does not exist' in report.unavailable()["connection"]


def test_limit_keeps_the_worst(server: Server, health: Health) -> None:
    sequences = [f"CREATE SEQUENCE scene.s{n} MAXVALUE 100" for n in range(1, 6)]
    with schema(server, *sequences, *[f"SELECT setval('scene.s{n}', {90 + n})" for n in range(1, 6)]):
        report = health("sequences", limit=2)
        assert [finding["object"] for finding in report.findings()] == ["scene.s5", "scene.s4"]
        assert len(report.metrics["sequences"]["sequences"]) == 2


def test_info_leaves_the_status_alone(server: Server, health: Health) -> None:
    with schema(server, *FILLED, "CREATE INDEX idle ON scene.t (n)"):
        report = health("indexes", thresholds={"unused_index_bytes": {"info": 0, "floor": 0}})
        assert [finding["severity"] for finding in report.findings()] == ["info"]
        assert report.status == "ok"


def test_gravest_first(server: Server, health: Health) -> None:
    full = ("CREATE SEQUENCE scene.s MAXVALUE 10", "SELECT setval('scene.s', 10)")
    with schema(server, *FILLED, "CREATE INDEX idle ON scene.t (n)", "DELETE FROM scene.t WHERE id < 15000", *full):
        counted(server, "n_dead_tup > 10000")
        levels = {"unused_index_bytes": {"info": 0, "floor": 0}, "dead_rows": {"warning": 10, "critical": None}}
        report = health("indexes", "sequences", "tables", thresholds=levels)
        assert [finding["severity"] for finding in report.findings()][:1] == ["critical"]
        order = ["critical", "warning", "info"]
        severities = [order.index(finding["severity"]) for finding in report.findings()]
        assert severities == sorted(severities)
        assert set(severities) == {0, 1, 2}
        assert report.status == "critical"
