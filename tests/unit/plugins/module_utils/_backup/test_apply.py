"""What becomes of the other steps of a backup's run when one of them does not work."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical import apply
from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.steps import (
    ClearFar,
    Remove,
    RemoveFar,
    Send,
    Step,
    Take,
    Verify,
)
from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._stream.offsite import NotOffsite

STEPS = (
    Take("database shop (all)", "checksum"),
    Send("b9", "vault:pg"),
    Send("b8", "vault:pg"),
    Remove("b1", "old"),
    ClearFar("b0", "vault:pg"),
    RemoveFar("b1", "vault:pg", "old"),
    RemoveFar("b2", "vault:pg", "old", anyway=False),
)


def carried_out(monkeypatch: pytest.MonkeyPatch, *broken: Step) -> apply.Apply:
    """A run in which these steps do not work."""

    def take(_: apply.Apply, step: Step) -> None:
        if step in broken:
            raise NotOffsite(f"{step.sentence}: no.")

    for name in ("take", "verify", "send", "remove", "clear_far", "remove_far"):
        monkeypatch.setattr(apply.Apply, f"_{name}", take)
    anything: Any = None
    return apply.Apply(anything, anything, anything, anything, "shop")


def test_a_far_end_that_gives_nothing_up_keeps_nobody_from_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    run = carried_out(monkeypatch, STEPS[4], STEPS[5])
    run.carry_out(Plan(STEPS))
    assert run.done == [*STEPS[:4], STEPS[6]]
    assert len(run.undone) == 2


def test_nothing_goes_there_for_what_did_not_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    run = carried_out(monkeypatch, STEPS[1])
    run.carry_out(Plan(STEPS))
    assert run.done == [STEPS[0], *STEPS[2:6]]


def test_what_does_not_work_here_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it is the far copy that is to be proven: nothing goes before that is known."""
    proof = Verify("b9", "restore")
    run = carried_out(monkeypatch, proof)
    with pytest.raises(NotOffsite):
        run.carry_out(Plan((proof, *STEPS[3:])))
    assert run.done == []
