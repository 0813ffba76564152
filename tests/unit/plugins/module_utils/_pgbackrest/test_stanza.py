"""What is to be done about a cluster's place in its repositories."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.stanza import Place, StanzaPlan, plan, read

THERE = Place(1, 0, "ok", archives=True)


def told(code: int, key: int = 1, message: str = "", **more: Any) -> dict[str, Any]:
    return {"key": key, "status": {"code": code, "message": message}, **more}


def test_what_it_prints_is_read() -> None:
    archive = [{"database": {"id": 1, "repo-key": 2}, "max": "000000010000000000000005"}]
    info = [{"archive": archive, "repo": [told(2, 1, "no valid backups"), told(0, 2, "ok")]}]
    assert read(info) == [Place(1, 2, "no valid backups", archives=False), Place(2, 0, "ok", archives=True)]
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
