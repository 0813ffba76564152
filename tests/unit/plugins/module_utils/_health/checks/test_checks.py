"""Every check, with the levels it ships with: just beyond one it speaks, just not beyond it does not."""

from __future__ import annotations

import re

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import PROBES
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import custom as custom_catalog
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import databases as databases_catalog
from ansible_collections.runbook.postgres.plugins.module_utils._health.checks import CHECKS
from ansible_collections.runbook.postgres.plugins.module_utils._health.checks.others import custom_check
from ansible_collections.runbook.postgres.plugins.module_utils._health.judge import GRAVEST_FIRST, Finding, judge
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Observed
from ansible_collections.runbook.postgres.plugins.module_utils._health.request import SUBSETS
from ansible_collections.runbook.postgres.plugins.module_utils._health.thresholds import merged
from ansible_collections.runbook.postgres.plugins.module_utils._synchronous import required_standbys
from tests.unit.plugins.module_utils._health.checks import (
    backups,
    databases,
    keeper,
    pooler,
    replication,
    server,
    sessions,
    tables,
    wal,
)
from tests.unit.plugins.module_utils._health.checks.case import Case
from tests.unit.plugins.rows import observed, row

CASES: list[Case] = [
    case
    for room in (server, sessions, databases, replication, wal, backups, tables, pooler, keeper)
    for case in room.CASES
]


def findings(case: Case, seen: Observed) -> list[Finding]:
    levels = merged(CHECKS, {case.check: case.thresholds})
    return [each for each in judge(seen, CHECKS, levels) if each.check == case.check]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_beyond_its_level_a_check_speaks(case: Case) -> None:
    (finding,) = findings(case, case.beyond)
    assert (finding.severity, finding.object, finding.database) == (case.severity, case.object, case.database)
    assert case.message is None or finding.message == case.message


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_up_to_its_level_a_check_is_milder_or_silent(case: Case) -> None:
    graver = GRAVEST_FIRST[: GRAVEST_FIRST.index(case.severity) + 1]
    assert [each for each in findings(case, case.within) if each.severity in graver] == []


@pytest.mark.parametrize("case", [case for case in CASES if case.message], ids=lambda case: case.name)
def test_a_sentence_ends_and_names_its_object(case: Case) -> None:
    (finding,) = findings(case, case.beyond)
    # What somebody runs is quoted last, as it is.
    quotes_a_query = finding.unit in ("s", "ms") and re.search(r": (SELECT|no query)", finding.message)
    assert finding.message.endswith(".") is not bool(quotes_a_query)
    assert "\n" not in finding.message
    assert "None" not in finding.message
    # A path, a statement's number or a prepared transaction is told in other words.
    told_otherwise = ("disk_used_percent", "inodes_used_percent", "statement_mean_milliseconds")
    if finding.object and finding.check not in told_otherwise:
        assert finding.object.lower() in finding.message.lower()


def test_every_check_has_its_cases() -> None:
    assert {case.check for case in CASES} == set(CHECKS)


def test_every_default_level_has_its_case() -> None:
    told = {(case.check, case.severity) for case in CASES}
    shipped = {
        (name, level)
        for name, check in CHECKS.items()
        for level in GRAVEST_FIRST
        if getattr(check.levels, level) is not None
    }
    assert shipped <= told


def test_a_healthy_server_has_no_findings() -> None:
    assert judge(observed(), CHECKS, merged(CHECKS, {})) == []
    assert judge(Observed(), CHECKS, merged(CHECKS, {})) == []


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_a_check_is_described(name: str) -> None:
    check = CHECKS[name]
    assert check.name == name
    assert check.unit
    assert check.remedy.endswith(".")
    assert check.subset in SUBSETS


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        ("session", "pg_terminate_backend"),
        ("replica", "hot_standby_feedback"),
        ("slot", "pg_drop_replication_slot"),
        ("prepared transaction", "ROLLBACK PREPARED"),
        ("something new", "End the session"),
    ],
)
def test_what_holds_vacuum_back_says_how_it_is_let_go(kind: str, remedy: str) -> None:
    held = row(databases_catalog.XminHolder, kind=kind, name="x", transactions=10**9)
    (finding,) = judge(observed((databases_catalog.XMIN_HOLDERS, held)), CHECKS, merged(CHECKS, {}))
    assert remedy in finding.remedy
    assert finding.remedy.endswith(".")


def test_every_subset_is_there_for_a_reason() -> None:
    used = {probe.subset for probe in PROBES}
    assert used == set(SUBSETS)
    assert {check.subset for check in CHECKS.values()} <= used


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("", 0),
        ("  ", 0),
        ("pg2", 1),
        ("pg2, pg3", 1),
        ("*", 1),
        ("FIRST 2 (a, b, c)", 2),
        ("first 1 (a)", 1),
        ("ANY 3(a,b,c)", 3),
        (" any  2 ( a , b )", 2),
        ("2 (a, b)", 2),
        ('"any 2 ("', 1),
        ('"2 (weird"', 1),
    ],
)
def test_how_many_standbys_a_commit_waits_for(names: str, expected: int) -> None:
    assert required_standbys(names) == expected


OWN = {"name": "backlog", "query": "SELECT 1", "warning": 10.0}


def own(name: str, value: float, subject: str | None = None) -> Observed:
    values = row(custom_catalog.CustomValue, check=name, value=value, object=subject)
    return observed((custom_catalog.CUSTOM_VALUES, values), database="shop")


@pytest.mark.parametrize(
    ("options", "value", "subject", "expected"),
    [
        ({}, 11, None, ("warning", "backlog is 11.", "", "")),
        ({}, 11, "orders", ("warning", "backlog on orders is 11.", "", "")),
        ({}, 10, None, None),
        ({"worse": "below"}, 9, None, ("warning", "backlog is 9.", "", "")),
        ({"worse": "below"}, 10, None, None),
        ({"info": 1.0, "warning": None}, 2, None, ("info", "backlog is 2.", "", "")),
        ({"critical": 20.0}, 21, None, ("critical", "backlog is 21.", "", "")),
        (
            {"sentence": "The queue grows.", "unit": "rows", "remedy": "Restart it."},
            11,
            "orders",
            ("warning", "The queue grows.", "rows", "Restart it."),
        ),
    ],
)
def test_a_check_of_ones_own_is_judged_like_any(
    options: dict[str, object], value: float, subject: str | None, expected: tuple[str, ...] | None
) -> None:
    checks = {"backlog": custom_check({**OWN, **options}), "other": custom_check({**OWN, "name": "other"})}
    found = judge(own("backlog", value, subject), checks, merged(checks, {}))
    assert [(each.severity, each.message, each.unit, each.remedy) for each in found] == ([expected] if expected else [])
    assert all((each.object, each.database) == (subject, "shop") for each in found)
