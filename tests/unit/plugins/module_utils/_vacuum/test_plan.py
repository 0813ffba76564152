"""Which tables are due, and in which order their turn comes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._vacuum.plan import Found, Task, plan
from ansible_collections.runbook.postgres.plugins.module_utils._vacuum.request import VACUUM_OPTIONS, wish

DAY = 86400.0
WEEK = 7 * DAY
FRESH = Found("shop", 1, "public", "orders", vacuumed_ago=DAY, analyzed_ago=DAY, analyzed_by_hand_ago=DAY)
STALE = replace(FRESH, vacuumed_ago=WEEK, analyzed_ago=WEEK, analyzed_by_hand_ago=WEEK, unvacuumed=5, modified=5)
NEVER = Found("shop", 1, "public", "orders")
WHOLE = replace(FRESH, oid=2, name="events", partitioned=True)
LEAF = replace(FRESH, oid=3, name="events_1", root=2)


def sentences(*found: Found, max_age: float = 6 * DAY, analyze: bool = True, major: int = 15) -> list[str]:
    return [task.sentence for task in plan(found, max_age, analyze=analyze, major=major).changes]


BOTH = "shop: public.orders, vacuumed and analyzed"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (FRESH, []),
        (STALE, [BOTH]),
        (NEVER, [BOTH]),
        (replace(STALE, unvacuumed=0), ["shop: public.orders, analyzed"]),
        (replace(STALE, modified=0), ["shop: public.orders, vacuumed"]),
        (replace(STALE, unvacuumed=0, modified=0), []),
        (replace(FRESH, unvacuumed=9, modified=9), []),
        (replace(FRESH, aged=True), ["shop: public.orders, vacuumed"]),
        (replace(STALE, permitted=False), []),
        (replace(NEVER, analyzable=False), ["shop: public.orders, vacuumed"]),
    ],
)
def test_what_is_due(found: Found, expected: list[str]) -> None:
    assert sentences(found) == expected


def test_an_age_of_zero_means_now() -> None:
    assert sentences(FRESH, max_age=0) == [BOTH]


def test_without_statistics_only_rows_are_cleaned_up() -> None:
    assert sentences(NEVER, analyze=False) == ["shop: public.orders, vacuumed"]
    assert sentences(replace(WHOLE, analyzed_ago=None), analyze=False) == []


def test_a_partitioned_table_is_analyzed_as_a_whole_and_its_partitions_with_it() -> None:
    stale = replace(LEAF, vacuumed_ago=WEEK, analyzed_ago=WEEK, unvacuumed=1, modified=1)
    assert sentences(replace(WHOLE, analyzed_ago=None), stale) == [
        "shop: public.events_1, vacuumed",
        "shop: public.events, analyzed",
    ]
    assert sentences(WHOLE, stale) == ["shop: public.events_1, vacuumed and analyzed"]
    # What lies between the two is analyzed with the whole.
    between = replace(WHOLE, oid=4, name="events_2", root=2, analyzed_ago=None)
    assert sentences(WHOLE, between) == []


@pytest.mark.parametrize(
    ("by_hand", "expected"),
    [
        ([DAY, DAY], []),
        ([DAY, WEEK], ["shop: public.events, analyzed"]),
        ([DAY, None], ["shop: public.events, analyzed"]),
    ],
)
def test_an_old_server_tells_of_the_whole_by_its_partitions(by_hand: list[float | None], expected: list[str]) -> None:
    leaves = [replace(LEAF, oid=10 + i, analyzed_by_hand_ago=ago) for i, ago in enumerate(by_hand)]
    assert sentences(replace(WHOLE, analyzed_ago=None), *leaves, major=13) == expected


def test_the_gravest_comes_first() -> None:
    few = replace(STALE, oid=1, name="few", unvacuumed=1)
    many = replace(STALE, oid=2, name="many", unvacuumed=1000)
    old = replace(FRESH, oid=3, name="old", aged=True)
    statistics = replace(STALE, oid=4, name="statistics", unvacuumed=0)
    other = replace(STALE, oid=5, name="other", database="ledger", unvacuumed=50)
    assert sentences(statistics, few, other, many, old) == [
        "shop: public.old, vacuumed",
        "shop: public.many, vacuumed and analyzed",
        "shop: public.few, vacuumed and analyzed",
        "shop: public.statistics, analyzed",
        "ledger: public.other, vacuumed and analyzed",
    ]


def test_what_all_databases_share_is_done_once() -> None:
    shared = replace(NEVER, schema="pg_catalog", name="pg_authid", shared=True)
    assert len(sentences(shared, replace(shared, database="ledger"))) == 1


def test_who_owns_a_table_that_is_left_alone_is_asked_for_in_one_line() -> None:
    found = [replace(STALE, oid=i, name=f"t{i}", permitted=False) for i in range(5)]
    catalog = replace(found[0], schema="pg_catalog", name="pg_class")
    (said,) = plan([*found, catalog], DAY, analyze=True, major=15).warnings
    assert said.startswith("public.t0 of shop, public.t1 of shop, public.t2 of shop and 2 more belong to other roles")
    assert plan([catalog], DAY, analyze=True, major=15).warnings == ()


def test_the_diff_tells_since_when() -> None:
    planned = plan([replace(STALE, aged=True, analyzed_ago=None)], DAY, analyze=True, major=15)
    assert planned.before == [
        "shop: public.orders, vacuumed 7 days ago (its rows are old enough to be frozen), analyzed never"
    ]
    assert planned.after == [BOTH]


AGES = st.none() | st.floats(0, 30 * DAY)
TABLES = st.builds(
    Found,
    database=st.sampled_from(["shop", "ledger"]),
    oid=st.integers(1, 20),
    schema=st.just("public"),
    name=st.text(min_size=1, max_size=3),
    permitted=st.booleans(),
    vacuumed_ago=AGES,
    analyzed_ago=AGES,
    unvacuumed=st.integers(0, 5),
    modified=st.integers(0, 5),
)


@given(st.lists(TABLES, max_size=8), st.floats(1, 30 * DAY), st.booleans())
def test_what_was_done_is_not_due_again(found: list[Found], max_age: float, analyze: bool) -> None:
    tasks: tuple[Task, ...] = plan(found, max_age, analyze=analyze, major=15).changes
    assert all(task.table.permitted for task in tasks)
    done = [
        replace(
            task.table,
            vacuumed_ago=0.0 if task.vacuum else task.table.vacuumed_ago,
            analyzed_ago=0.0 if task.analyze else task.table.analyzed_ago,
            unvacuumed=0 if task.vacuum else task.table.unvacuumed,
            modified=0 if task.analyze else task.table.modified,
        )
        for task in tasks
    ]
    assert plan(done, max_age, analyze=analyze, major=15).changes == ()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"cost_delay": -1}, "cost_delay takes"),
        ({"cost_delay": float("nan")}, "cost_delay takes"),
        ({"max_seconds": 0}, "max_seconds takes"),
        ({"databases": ["a"], "tables": ["t"]}, "leave databases out, or tables"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, object], reason: str) -> None:
    given = {name: option.get("default") for name, option in VACUUM_OPTIONS.items()}
    with pytest.raises(Refused, match=reason):
        wish({**given, **options})
