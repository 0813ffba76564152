"""The page: status first, then what to do, then figures; safe to print whatever names hold."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import (
    PROBES,
    custom,
    databases,
    pooler,
    progress,
    replication,
    sessions,
    statements,
    storage,
    tables,
    wal,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.facts import facts
from ansible_collections.runbook.postgres.plugins.module_utils._health.judge import Finding
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import (
    DATABASE,
    Observed,
    Probe,
    Unavailable,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.report import WIDTH, printable, rendered
from tests.unit.plugins.rows import observed, row

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def finding(check: str, severity: str, message: str, remedy: str = "Do something.", **values: Any) -> Finding:
    usual = {"value": 1, "warning": 0, "critical": None, "unit": "rows", "object": None, "database": None}
    return Finding(check=check, severity=severity, message=message, remedy=remedy, **{**usual, **values})


def page(seen: Observed | None = None, findings: tuple[Finding, ...] = (), colour: bool = False) -> str:
    return rendered(facts(observed() if seen is None else seen, findings, 84), "pg1", colour)


def figures(probe: Probe, **values: Any) -> str:
    """The page's figures of a server of which one row was seen, on one line."""
    database = "shop" if probe.scope == DATABASE else None
    return " ".join(page(observed((probe, row(probe.row, **values)), database=database)).split("FIGURES")[-1].split())


def test_a_healthy_server_is_told_in_three_lines() -> None:
    assert page().splitlines() == [
        "pg1  PostgreSQL 15.14 primary" + " " * (WIDTH - 31) + "OK",
        "15/main, timeline 1, up 1 d, checksums on, asked as monitoring, in 84 ms",
        "Nothing needs attention.",
    ]


def test_what_is_unset_is_not_said() -> None:
    second = page(observed(cluster_name="", data_checksums=False)).splitlines()[1]
    assert second == "timeline 1, up 1 d, checksums off, asked as monitoring, in 84 ms"


def test_the_status_stands_in_the_first_line_and_findings_by_severity() -> None:
    shown = page(
        findings=(
            finding("inodes", "info", "There could be more."),
            finding("disk", "critical", "The disk is full."),
            finding("lag", "warning", "It lags."),
        )
    )
    assert shown.splitlines()[0].endswith("CRITICAL")
    order = [shown.index(word) for word in ("CRITICAL  1", "The disk is full.", "WARNING  1", "It lags.", "ADVICE  1")]
    assert order == sorted(order)
    assert "Nothing needs attention." not in shown


def test_a_remedy_is_said_once_for_all_findings_of_a_check() -> None:
    shown = page(
        findings=(
            finding("dead_rows", "warning", "Table a.", "VACUUM it."),
            finding("lag", "warning", "It lags.", ""),
            finding("dead_rows", "warning", "Table b.", "VACUUM it."),
        )
    )
    assert shown.count("VACUUM it.") == 1
    assert shown.count("->") == 1
    assert re.search(r"WARNING  3\n  dead_rows\n    Table a\.\n    Table b\.\n    -> VACUUM it\.\n  lag\n", shown)


def test_findings_of_a_check_with_remedies_of_their_own_have_each_its_own() -> None:
    shown = page(
        findings=(
            finding("invalid_index", "warning", "Index a.", "REINDEX it."),
            finding("invalid_index", "warning", "Index b.", "DROP it."),
            finding("invalid_index", "warning", "Index c.", "REINDEX it."),
        )
    )
    assert re.search(
        r"  invalid_index\n    Index a\.\n    Index c\.\n    -> REINDEX it\.\n    Index b\.\n    -> DROP it\.\n", shown
    )


@pytest.mark.parametrize(
    ("message", "database", "shown"),
    [
        ("public.t holds dead rows.", "shop", "shop: public.t holds dead rows."),
        ("shop.t holds dead rows.", "shop", "shop: shop.t holds dead rows."),
        ("Database shop takes 5 GiB.", "shop", "Database shop takes 5 GiB."),
        ("Pid 4 (app in shop from local) is idle.", "shop", "Pid 4 (app in shop from local) is idle."),
        ("2 tables of database shop wait.", "shop", "2 tables of database shop wait."),
        ("The disk is full.", None, "The disk is full."),
    ],
)
def test_a_finding_is_told_with_its_database(message: str, database: str | None, shown: str) -> None:
    assert f"    {shown}\n" in page(findings=(finding("x", "warning", message, database=database),))


def test_a_dead_server_is_a_page_too() -> None:
    shown = page(Observed(down="It refused."), (finding("unreachable", "critical", "It refused."),))
    assert shown.splitlines()[0] == "pg1" + " " * (WIDTH - 7) + "DOWN"
    assert "It refused." in shown
    assert "FIGURES" not in shown


