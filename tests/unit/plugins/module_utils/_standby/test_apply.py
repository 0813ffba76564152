"""What is not done to data on which a server still runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._standby import apply, local
from ansible_collections.runbook.postgres.plugins.module_utils._standby.apply import Apply
from ansible_collections.runbook.postgres.plugins.module_utils._standby.clone import Copying
from ansible_collections.runbook.postgres.plugins.module_utils._standby.conninfo import Conninfo
from ansible_collections.runbook.postgres.plugins.module_utils._standby.place import Place
from ansible_collections.runbook.postgres.plugins.module_utils._standby.plan import MoveAside, Stop, Wanted

COPYING = Copying(15, Conninfo(()), None, None, "fast", 60.0)


@pytest.mark.parametrize("runs", [True, False])
def test_data_stay_where_they_are_while_a_server_runs_on_them(
    runs: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The unit was stopped, and that server was never its own."""
    asked: list[list[str]] = []
    monkeypatch.setattr(apply, "run", lambda argv, _seconds: asked.append(argv))
    monkeypatch.setattr(local, "server_of", lambda _port, _directory: local.Server(in_recovery=True) if runs else None)
    data = tmp_path / "main"
    data.mkdir()
    wanted = Wanted(15, "main", Place(data), "192.0.2.1 port 5432", stamp="now")
    doing = Apply(wanted, COPYING, 5432, None)
    steps = Plan((Stop("15/main"), MoveAside(str(data), str(wanted.place.aside("now")))))
    if runs:
        with pytest.raises(Refused, match="a server goes on running on"):
            doing.carry_out(steps)
    else:
        doing.carry_out(steps)
    assert asked == [["systemctl", "stop", "postgresql@15-main.service"]]
    assert data.is_dir() == runs
    assert len(doing.done) == (0 if runs else 2)
