"""Why a standby is behind and who reads from it, as a table."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.filter import replica_lag
from ansible_collections.runbook.postgres.plugins.module_utils._lag.cause import Limits, judge

FILTER = replica_lag.FilterModule().filters()["replica_lag"]
PRIMARY = {"name": "db1", "slot": "db2", "oldest_wal": "0/3000000", "sent": {"db2": "0/5000100"}, "lost": []}
LIMITS = Limits(30.0, 10.0)
LONGEST = {"pid": 77, "user": "ann", "database": "shop", "application": "report", "seconds": 700.0}


def standby(**changes: Any) -> dict[str, Any]:
    """One that is behind by 8 MiB which it has, and replays."""
    return {
        "caught_up": False,
        "target": "0/5800000",
        "replayed": "0/5000000",
        "received": "0/5800000",
        "replayed_before": "0/4F00000",
        "age": 42.0,
        "paused": False,
        "delay": "0",
        "patience": "30s",
        "streams": True,
        "replay_waits": {"none": 20},
        "receiver_waits": {"Activity:WalReceiverMain": 20},
        "longest": None,
        "watched": 5.0,
        **changes,
    }


STARVED = {"received": "0/5000000", "replay_waits": {"Activity:RecoveryWalStream": 20}}

CAUSES: list[tuple[dict[str, Any], str, tuple[str, ...]]] = [
    ({"paused": True}, "paused", ("pg_wal_replay_resume",)),
    ({"replay_waits": {"Timeout:RecoveryApplyDelay": 3, "none": 17}, "delay": "1h"}, "apply_delay", ("is 1h",)),
    ({"replay_waits": {"Lock:relation": 1, "none": 19}}, "conflict", ("a reader to end", "up to 30s")),
    (
        {"replay_waits": {"IPC:RecoveryConflictSnapshot": 20}, "longest": LONGEST},
        "conflict",
        ("ann in shop by report (PID 77)", "12 min", "pg_terminate_backend(77)"),
    ),
    ({"replay_waits": {"BufferPin:BufferPin": 20}, "patience": "-1"}, "conflict", ("without a limit",)),
    ({"streams": False, **STARVED}, "not_receiving", ("pg_hba.conf",)),
    (
        {"streams": False, "received": None, "replayed": "0/2000000"},
        "missing_wal",
        ("0/3000000", "replication_rebuild"),
    ),
    (STARVED, "network", ("was sent 0/5000100 and has received 0/5000000 of 0/5800000",)),
    ({**STARVED, "receiver_waits": {"IO:WALSync": 18, "none": 2}}, "disk", ("WALSync",)),
    ({"replay_waits": {"IO:DataFileRead": 15, "none": 5}}, "disk", ("DataFileRead",)),
    ({}, "replay", ("205 KiB a second",)),
    ({"received": "0/5700000"}, "replay", ("one process",)),
]


@pytest.mark.parametrize(("changes", "cause", "words"), CAUSES)
def test_one_cause_is_named(changes: dict[str, Any], cause: str, words: tuple[str, ...]) -> None:
    lag = judge("db2", standby(**changes), PRIMARY, LIMITS, away=False)
    assert lag.cause == cause
    assert lag.sentence.startswith("db2 is 42 s and ")
    assert lag.sentence.endswith(".")
    assert all(word in lag.sentence for word in words), lag.sentence
    assert (lag.away, lag.moves) == (True, True)


def test_a_slot_that_lost_its_wal() -> None:
    lost = {**PRIMARY, "lost": ["db2"], "oldest_wal": None}
    assert judge("db2", standby(streams=False), lost, LIMITS, away=False).cause == "missing_wal"


def test_nobody_is_told_whom_the_primary_does_not_send_to() -> None:
    lag = judge("db3", standby(**STARVED), {**PRIMARY, "slot": "db3"}, LIMITS, away=False)
    assert "it has received 0/5000000 of" in lag.sentence


# Seconds behind, whether readers are away already, and whether they are then.
READERS = [
    (0.0, False, False),
    (29.0, False, False),
    (31.0, False, True),
    (31.0, True, True),
    (29.0, True, True),
    (11.0, True, True),
    (9.0, True, False),
]


@pytest.mark.parametrize(("seconds", "before", "after"), READERS)
def test_readers_leave_over_the_limit_and_come_back_well_under_it(seconds: float, before: bool, after: bool) -> None:
    lag = judge("db2", standby(age=seconds, watched=1.0), PRIMARY, LIMITS, away=before)
    assert (lag.away, lag.moves) == (after, before is not after)


def test_who_has_it_all_is_not_behind_however_old_its_last_transaction_is() -> None:
    seen = standby(caught_up=True, replayed="0/5800000", age=86400.0, watched=0.0, streams=False)
    lag = judge("db2", seen, PRIMARY, LIMITS, away=True)
    assert (lag.seconds, lag.size, lag.cause, lag.away) == (0.0, 0, None, False)
    assert lag.sentence == "db2 has replayed all that db1 had 0 s before."


def test_who_never_replayed_a_transaction_is_at_least_as_far_behind_as_it_was_looked_at() -> None:
    lag = judge("db2", standby(age=None, replayed=None, watched=31.0), PRIMARY, LIMITS, away=False)
    assert (lag.seconds, lag.size, lag.away) == (31.0, 0x5800000, True)


def test_the_filter_tells_of_each() -> None:
    told = FILTER({"db2": {"seen": standby(), "member": "db2", "away": False}}, PRIMARY, over="60", back="5")
    assert told["db2"]["cause"] == "replay"
    assert (told["db2"]["away"], told["db2"]["moves"], told["db2"]["bytes"]) == (False, False, 8 << 20)


@pytest.mark.parametrize(
    "given", [None, 5, {"db2": None}, {"db2": {}}, {"db2": {"seen": {}, "member": "a", "away": 0}}]
)
def test_what_are_no_servers_is_refused_in_one_sentence(given: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="pass what pg_replica_lag_info returned"):
        FILTER(given, PRIMARY)


LSNS = st.integers(0, 1 << 40).map(lambda number: f"{number >> 32:X}/{number & 0xFFFFFFFF:X}")
WAITS = st.dictionaries(
    st.sampled_from(["none", "IO:WALRead", "Lock:relation", "Activity:RecoveryWalStream"]),
    st.integers(1, 50),
    min_size=1,
)


@given(
    st.fixed_dictionaries(
        {
            "caught_up": st.booleans(),
            "target": LSNS,
            "replayed": st.none() | LSNS,
            "received": st.none() | LSNS,
            "age": st.none() | st.floats(0, 1e6),
            "paused": st.booleans(),
            "streams": st.booleans(),
            "replay_waits": WAITS,
            "receiver_waits": WAITS,
            "longest": st.none() | st.just(LONGEST),
            "watched": st.floats(0, 100),
        }
    ),
    st.booleans(),
)
def test_whatever_is_seen_who_is_behind_has_a_cause_and_readers_go_by_the_limits(
    seen: dict[str, Any], away: bool
) -> None:
    lag = judge("db2", standby(**seen), PRIMARY, LIMITS, away=away)
    assert (lag.cause is None) == seen["caught_up"]
    assert not (lag.away and lag.seconds < 9.9)
    assert lag.away or lag.seconds < 30.1
    assert not (lag.moves and 10.1 < lag.seconds < 29.9)