def test_what_was_not_answered_is_told_with_its_reason_and_place() -> None:
    shown = page(Observed(unavailable=[Unavailable("disks", "elsewhere"), Unavailable("tables", "too late", "shop")]))
    assert "NOT ANSWERED\n  disks: elsewhere\n  tables in shop: too late\n" in shown


def test_colours_come_only_when_asked_for() -> None:
    found = (finding("disk", "critical", "Full."), finding("lag", "warning", "Late."), finding("x", "info", "Hm."))
    seen = Observed(unavailable=[Unavailable("disks", "elsewhere")])
    plain, coloured = page(seen, found), page(seen, found, colour=True)
    assert "\x1b" not in plain
    assert len(set(ESCAPES.findall(coloured))) >= 4
    assert ESCAPES.sub("", coloured) == plain


@pytest.mark.parametrize(
    ("probe", "values", "expected"),
    [
        (
            sessions.SESSION_TOTALS,
            {
                "clients": 9,
                "max_connections": 100,
                "used_percent": 9.0,
                "active": 2,
                "idle": 6,
                "idle_in_transaction": 1,
            },
            "connections 9 of 100 (9 %): 2 active, 6 idle, 1 idle in transaction, 0 waiting for a lock",
        ),
        (databases.DATABASE_SIZES, {"database": "shop", "bytes": 1024}, "databases shop: 1.0 KiB"),
        (
            tables.TABLES,
            {"table": "public.t", "total_bytes": 1024, "live_rows": 2000, "dead_rows": 3},
            "largest tables shop public.t: 1.0 KiB, 2,000 rows, 3 dead",
        ),
        (
            statements.STATEMENTS,
            {"total_percent": 61.2, "calls": 1200, "mean_milliseconds": 3.14, "query": "SELECT $1"},
            "heaviest statements 61 % of the time, 1,200 calls of 3.1 ms: SELECT $1",
        ),
        (statements.STATEMENTS, {"query": "x" * 70}, "0 % of the time, 0 calls of 0.0 ms: " + "x" * 57 + "..."),
        (
            replication.STANDBY,
            {"sender": "pg1 port 5432", "replay_lag_seconds": 4.0, "paused": True},
            "replication follows pg1 port 5432, 4.0 s behind, replay paused",
        ),
        (replication.STANDBY, {}, "follows no sender, 0.0 s behind"),
        (
            replication.REPLICAS,
            {"name": "pg2", "state": "streaming", "sync_state": "async", "replay_lag_bytes": 2048},
            "pg2 streaming async, behind by 2.0 KiB",
        ),
        (replication.REPLICAS, {"name": "pg2", "state": "startup", "sync_state": "async"}, "behind by unknown"),
        (
            replication.REPLICATION_SLOTS,
            {"name": "s1", "active": True, "retained_bytes": 1024},
            "slot s1 active, keeps 1.0 KiB",
        ),
        (replication.REPLICATION_SLOTS, {"name": "s1"}, "slot s1 inactive, keeps nothing"),
        (wal.WAL_DIRECTORY, {"files": 1, "bytes": 1024}, "WAL 1.0 KiB in 1 file"),
        (wal.ARCHIVER, {"mode": "off", "failing": True}, "archiving off, 0 files archived, 0 failures"),
        (wal.ARCHIVER, {"mode": "on", "failing": True, "failed": 3}, "archiving failing, 0 files archived, 3 failures"),
        (wal.ARCHIVER, {"mode": "on", "archived": 1}, "archiving working, 1 file archived, 0 failures"),
        (wal.CHECKPOINTS, {"timed": 3, "requested": 1}, "checkpoints 3 timed, 1 forced"),
        (
            storage.DISKS,
            {"path": "/data", "used_percent": 50.4, "total_bytes": 4096, "available_bytes": 1024, "purpose": "WAL"},
            "disks /data: 50 % of 4.0 KiB, 1.0 KiB left (WAL)",
        ),
        (
            progress.RUNNING_WORK,
            {"operation": "VACUUM", "object": "public.t", "phase": "scanning heap", "done_percent": 12.0},
            "running work VACUUM public.t (scanning heap, 12 %)",
        ),
        (progress.BASE_BACKUPS, {"operation": "BASE BACKUP", "phase": "waiting"}, "BASE BACKUP (waiting)"),
        (
            pooler.POOLS,
            {"pool": "shop/app", "mode": "transaction", "servers_active": 3, "size": 20, "clients_waiting": 1},
            "PgBouncer shop/app transaction: 3 of 20 servers, 1 client waiting",
        ),
    ],
)
def test_figures(probe: Probe, values: dict[str, Any], expected: str) -> None:
    assert expected in figures(probe, **values)


