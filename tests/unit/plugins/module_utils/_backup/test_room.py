"""Whether a database has room once more, where that can be seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._backup import room
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.prove import Prover, Server
from ansible_collections.runbook.postgres.plugins.module_utils._backup.room import Room
from ansible_collections.runbook.postgres.plugins.module_utils._errors import NotPermitted, Refused

FULL = Room("/data", 1 << 20)


class Asked:
    """A session that knows one answer."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def fetch(self, _: str) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return [{"place": self.answer}]


@pytest.mark.parametrize(
    ("size", "content", "there", "lacks"),
    [
        (1 << 20, "all", FULL, True),
        (800_000, "all", FULL, False),
        (1 << 40, "schema", FULL, True),
        (1 << 40, "schema", Room("/data", 20_000_000), False),
        (1 << 40, "all", None, False),
    ],
)
def test_what_fits(size: int, content: str, there: Room | None, *, lacks: bool) -> None:
    assert (room.lack(size, content, there) is not None) == lacks


def test_numbers_are_told() -> None:
    assert room.lack(10 << 20, "all", FULL) == (
        "/data has 1 MiB left and the restored database takes about 12 MiB (it had 10 MiB)"
    )


@pytest.mark.parametrize("host", ["", "/run/postgresql", "localhost", "127.0.0.1"])
def test_a_disk_of_this_host_is_seen(host: str, tmp_path: Path) -> None:
    found: Any = Asked(str(tmp_path))
    there = room.seen(found, host)
    assert there is not None
    assert there.place == str(tmp_path)
    assert there.free > 0


@pytest.mark.parametrize(
    ("host", "answer"), [("pg1", "/"), ("", "/not/there"), ("", NotPermitted("not for this role"))]
)
def test_what_cannot_be_seen(host: str, answer: Any) -> None:
    found: Any = Asked(answer)
    assert room.seen(found, host) is None


def test_a_proof_by_restore_is_refused_where_it_would_fill_the_disk(tmp_path: Path) -> None:
    session: Any = Asked(str(tmp_path))
    way: Any = None
    server = Server(session, lambda _: session, lambda name, _: name)
    with pytest.raises(Refused, match="verify it by list"):
        Prover(way, None, 1.0, server).refuse_too_full(1 << 60, "all")
    session.answer = "/not/there"
    prover = Prover(way, None, 1.0, server)
    prover.refuse_too_full(1 << 60, "all")
    prover.refuse_too_full(1 << 60, "all")
    assert prover.warnings == [room.UNSEEN]
