"""The questions as a whole: each has an answer's shape, a subset, and SQL that the driver can bind."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import (
    PROBES,
    backups,
    bloat,
    custom,
    keeper,
    pooler,
    sequences,
    server,
    sessions,
    statements,
    storage,
    tables,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.checks import CHECKS
from ansible_collections.runbook.postgres.plugins.module_utils._health.examine import Examination
from ansible_collections.runbook.postgres.plugins.module_utils._health.interview import Interview
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.plain import decoded
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import CLUSTER, DATABASE, Probe, filled
from ansible_collections.runbook.postgres.plugins.module_utils._health.request import SUBSETS
from tests.unit.plugins import rows
from tests.unit.plugins.options import options

MAJORS = (13, 14, 15, 16, 17)
# Asked in another way than by one statement that stands beside its row.
SPECIAL: set[Probe] = {
    storage.DISKS,
    backups.BACKUPS,
    backups.DUMPS,
    backups.DRILLS,
    sequences.SEQUENCES,
    statements.STATEMENTS,
    pooler.POOLS,
    pooler.POOLER_TOTALS,
    pooler.POOLER_DOWN,
    keeper.KEEPER,
    keeper.KEPT_MEMBERS,
    keeper.KEEPER_DOWN,
    custom.CUSTOM_VALUES,
    custom.TRANSACTION_RATE,
}
PLAIN = [probe for probe in PROBES if probe not in SPECIAL]
TEXTS = {
    **{f"{probe.name} from {major}": text for probe in PROBES for major, text in probe.sql.items()},
    "identity": server.IDENTITY,
    "databases": server.DATABASES,
    "sequences": sequences.LISTING,
    "statements home": statements.HOME,
    "heaviest statements": statements.HEAVIEST,
}

WRITING = {"INSERT", "UPDATE", "DELETE", "TRUNCATE", "ALTER", "DROP", "CREATE", "NEXTVAL", "SETVAL", "FOR"}


def named(probe: Probe) -> str:
    return probe.name


def test_each_question_has_a_name_of_its_own() -> None:
    names = [probe.name for probe in PROBES]
    assert len(set(names)) == len(names)
    # Where no connection or no list of databases could be had, these stand in the name's place.
    assert not {"connection", "databases"} & set(names)


@pytest.mark.parametrize("probe", PROBES, ids=named)
def test_a_question_belongs_to_a_subset_and_has_a_row(probe: Probe) -> None:
    assert probe.subset in SUBSETS
    assert is_dataclass(probe.row)
    assert probe.scope in (CLUSTER, DATABASE)
    assert probe.role in (None, "primary", "standby")


@pytest.mark.parametrize("probe", PLAIN, ids=named)
@pytest.mark.parametrize("major", MAJORS)
def test_every_version_can_be_asked(probe: Probe, major: int) -> None:
    assert probe.statement(major)


@pytest.mark.parametrize("probe", [each for each in PROBES if each in SPECIAL], ids=named)
def test_what_is_asked_otherwise_has_no_statement(probe: Probe) -> None:
    assert probe.statement(17) is None


def test_a_statement_serves_until_the_next_one_does() -> None:
    probe = Probe(name="x", subset="wal", row=custom.CustomValue, sql={14: "old", 16: "new"})
    assert [probe.statement(major) for major in (13, 14, 15, 16, 20)] == [None, "old", "old", "new", "new"]


def test_a_template_is_filled_by_name_and_keeps_other_braces() -> None:
    assert filled("{a} '{}' {b} {a}", a="1", b="{a}") == "1 '{}' {a} 1"


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_percent_sign_is_either_bound_or_doubled(text: str) -> None:
    bare = re.sub(r"%\(\w+\)s", "", text)
    bound = text in {sql for probe in PROBES for sql in probe.sql.values()} or text == statements.HEAVIEST
    # The driver reads percent signs only where values are bound.
    assert "%" not in (bare.replace("%%", "") if bound else bare)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_no_template_is_left_unfilled(text: str) -> None:
    assert re.findall(r"\{\w+\}", text.replace("{view}", "") if text == statements.HEAVIEST else text) == []


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_nothing_that_is_asked_could_write_or_lock(text: str) -> None:
    bare = re.sub(r"--[^\n]*|'[^']*'", "", text)
    words = set(re.findall(r"\w+", bare.upper()))
    assert not words & WRITING
    assert ";" not in bare
    assert "LOCK TABLE" not in bare.upper()


@pytest.mark.parametrize("thresholds", [{}, {name: {"floor": None} for name in CHECKS}], ids=["default", "no floors"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_every_placeholder_has_a_value(text: str, thresholds: dict[str, object]) -> None:
    scope = Examination.from_options(options(thresholds=thresholds)).scope
    interview = Interview({"dbname": "postgres"}, scope)
    interview.observed.server = rows.server()
    assert set(re.findall(r"%\((\w+)\)s", text)) <= set(interview.values())


@pytest.mark.parametrize("probe", [probe for probe in PLAIN if probe.convert is None], ids=named)
@pytest.mark.parametrize("major", MAJORS)
def test_a_statement_names_every_column_of_its_row(probe: Probe, major: int) -> None:
    statement = probe.statement(major) or ""
    missing = [each.name for each in fields(probe.row) if not re.search(rf'\b{each.name}\b"?', statement)]
    assert missing == []


def test_a_database_question_says_in_its_name_where_bloat_is_not_known() -> None:
    assert {bloat.TABLE_BLOAT.scope, bloat.UNESTIMATED.scope} == {DATABASE}


def test_queries_of_others_are_masked_as_they_come_in() -> None:
    record = {
        **{each.name: None for each in fields(sessions.SessionAge)},
        "query": "ALTER ROLE a PASSWORD 'hunter2'",
    }
    (found,) = decoded(sessions.ACTIVE_QUERIES, [record], rows.server())
    assert found.query == "ALTER ROLE a PASSWORD '...'"
    (hidden,) = decoded(sessions.ACTIVE_QUERIES, [{**record, "query": None}], rows.server())
    assert hidden.query == ""


@pytest.mark.parametrize(
    "probe", [probe for probe in PROBES if "query" in {f.name for f in fields(probe.row)}], ids=named
)
def test_every_row_with_a_query_is_one_that_is_masked(probe: Probe) -> None:
    assert probe.convert is None


def test_partitions_are_told_as_how_far_they_reach() -> None:
    record = {
        "table": "public.orders",
        "partitions": 2,
        "bounds": [
            "FOR VALUES FROM ('2030-06-01') TO ('2030-07-01')",
            "FOR VALUES FROM ('2030-07-01') TO ('2030-08-01')",
        ],
        "default_partition": None,
        "default_rows": 0,
        "detach_pending": [],
    }
    (found,) = decoded(tables.PARTITIONED_TABLES, [record], rows.server(now="2030-06-15 12:00:00"))
    assert (found.partitions_ahead, found.newest_bound, found.partitions) == (1, "2030-08-01", 2)
