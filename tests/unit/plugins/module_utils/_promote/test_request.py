"""The options of pg_promote, and what it says of a promotion beforehand."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._postmaster import Postmaster
from ansible_collections.runbook.postgres.plugins.module_utils._promote import observe, request
from ansible_collections.runbook.postgres.plugins.module_utils._promote.checks import Wish
from ansible_collections.runbook.postgres.plugins.module_utils._promote.plan import plan
from ansible_collections.runbook.postgres.plugins.module_utils._promote.request import OPTIONS

GIVEN = {name: option.get("default") for name, option in OPTIONS.items()}


def test_defaults_are_the_same_in_both_places() -> None:
    assert request.wish(GIVEN) == Wish(slots=[])
    assert {each.name for each in fields(Wish)} <= set(OPTIONS)


@pytest.mark.parametrize("lsn", ["", "5000000", "0/", "0/G", "0/123456789", "0/1; SELECT 1"])
def test_what_is_no_position_is_refused(lsn: str) -> None:
    with pytest.raises(Refused, match="no position in WAL"):
        request.wish({**GIVEN, "primary_lsn": lsn})


def test_what_a_server_answers_and_what_is_told_of_it() -> None:
    server = observe.told(
        {
            "in_recovery": True,
            "system_identifier": "7",
            "timeline": 1,
            "received": "0/5000060",
            "replayed": "0/5000000",
            "current": None,
            "paused": True,
            "upstream": {"host": "192.0.2.11", "port": 5432, "lsn": "0/5000080", "heard_seconds": 3},
            "slots": ["db1"],
            "idle_slots": [],
            "settings": {"wal_segment_size": 2**24},
        }
    )
    assert server.upstream == observe.Upstream("192.0.2.11:5432", "0/5000080", 3)
    seen = observe.Seen("15/main", server, free_bytes=2**30, newest_timeline=1)
    told = request.foreseen(seen, plan(seen, Wish(primary_lsn="0/5000070", fenced=True)))
    assert not told["changed"]
    assert [each["code"] for each in told["refusals"]] == ["replay_paused", "data_loss"]
    # The upstream had said more than its end is known by.
    assert (told["to_replay_bytes"], told["loss_bytes"], told["timeline_before"]) == (0x60, 0x20, 1)


@pytest.mark.parametrize(("data", "expected"), [(None, "no instance"), (Path("/data"), "does not run")])
def test_without_a_server_it_is_refused(data: Path | None, expected: str) -> None:
    with pytest.raises(Refused, match=expected):
        observe.place(15, "main", data, None)


def test_where_a_timeline_began(tmp_path: Path) -> None:
    (tmp_path / "pg_wal").mkdir()
    place = observe.Place(15, "main", tmp_path, Postmaster(1, 5432, ""))
    assert observe.forked(place, 3) is None
    history = "1\t0/3000000\tno recovery target specified\n\n2\t0/5000060\tno recovery target specified\n"
    (tmp_path / "pg_wal/00000003.history").write_text(history)
    assert observe.forked(place, 3) == (2, "0/5000060")
