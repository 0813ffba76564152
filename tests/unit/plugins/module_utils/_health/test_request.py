"""Options become values, or a refusal before anything is contacted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._health.request import (
    SUBSETS,
    CustomQuery,
    chosen_subsets,
    custom_queries,
    positive,
)

EVERYTHING = set(SUBSETS)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], EVERYTHING),
        (["all"], EVERYTHING),
        (["wal"], {"wal"}),
        (["wal", "tables"], {"wal", "tables"}),
        (["all", "wal"], EVERYTHING),
        (["!bloat"], EVERYTHING - {"bloat"}),
        (["!bloat", "!tables"], EVERYTHING - {"bloat", "tables"}),
        (["all", "!bloat"], EVERYTHING - {"bloat"}),
        (["!bloat", "all"], EVERYTHING - {"bloat"}),
        (["wal", "!bloat"], {"wal"}),
        (["wal", "!all"], {"wal"}),
        (["!all", "wal", "tables", "!tables"], {"wal"}),
    ],
)
def test_names_add_and_exclusions_take_away(words: list[str], expected: set[str]) -> None:
    assert chosen_subsets(words) == expected


@given(st.lists(st.sampled_from([*SUBSETS, *(f"!{name}" for name in SUBSETS), "all", "!all"])))
def test_the_order_of_words_does_not_matter_and_an_exclusion_always_holds(words: list[str]) -> None:
    try:
        chosen = chosen_subsets(words)
    except Refused:
        # Nothing is left: then everything that was named was also taken away.
        assert {word for word in words if not word.startswith("!")} <= {word[1:] for word in words} | {"all"}
        return
    assert chosen
    assert chosen == chosen_subsets(words[::-1])
    assert not chosen & {word[1:] for word in words if word.startswith("!")}


@pytest.mark.parametrize("words", [["!all"], ["wal", "!wal"], [f"!{name}" for name in SUBSETS]])
def test_asking_nothing_is_refused(words: list[str]) -> None:
    with pytest.raises(Refused, match="leaves nothing to look at"):
        chosen_subsets(words)


@pytest.mark.parametrize("word", ["walls", "", "!", "!walls", "!!wal", "WAL", " wal", "min"])
def test_an_unknown_subset_is_refused_with_all_that_exist(word: str) -> None:
    with pytest.raises(Refused) as refusal:
        chosen_subsets(["wal", word])
    assert all(name in refusal.value.sentence for name in ("all", *SUBSETS))
    assert f"'{word.lstrip('!')}'" in refusal.value.sentence


def own(name: str, query: str = "SELECT 1", **values: Any) -> dict[str, Any]:
    return {"name": name, "query": query, **values}


def test_own_queries_keep_their_order_and_database() -> None:
    asked = custom_queries([own("b", "SELECT 2;", database="shop"), own("a")])
    assert asked == (CustomQuery("b", "SELECT 2;", "shop"), CustomQuery("a", "SELECT 1", None))


@pytest.mark.parametrize("query", ["select 1", "WITH a AS (SELECT 1) TABLE a", "(VALUES (1))", "/* x */ -- y\nSHOW a"])
def test_what_returns_rows_is_taken(query: str) -> None:
    assert custom_queries([own("mine", query)])[0].query == query


@pytest.mark.parametrize(
    ("checks", "words"),
    [
        ([own("a"), own("b"), own("a")], ["'a' twice"]),
        ([own("a", "SELECT 1; DROP TABLE x")], ["'a'", "more than one statement"]),
        ([own("a", "COPY orders TO STDOUT")], ["'a'", "returns no rows"]),
        ([own("a", "DELETE FROM orders")], ["'a'", "returns no rows"]),
        ([own("a", "")], ["'a'", "returns no rows"]),
        ([own("a", "-- SELECT 1")], ["'a'", "returns no rows"]),
        ([own("a", "'SELECT'")], ["'a'", "returns no rows"]),
    ],
)
def test_own_queries_that_cannot_be_meant_are_refused(checks: list[dict[str, Any]], words: list[str]) -> None:
    with pytest.raises(Refused) as refusal:
        custom_queries(checks)
    assert all(word in refusal.value.sentence for word in words)


@pytest.mark.parametrize("value", [0, -1, -0.5, float("nan"), float("inf")])
def test_a_limit_that_is_none_is_refused_by_name(value: float) -> None:
    with pytest.raises(Refused, match=f"timeout is {value:g}"):
        positive({"limit": 1, "timeout": value}, "limit", "timeout")


def test_limits_above_zero_pass() -> None:
    positive({"limit": 1, "timeout": 0.001, "other": -1}, "limit", "timeout")
