"""The shape in which everything is handed over."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import (
    PROBES,
    databases,
    server,
    sessions,
    tables,
    wal,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.facts import facts
from ansible_collections.runbook.postgres.plugins.module_utils._health.judge import Finding
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Observed, Probe, Seen, Unavailable
from tests.unit.plugins.rows import observed, row

FINDING = Finding("dead_rows", "warning", 12.34567, 5, None, "rows", "public.t", "shop", "There are many.", "VACUUM.")


def test_a_server_that_is_down_has_every_key_and_no_figures() -> None:
    assert facts(Observed(down="No answer."), [], 12) == {
        "status": "down",
        "server": {},
        "metrics": {},
        "findings": [],
        "ignored": {},
        "unavailable": [],
        "duration_ms": 12,
    }


def test_a_server_tells_who_it_is_and_not_what_only_we_need() -> None:
    seen = observed((server.PENDING_SETTINGS, row(server.PendingSetting, name="port")), uptime_seconds=1.23456)
    shown = facts(seen, [], 1)["server"]
    assert shown == {
        "version": "15.14 (Debian 15.14-0+deb12u1)",
        "version_num": 150014,
        "role": "primary",
        "timeline": 1,
        "system_identifier": "7533480527171493921",
        "cluster_name": "15/main",
        "data_checksums": True,
        "uptime_seconds": 1.235,
        "user": "monitoring",
        "autovacuum": True,
        "synchronous_standby_names": "",
        "settings_pending_restart": ["port"],
    }
    assert facts(seen, [], 1)["metrics"] == {}


def test_findings_and_gaps_are_dictionaries() -> None:
    seen = Observed(unavailable=[Unavailable("disks", "elsewhere"), Unavailable("tables", "late", "shop")])
    shown = facts(seen, [FINDING], 1)
    assert shown["status"] == "warning"
    assert shown["findings"] == [
        {
            "check": "dead_rows",
            "severity": "warning",
            "value": 12.346,
            "warning": 5,
            "critical": None,
            "unit": "rows",
            "object": "public.t",
            "database": "shop",
            "message": "There are many.",
            "remedy": "VACUUM.",
        }
    ]
    assert shown["unavailable"] == [
        {"probe": "disks", "reason": "elsewhere", "database": None},
        {"probe": "tables", "reason": "late", "database": "shop"},
    ]


@pytest.mark.parametrize(
    ("probe", "rows", "subset", "expected"),
    [
        (
            databases.DATABASE_SIZES,
            [(None, {"database": "shop", "bytes": 5, "other_tablespaces": False})],
            "databases",
            [{"database": "shop", "bytes": 5, "other_tablespaces": False}],
        ),
        (
            tables.VACUUM_BACKLOG,
            [("shop", {"tables_due": 3, "tables_excluded": 0})],
            "tables",
            [{"database": "shop", "tables_due": 3, "tables_excluded": 0}],
        ),
        (tables.VACUUM_BACKLOG, [], "tables", []),
        (
            wal.ARCHIVE_QUEUE,
            [(None, {"files": 2, "oldest_seconds": 1.00049})],
            "wal",
            {"files": 2, "oldest_seconds": 1.0},
        ),
        (wal.ARCHIVE_QUEUE, [], "wal", None),
    ],
)
def test_a_question_with_one_answer_is_a_dictionary_and_others_are_lists(
    probe: Probe, rows: list[tuple[str | None, dict[str, Any]]], subset: str, expected: object
) -> None:
    seen = observed()
    seen.add(probe, [Seen(database, row(probe.row, **values)) for database, values in rows])
    assert facts(seen, [], 1)["metrics"] == {subset: {probe.name: expected}}


def test_blocking_is_told_as_trees_without_the_list_they_were_made_from() -> None:
    parties = [
        row(sessions.LockParty, pid=1, role="app", database="shop", transaction_seconds=2.34567),
        row(sessions.LockParty, pid=2, blocked_by=[1], waiting_seconds=1.0, lock="ShareLock on transactionid"),
    ]
    shown = facts(observed(*((sessions.LOCK_PARTIES, party) for party in parties)), [], 1)["metrics"]["sessions"]
    assert set(shown) == {"blocking"}
    (root,) = shown["blocking"]
    assert (root["pid"], root["role"], root["transaction_seconds"]) == (1, "app", 2.346)
    assert "blocked_by" not in root
    (waiter,) = root["blocks"]
    assert (waiter["pid"], waiter["lock"], waiter["blocks"]) == (2, "ShareLock on transactionid", [])


def test_a_prepared_transaction_at_the_root_has_no_session() -> None:
    seen = observed((sessions.LOCK_PARTIES, row(sessions.LockParty, pid=2, blocked_by=[0])))
    (root,) = facts(seen, [], 1)["metrics"]["sessions"]["blocking"]
    assert (set(root), root["pid"]) == ({"pid", "blocks"}, 0)


def test_nobody_waiting_is_an_empty_list_and_not_asked_is_nothing() -> None:
    seen = observed()
    seen.add(sessions.LOCK_PARTIES, [])
    assert facts(seen, [], 1)["metrics"] == {"sessions": {"blocking": []}}
    assert facts(observed(), [], 1)["metrics"] == {}


def test_everything_can_be_written_as_json() -> None:
    seen = observed(*((probe, row(probe.row)) for probe in PROBES))
    shown = facts(seen, [FINDING], 1)
    assert json.loads(json.dumps(shown)) == shown


def test_of_many_blocking_trees_the_limit_is_shown_the_largest_first() -> None:
    waits = {2: [1], 3: [1], 11: [10], 21: [20]}
    parties = [row(sessions.LOCK_PARTIES.row, pid=pid, blocked_by=by) for pid, by in waits.items()]
    seen = observed(*((sessions.LOCK_PARTIES, party) for party in parties))
    shown = facts(seen, [], 1, limit=2)["metrics"]["sessions"]["blocking"]
    assert [tree["pid"] for tree in shown] == [1, 10]
