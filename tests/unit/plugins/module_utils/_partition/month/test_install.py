"""When the function is made, brought up to date, dropped or left alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._partition.month.function import (
    BODY,
    COMMENT,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.month.install import (
    Place,
    Put,
    Remove,
    Standing,
    Wanted,
    plan_function,
)

WANTED = Wanted("ops", "create_month", present=True)
GONE = replace(WANTED, present=False)
PLACE = Place("shop", standby=False, may_create=True)
SETTINGS = ("search_path=pg_catalog, pg_temp", "TimeZone=UTC", "DateStyle=ISO", "row_security=off", "lock_timeout=2s")
THERE = Standing(BODY, SETTINGS, definer=False, comment=COMMENT, owned=True, owner="app")


@pytest.mark.parametrize(
    ("wanted", "standing", "step"),
    [
        (WANTED, None, Put("create function ops.create_month")),
        (WANTED, THERE, None),
        (WANTED, replace(THERE, settings=SETTINGS[::-1]), None),
        (WANTED, replace(THERE, body="BEGIN END"), Put("bring up to date function ops.create_month")),
        (WANTED, replace(THERE, definer=True), Put("bring up to date function ops.create_month")),
        (WANTED, replace(THERE, settings=()), Put("bring up to date function ops.create_month")),
        (WANTED, replace(THERE, comment=COMMENT + "."), Put("bring up to date function ops.create_month")),
        (GONE, None, None),
        (GONE, THERE, Remove("drop function ops.create_month")),
    ],
)
def test_what_is_done(wanted: Wanted, standing: Standing | None, step: Put | Remove | None) -> None:
    plan = plan_function(wanted, PLACE, standing)
    assert plan.changes == (() if step is None else (step,))
    assert plan.refusals == ()
    # A function that is altered beside its body differs in nothing that is shown.
    assert plan.changed or list(plan.before) == list(plan.after)


@pytest.mark.parametrize(
    ("wanted", "place", "standing", "words"),
    [
        (WANTED, replace(PLACE, standby=True), None, "is a standby"),
        (WANTED, replace(PLACE, may_create=None), None, "no schema ops in database shop"),
        (WANTED, replace(PLACE, may_create=False), None, "GRANT CREATE ON SCHEMA"),
        (WANTED, PLACE, replace(THERE, comment=None), "not ours"),
        (GONE, PLACE, replace(THERE, comment="mine"), "not ours"),
        (GONE, PLACE, replace(THERE, owned=False), "belongs to role app"),
    ],
)
def test_what_is_refused(wanted: Wanted, place: Place, standing: Standing | None, words: str) -> None:
    plan = plan_function(wanted, place, standing)
    assert plan.changes == ()
    assert words in " ".join(plan.refusals)


def test_a_place_that_is_not_there_has_nothing_to_drop() -> None:
    assert plan_function(GONE, replace(PLACE, may_create=None), None).refusals == ()
