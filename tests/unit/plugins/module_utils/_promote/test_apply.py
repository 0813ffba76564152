"""A promotion that the server has not come to is taken back, so that it does not happen hours later beside another."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._promote import apply
from ansible_collections.runbook.postgres.plugins.module_utils._promote.plan import Promote


@pytest.mark.parametrize(
    ("signalled", "said"),
    [(True, "that was taken back, so that it stays a standby"), (False, "start no other primary")],
)
def test_one_that_has_not_begun_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signalled: bool, said: str
) -> None:
    signal = tmp_path / "promote"

    class Socket:
        def psql(self, _statement: str) -> str:
            # The server removes it itself when it comes to it.
            if signalled:
                signal.touch()
            return "f"

    place: Any = SimpleNamespace(title="15/main", data=tmp_path, socket=lambda _seconds: Socket())
    monkeypatch.setattr(apply, "ask", lambda _place: SimpleNamespace(in_recovery=True))
    before: Any = SimpleNamespace(timeline=1)
    promoting = apply.Promoting(place, before, Deadline(1.0), {})
    with pytest.raises(Problem, match=said):
        promoting.carry_out((Promote.__new__(Promote),))
    assert not signal.exists()
