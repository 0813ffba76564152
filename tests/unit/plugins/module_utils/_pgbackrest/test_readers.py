"""Marks of who reads: what is none counts for nothing, and what is over as well."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.readers import (
    Reader,
    read,
    still_reading,
    this_process,
)

FAR = Reader("db-2.example.net", "0123456789ab", 77, 2_000_000_000)


@given(st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True), st.integers(1, 4_194_304), st.integers(0, 9_999_999_999))
def test_a_mark_says_what_it_was_made_of(host: str, process: int, until: int) -> None:
    mark = replace(FAR, host=host, process=process, until=until)
    assert read([mark.name]) == [mark]


@given(st.lists(st.text()))
def test_what_is_no_mark_is_passed_over(names: list[str]) -> None:
    assert read([".", *names, FAR.name]) == [FAR] or FAR.name in names


@pytest.mark.parametrize(("now", "there"), [(FAR.until - 1, [FAR]), (FAR.until, []), (FAR.until + 1, [])])
def test_it_holds_until_its_time_is_over(now: int, there: list[Reader]) -> None:
    assert still_reading([FAR], now) == there


def test_of_this_host_it_is_known_who_is_gone() -> None:
    own = this_process(os.getpid(), 60)
    # Beyond what a process can have as its number.
    killed = replace(own, process=4_194_305)
    assert still_reading([own, killed], own.until - 30) == [own]


def test_whom_it_names_an_operator_knows() -> None:
    assert str(FAR) == "db-2.example.net (until 2033-05-18T03:33Z at the latest)"