def test_a_database_is_told_with_its_cache_and_age_where_known() -> None:
    sizes = row(databases.DatabaseSize, database="shop", bytes=1024)
    activity = row(databases.DatabaseActivity, database="shop", cache_hit_percent=99.25, xid_age=1234567)
    shown = page(observed((databases.DATABASE_SIZES, sizes), (databases.DATABASE_ACTIVITY, activity)))
    assert "shop: 1.0 KiB, 99.2 % from cache, xid age 1,234,567" in shown


def test_long_lists_are_cut_to_the_largest() -> None:
    many = (row(tables.Table, table=f"t{number:02}", total_bytes=number) for number in range(20))
    shown = page(observed(*((tables.TABLES, each) for each in many), database="shop"))
    assert re.findall(r"shop (t\d\d)", shown) == ["t19", "t18", "t17", "t16", "t15"]


def test_who_waits_for_whom_is_drawn() -> None:
    parties = (
        row(sessions.LockParty, pid=1, role="app", database="shop", state="idle in transaction", query="UPDATE a"),
        row(
            sessions.LockParty, pid=2, role=None, database="shop", blocked_by=[1], waiting_seconds=5.0, lock="ShareLock"
        ),
        row(
            sessions.LockParty, pid=3, role="app", database="shop", blocked_by=[2], waiting_seconds=2.0, lock="RowLock"
        ),
        row(
            sessions.LockParty, pid=9, role="app", database="shop", blocked_by=[0], waiting_seconds=1.0, lock="RowLock"
        ),
    )
    shown = page(observed(*((sessions.LOCK_PARTIES, party) for party in parties)))
    assert shown.split("WHO WAITS FOR WHOM\n")[1].splitlines() == [
        "  pid 1 app in shop idle in transaction: UPDATE a",
        "     └─ pid 2 server process in shop waits 5.0 s for ShareLock",
        "        └─ pid 3 app in shop waits 2.0 s for RowLock",
        "  a prepared transaction",
        "     └─ pid 9 app in shop waits 1.0 s for RowLock",
    ]


# -- whatever names hold ----------------------------------------------------

HOSTILE = [
    "\x1b]0;owned\x07",
    "\x1b[2J\x1b[1;1H",
    "\x9b31m",
    "a\nCRITICAL  9\n",
    "a\r\x0b\x0c\u2028\u2029\x85b",
    "\u202egnp.exe",
    "\u2066x\u2069",
    "\u200b\ufeff",
    "\x00\x08\x7f",
    "\ud800",
    "%s %(x)s {0} {name} %",
    "Ω \"quoted\" 'name' \\ é 表 😀",
]


def everything(name: str) -> Observed:
    """A row of each kind that is full of this name wherever text may stand."""
    seen = observed(cluster_name=name, user=name)
    for probe in PROBES:
        told = {each: name for each, kind in probe.row.__annotations__.items() if kind.startswith("str")}
        numbers = {each: 7 for each, kind in probe.row.__annotations__.items() if kind.startswith("int")}
        for found in observed((probe, row(probe.row, **{**numbers, **told})), database=name).of(probe):
            seen.add(probe, [found])
    seen.unavailable.append(Unavailable("tables", name, name))
    return seen


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_can_steer_the_terminal_or_forge_a_line(name: str) -> None:
    seen = everything(name)
    found = (finding("x", "warning", f"Table {name} is odd.", f"Drop {name}.", object=name, database=name),)
    shown = rendered(facts(seen, found, 1), name)
    assert [character for character in shown if not character.isprintable() and character != "\n"] == []
    assert not re.search(r"^CRITICAL", shown, re.MULTILINE)
    shown.encode("utf-8")
    assert ESCAPES.sub("", rendered(facts(seen, found, 1), name, colour=True)) == shown


@given(st.text())
def test_what_is_printed_is_printable_and_plain_words_stay(name: str) -> None:
    shown = printable(name)
    assert shown.isprintable()
    assert printable(shown) == shown
    if name.isprintable():
        assert shown == name


@given(st.text(st.characters(codec="utf-8"), max_size=300), st.booleans())
def test_lines_stay_within_the_width_where_words_allow(text: str, colour: bool) -> None:
    found = (finding("x", "warning", f"It says: {text}", text, database=text),)
    shown = rendered(facts(everything(text[:63]), found, 1), "pg1", colour)
    assert max(len(line) for line in ESCAPES.sub("", shown).splitlines()) <= WIDTH


def test_a_code_tells_which_character_it_was() -> None:
    assert printable("a\x1b\u202e\nb\tc") == "a\\x1b\\u202e b c"


def test_nested_values_are_made_printable_and_numbers_stay() -> None:
    assert printable({"a": ["\x07", 1, None, ("\x07",)]}) == {"a": ["\\x07", 1, None, ["\\x07"]]}


def test_own_checks_have_no_figures_but_their_findings() -> None:
    seen = observed((custom.CUSTOM_VALUES, row(custom.CustomValue, check="backlog", value=3.0)))
    assert "FIGURES" not in page(seen)
