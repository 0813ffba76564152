"""What is to be done about a cluster's place in its repositories."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest import stanza
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.program import (
    LOCKED,
    OTHER_CLUSTER,
    PgBackRestFailed,
)
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.stanza import Place, StanzaPlan, plan, read

THERE = Place(1, 0, "ok", archives=True)


def told(code: int, key: int = 1, message: str = "", **more: Any) -> dict[str, Any]:
    return {"key": key, "status": {"code": code, "message": message}, **more}


def test_what_it_prints_is_read() -> None:
    archive = [{"database": {"id": 1, "repo-key": 2}, "max": "000000010000000000000005"}]
    databases = [{"id": 1, "repo-key": number, "system-id": 7, "version": "15"} for number in (1, 2)]
    info = [{"archive": archive, "db": databases, "repo": [told(2, 1, "no valid backups"), told(0, 2, "ok")]}]
    words = "PostgreSQL 15 with system identifier 7"
    assert read(info) == [
        Place(1, 2, "no valid backups", archives=False, cluster=words),
        Place(2, 0, "ok", archives=True, cluster=words),
    ]
    # What the cluster before an upgrade has sent says nothing of this one.
    databases.append({"id": 2, "repo-key": 2, "system-id": 8, "version": "17"})
    assert read(info)[1] == Place(2, 0, "ok", archives=False, cluster="PostgreSQL 17 with system identifier 8")
    assert read([]) == []


@pytest.mark.parametrize(
    ("places", "planned"),
    [
        ([THERE], StanzaPlan((), prove=False)),
        ([Place(1, 2, "no valid backups", archives=True)], StanzaPlan((), prove=False)),
        ([Place(1, 2, "no valid backups", archives=False)], StanzaPlan((), prove=True)),
        ([THERE, Place(2, 1, "missing stanza path", archives=False)], StanzaPlan((2,), prove=True)),
        ([Place(1, 3, "missing stanza data", archives=False)], StanzaPlan((1,), prove=True)),
        (None, StanzaPlan((1, 2), prove=True)),
    ],
)
def test_only_what_is_missing_is_made(places: list[Place] | None, planned: StanzaPlan) -> None:
    assert plan("ledger", places, 2) == planned


def test_a_repository_that_cannot_be_asked_is_refused() -> None:
    with pytest.raises(Refused, match="Repository 1 cannot be asked for stanza ledger: unable to load the file; look"):
        plan("ledger", [Place(1, 99, "unable to load the file:\nkey outside of section: \x0e", archives=False)], 1)


def test_a_stanza_of_another_cluster_goes_on_only_where_that_is_said() -> None:
    places = [Place(1, 0, "ok", archives=True, cluster="PostgreSQL 15 with system identifier 7", outdated=True)]
    with pytest.raises(
        Refused, match="another cluster than the server's, of PostgreSQL 15 with system identifier 7, so"
    ):
        plan("ledger", places, 1)
    planned = plan("ledger", places, 1, upgrade=True)
    assert planned == StanzaPlan((), prove=True, upgrade=True)
    assert (planned.changed, planned.sentences) == (True, ["have the stanza follow the cluster that is there now"])
    assert plan("ledger", [THERE], 1, upgrade=True) == StanzaPlan((), prove=False)


@pytest.mark.parametrize(
    ("codes", "outdated"),
    [
        ([0], False),
        ([OTHER_CLUSTER], True),
        # What sends WAL has the lock for a moment, a backup for hours.
        ([LOCKED, LOCKED, OTHER_CLUSTER], True),
        ([LOCKED, 0], False),
        ([LOCKED] * 9, False),
        # The server is down.
        ([56], False),
    ],
)
def test_pgbackrest_compares_the_server_with_the_stanza(
    codes: list[int], outdated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    answers = iter(codes)

    def run(command: str, *_: str) -> str:
        assert command == "stanza-create"
        code = next(answers)
        if code:
            raise PgBackRestFailed("It failed.", code)
        return ""

    assert stanza._outdated(SimpleNamespace(run=run)) is outdated  # type: ignore[arg-type]
