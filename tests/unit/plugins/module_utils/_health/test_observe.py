"""Who is asked what in which order, and what each kind of failure costs: only itself, or the whole server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._errors import (
    NotPermitted,
    QueryFailed,
    Refused,
    Silent,
    TookTooLong,
    Unreachable,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import (
    PROBES,
    bloat,
    databases,
    pooler,
    replication,
    sequences,
    server,
    statements,
    tables,
    wal,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog.server import DATABASES, IDENTITY
from ansible_collections.runbook.postgres.plugins.module_utils._health.interview import Interview
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Probe
from ansible_collections.runbook.postgres.plugins.module_utils._health.request import CustomQuery, Scope
from tests.unit.plugins.clock import Clock
from tests.unit.plugins.cluster import Cluster, home, reasons
from tests.unit.plugins.fakes import FakeSession
from tests.unit.plugins.rows import row

Patch = pytest.MonkeyPatch


def sql(probe: Probe, major: int = 15) -> str:
    statement = probe.statement(major)
    assert statement is not None
    return statement


QUEUE = sql(wal.ARCHIVE_QUEUE)
WAITING = [{"files": 3, "oldest_seconds": 1.0}]
BACKLOG = sql(tables.VACUUM_BACKLOG)
DUE = [{"tables_due": 4, "tables_excluded": 0}]


def test_a_server_is_asked_everything_once_and_closed(monkeypatch: Patch) -> None:
    cluster = Cluster()
    seen = cluster.observe(monkeypatch)
    session = cluster.databases["postgres"]
    assert isinstance(session, FakeSession)
    expected = {probe.statement(15) for probe in PROBES if probe.role in (None, "primary")} - {None}
    assert expected <= set(session.asked)
    assert len(session.asked) == len(set(session.asked))
    assert seen.server is not None
    assert (seen.down, cluster.connected, session.closed) == (None, ["postgres"], True)


def test_every_session_begins_with_limits_and_without_leave_to_write(monkeypatch: Patch) -> None:
    cluster = Cluster(postgres=home(databases=("postgres", "shop")), shop=FakeSession())
    cluster.observe(monkeypatch)
    assert len(cluster.settings) == 2
    for settings in cluster.settings:
        assert settings is not None
        assert settings["default_transaction_read_only"] == "on"
        assert settings["search_path"] == "pg_catalog"
        assert settings["standard_conforming_strings"] == "on"
        assert int(settings["lock_timeout"]) > 0


def test_what_is_asked_has_the_limits_of_the_request(monkeypatch: Patch) -> None:
    cluster = Cluster()
    cluster.observe(monkeypatch, "wal", limit=7, floors={"dead_percent": 5.0})
    session = cluster.databases["postgres"]
    assert isinstance(session, FakeSession)
    bound = session.values[session.asked.index(QUEUE)]
    assert bound == {"limit": 7, "block_bytes": 8192, "dead_percent_floor": 5.0}


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (QueryFailed("relation does not exist"), "relation does not exist"),
        (NotPermitted("permission denied"), "permission denied: make the role a member of pg_monitor"),
        (TookTooLong("canceling statement"), "canceling statement: it is given 4 s (query_timeout)"),
    ],
)
def test_a_question_that_fails_costs_only_itself(monkeypatch: Patch, failure: Exception, reason: str) -> None:
    cluster = Cluster(postgres=home({QUEUE: failure, sql(wal.CHECKPOINTS): [asdict(row(wal.Checkpoints))]}))
    seen = cluster.observe(monkeypatch, "wal", query_seconds=4.0)
    assert reasons(seen) == {("archive_queue", None): reason}
    assert [len(seen.of(probe)) for probe in (wal.ARCHIVE_QUEUE, wal.CHECKPOINTS)] == [0, 1]
    assert seen.down is None


def test_without_advice_a_refusal_stands_for_itself(monkeypatch: Patch) -> None:
    cluster = Cluster(postgres=home({sql(databases.DATABASE_SIZES): NotPermitted("permission denied")}))
    assert reasons(cluster.observe(monkeypatch, "databases")) == {("database_sizes", None): "permission denied"}


def test_a_server_that_cannot_be_reached_is_down(monkeypatch: Patch) -> None:
    cluster = Cluster(postgres=Unreachable("It refused."))
    seen = cluster.observe(monkeypatch, pooler={"dbname": "pgbouncer"})
    assert (seen.down, seen.server, seen.rows) == ("It refused.", None, {})
    assert cluster.connected == ["postgres"]


@pytest.mark.parametrize("kind", [Unreachable, Silent])
def test_a_server_that_is_lost_meanwhile_is_down_and_what_was_seen_is_kept(
    monkeypatch: Patch, kind: type[Unreachable]
) -> None:
    cluster = Cluster(postgres=home({QUEUE: WAITING, sql(wal.WAL_DIRECTORY): kind("It is gone.")}))
    seen = cluster.observe(monkeypatch, "wal")
    assert seen.down == "It is gone."
    assert seen.server is not None
    assert [each.row.files for each in seen.of(wal.ARCHIVE_QUEUE)] == [3]
    assert seen.of(wal.CHECKPOINTS) == []


def test_a_failure_to_say_who_it_is_fails_the_run(monkeypatch: Patch) -> None:
    cluster = Cluster(postgres=home({IDENTITY: QueryFailed("permission denied")}))
    with pytest.raises(QueryFailed):
        cluster.observe(monkeypatch)


@pytest.mark.parametrize(
    "session",
    [home(settings_kept=False), Unreachable("It refused: unsupported startup parameter: jit.")],
    ids=["settings lost", "settings refused"],
)
def test_a_pooler_in_between_is_refused(monkeypatch: Patch, session: FakeSession | Exception) -> None:
    with pytest.raises(Refused, match="through a pooler"):
        Cluster(postgres=session).observe(monkeypatch)


def test_a_question_before_the_first_is_a_mistake_of_ours() -> None:
    with pytest.raises(RuntimeError):
        assert Interview({"dbname": "postgres"}, Scope(frozenset())).values()


# -- who is asked what -------------------------------------------------------


@pytest.mark.parametrize(("role", "asked"), [("standby", True), ("primary", False)])
def test_a_question_for_one_role_is_not_put_to_the_other(monkeypatch: Patch, role: str, asked: bool) -> None:
    cluster = Cluster(postgres=home({sql(replication.STANDBY): [asdict(row(replication.Standby))]}, role=role))
    seen = cluster.observe(monkeypatch, "replication")
    assert bool(seen.of(replication.STANDBY)) is asked
    assert reasons(seen) == {}


def test_the_statement_is_that_of_the_servers_version(monkeypatch: Patch) -> None:
    for number, major in ((130022, 13), (170005, 17)):
        cluster = Cluster(postgres=home(version_num=number))
        cluster.observe(monkeypatch, "wal")
        session = cluster.databases["postgres"]
        assert isinstance(session, FakeSession)
        assert sql(wal.CHECKPOINTS, major) in session.asked
        assert sql(wal.CHECKPOINTS, 30 - major) not in session.asked


def test_what_the_server_hides_from_a_plain_role_is_said_to_be_hidden(monkeypatch: Patch) -> None:
    cluster = Cluster(postgres=home(monitor=False, user="ops"))
    seen = cluster.observe(monkeypatch)
    hidden = {name for (name, _database), reason in reasons(seen).items() if "role ops is not a member" in reason}
    applies = {probe.name for probe in PROBES if probe.needs_monitor and probe.role in (None, "primary")}
    assert hidden == applies
    session = cluster.databases["postgres"]
    assert isinstance(session, FakeSession)
    assert not set(session.asked) & {probe.statement(15) for probe in PROBES if probe.needs_monitor}


def test_only_what_was_asked_for_is_asked(monkeypatch: Patch) -> None:
    cluster = Cluster(postgres=home(databases=("postgres", "shop")))
    cluster.observe(monkeypatch, "wal")
    session = cluster.databases["postgres"]
    assert isinstance(session, FakeSession)
    assert set(session.asked) == {IDENTITY, DATABASES, *(sql(each) for each in PROBES if each.subset == "wal")}
    # Nothing is to be asked in other databases, so nobody connects to them.
    assert cluster.connected == ["postgres"]


# -- the other databases -----------------------------------------------------


def test_each_database_is_asked_on_a_connection_of_its_own(monkeypatch: Patch) -> None:
    shop = FakeSession({BACKLOG: DUE})
    cluster = Cluster(postgres=home({BACKLOG: DUE}, databases=("postgres", "shop")), shop=shop)
    seen = cluster.observe(monkeypatch, "tables")
    assert [each.database for each in seen.of(tables.VACUUM_BACKLOG)] == ["postgres", "shop"]
    assert (cluster.connected, shop.closed) == (["postgres", "shop"], True)


def test_named_databases_are_the_only_ones_and_once_each(monkeypatch: Patch) -> None:
    cluster = Cluster(postgres=home({BACKLOG: DUE}, databases=("postgres", "a", "b")), a=FakeSession({BACKLOG: DUE}))
    seen = cluster.observe(monkeypatch, "tables", databases=("a", "a"))
    assert [each.database for each in seen.of(tables.VACUUM_BACKLOG)] == ["a"]
    assert cluster.connected == ["postgres", "a"]


@pytest.mark.parametrize("error", [Unreachable("Dropped."), QueryFailed("permission denied.")])
def test_a_database_that_cannot_be_connected_to_costs_only_itself(monkeypatch: Patch, error: Exception) -> None:
    cluster = Cluster(
        postgres=home(databases=("postgres", "shop", "stock")), shop=error, stock=FakeSession({BACKLOG: DUE})
    )
    seen = cluster.observe(monkeypatch, "tables")
    assert reasons(seen) == {("connection", "shop"): str(error).rstrip(".")}
    assert [each.database for each in seen.of(tables.VACUUM_BACKLOG)] == ["stock"]
    assert seen.down is None


def test_a_session_that_is_ended_in_one_database_costs_the_rest_of_it(monkeypatch: Patch) -> None:
    shop = FakeSession({BACKLOG: Unreachable("Terminated.")})
    cluster = Cluster(
        postgres=home(databases=("postgres", "shop", "stock")), shop=shop, stock=FakeSession({BACKLOG: DUE})
    )
    seen = cluster.observe(monkeypatch, "tables")
    assert reasons(seen) == {("connection", "shop"): "Terminated"}
    assert (seen.down, len(seen.of(tables.VACUUM_BACKLOG))) == (None, 1)


def test_a_server_that_hangs_in_one_database_hangs(monkeypatch: Patch) -> None:
    shop = FakeSession({BACKLOG: Silent("It hangs.")})
    cluster = Cluster(postgres=home(databases=("postgres", "shop", "stock")), shop=shop, stock=FakeSession())
    seen = cluster.observe(monkeypatch, "tables")
    assert seen.down == "It hangs."
    assert cluster.connected == ["postgres", "shop"]


def test_a_list_of_databases_that_cannot_be_had_costs_only_them(monkeypatch: Patch) -> None:
    cluster = Cluster(postgres=home({QUEUE: WAITING, DATABASES: TookTooLong("canceling statement")}))
    seen = cluster.observe(monkeypatch, "wal", "tables")
    assert len(seen.of(wal.ARCHIVE_QUEUE)) == 1
    assert reasons(seen) == {("databases", None): "canceling statement"}


def custom(name: str, database: str | None = None) -> CustomQuery:
    return CustomQuery(name, f"SELECT {name}", database)


def test_own_queries_lead_to_databases_that_are_not_examined(monkeypatch: Patch) -> None:
    stock = FakeSession({"SELECT far": [{"value": 2}]})
    cluster = Cluster(postgres=home({"SELECT near": [{"value": 1}]}), stock=stock)
    seen = cluster.observe(
        monkeypatch, "custom", "tables", databases=("postgres",), queries=(custom("near"), custom("far", "stock"))
    )
    found = [(each.database, each.row.check, each.row.value) for each in seen.rows["custom"]]
    assert found == [("postgres", "near", 1.0), ("stock", "far", 2.0)]
    assert BACKLOG not in stock.asked


def test_own_queries_nobody_wants_lead_nowhere(monkeypatch: Patch) -> None:
    cluster = Cluster(stock=FakeSession())
    cluster.observe(monkeypatch, "wal", queries=(custom("far", "stock"),))
    assert cluster.connected == ["postgres"]


# -- time --------------------------------------------------------------------


def slow(clock: Clock, seconds: float, rows: Sequence[dict[str, Any]] = ()) -> Any:
    def answer(_query: str) -> Sequence[dict[str, Any]]:
        clock.now += seconds
        return rows

    return answer


def test_when_the_time_is_up_the_rest_is_listed_and_what_was_seen_is_told(monkeypatch: Patch) -> None:
    clock = Clock.installed(monkeypatch)
    first = home({sql(wal.ARCHIVER): slow(clock, 31, [asdict(row(wal.Archiver))])}, databases=("postgres", "shop"))
    cluster = Cluster(postgres=first, shop=FakeSession({BACKLOG: DUE}))
    seen = cluster.observe(
        monkeypatch, "wal", "tables", "pgbouncer", total_seconds=30.0, pooler={"dbname": "pgbouncer"}
    )
    assert len(seen.of(wal.ARCHIVER)) == 1
    assert set(reasons(seen)) == {
        ("archive_queue", None),
        ("wal_directory", None),
        ("checkpoints", None),
        ("tables", "postgres"),
        ("vacuum_backlog", "postgres"),
        ("connection", "shop"),
        ("pooler", None),
    }
    assert all("the 30 s for the whole run (timeout) were used up" in reason for reason in reasons(seen).values())
    assert cluster.connected == ["postgres"]


def test_near_the_end_the_server_is_given_what_is_left(monkeypatch: Patch) -> None:
    clock = Clock.installed(monkeypatch)
    session = home({sql(wal.ARCHIVER): slow(clock, 7), QUEUE: slow(clock, 2)})
    Cluster(postgres=session).observe(monkeypatch, "wal", total_seconds=10.0, query_seconds=5.0)
    # After 7 s there are 3 s left for the queue, then 1 s for each of the others and the list of databases.
    assert session.limits == [3.0, 1.0, 1.0, 1.0]


def test_with_time_to_spare_no_limit_is_touched(monkeypatch: Patch) -> None:
    Clock.installed(monkeypatch)
    session = home()
    Cluster(postgres=session).observe(monkeypatch)
    assert session.limits == []


# -- PgBouncer, statements, rates, bloat ------------------------------------


def test_the_pooler_is_asked_on_its_own_address_without_settings(monkeypatch: Patch) -> None:
    console = FakeSession({"SHOW VERSION": [{"version": "PgBouncer 1.24.1"}]})
    cluster = Cluster(pgbouncer=console)
    seen = cluster.observe(monkeypatch, "pgbouncer", pooler={"dbname": "pgbouncer"})
    assert console.asked[0] == "SHOW VERSION"
    assert cluster.settings[-1] is None
    # Its other answers are missing here, which costs each of its questions alone.
    assert ("pooler", None) in reasons(seen)
    assert console.closed


def test_a_pooler_that_is_down_is_seen_to_be(monkeypatch: Patch) -> None:
    cluster = Cluster(pgbouncer=Unreachable("It refused."))
    seen = cluster.observe(monkeypatch, "pgbouncer", pooler={"dbname": "pgbouncer"})
    assert [each.row.reason for each in seen.of(pooler.POOLER_DOWN)] == ["It refused."]
    assert seen.down is None


def test_a_pooler_that_hangs_is_no_hanging_server(monkeypatch: Patch) -> None:
    console = FakeSession({"SHOW VERSION": Silent("It hangs.")})
    seen = Cluster(pgbouncer=console).observe(monkeypatch, "pgbouncer", pooler={"dbname": "pgbouncer"})
    assert [each.row.reason for each in seen.of(pooler.POOLER_DOWN)] == ["It hangs."]
    assert seen.down is None


@pytest.mark.parametrize("scope", [{"pooler": None}, {"pooler": {"dbname": "pgbouncer"}}])
def test_without_need_no_pooler_is_asked(monkeypatch: Patch, scope: dict[str, Any]) -> None:
    cluster = Cluster()
    cluster.observe(monkeypatch, "wal" if scope["pooler"] else "pgbouncer", **scope)
    assert cluster.connected == ["postgres"]


STATEMENT = {**asdict(row(statements.Statement)), "query": "ALTER ROLE a PASSWORD 'hunter2'"}
HOME = {"pg_extension": [{"schema": 'odd "schema'}]}


def test_statements_are_read_once_from_the_schema_they_live_in(monkeypatch: Patch) -> None:
    shop = FakeSession({**HOME, "everything": [STATEMENT]})
    cluster = Cluster(
        postgres=home(databases=("postgres", "shop", "stock")),
        shop=shop,
        stock=FakeSession({**HOME, "everything": [STATEMENT]}),
    )
    seen = cluster.observe(monkeypatch, "statements")
    (found,) = seen.of(statements.STATEMENTS)
    assert found.row.query == "ALTER ROLE a PASSWORD '...'"
    assert reasons(seen) == {}
    assert """Identifier('odd "schema', 'pg_stat_statements')""" in shop.asked[-1]


def test_statements_that_no_database_counts_are_said_to_be_missing(monkeypatch: Patch) -> None:
    seen = Cluster(postgres=home(databases=("postgres", "shop")), shop=FakeSession()).observe(monkeypatch, "statements")
    assert list(reasons(seen)) == [("statements", None)]
    assert "shared_preload_libraries" in reasons(seen)["statements", None]
    assert statements.STATEMENTS.name not in seen.rows


def test_statements_that_cannot_be_read_have_one_reason(monkeypatch: Patch) -> None:
    session = home({**HOME, "everything": QueryFailed("pg_stat_statements must be loaded")})
    seen = Cluster(postgres=session).observe(monkeypatch, "statements")
    assert reasons(seen) == {("statements", "postgres"): "pg_stat_statements must be loaded"}


def test_bloat_of_tables_that_may_not_be_read_is_said_to_be_unknown(monkeypatch: Patch) -> None:
    def forbidden(count: int) -> list[dict[str, int]]:
        return [{"forbidden": count, "never_analyzed": 0}]

    first = home({sql(bloat.UNESTIMATED): forbidden(0)}, databases=("postgres", "shop"))
    cluster = Cluster(postgres=first, shop=FakeSession({sql(bloat.UNESTIMATED): forbidden(3)}))
    seen = cluster.observe(monkeypatch, "bloat")
    assert list(reasons(seen)) == [("table_bloat", "shop")]
    assert reasons(seen)["table_bloat", "shop"].startswith("3 tables")


def test_a_baseline_makes_a_sample_before_all_other_questions(monkeypatch: Patch) -> None:
    Clock.installed(monkeypatch)
    session = home()
    seen = Cluster(postgres=session).observe(monkeypatch, "databases", transaction_rate_baseline=10.0)
    assert len(seen.rows["transaction_rate"]) == 1
    looks = [place for place, query in enumerate(session.asked) if "xact_commit + xact_rollback)" in query]
    assert looks == [1, 2]


def test_sequences_are_read_in_each_database(monkeypatch: Patch) -> None:
    cluster = Cluster(postgres=home(databases=("postgres", "shop")), shop=FakeSession())
    cluster.observe(monkeypatch, "sequences")
    for name in ("postgres", "shop"):
        session = cluster.databases[name]
        assert isinstance(session, FakeSession)
        assert sequences.LISTING in session.asked


def test_pending_settings_are_seen(monkeypatch: Patch) -> None:
    session = home({sql(server.PENDING_SETTINGS): [{"name": "port", "current": "5432"}]})
    seen = Cluster(postgres=session).observe(monkeypatch, "server")
    assert [each.row.name for each in seen.of(server.PENDING_SETTINGS)] == ["port"]
