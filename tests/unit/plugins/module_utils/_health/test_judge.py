"""What is a finding, how grave, and in which order: tables and properties of a pure function."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._health.check import Check, Levels, Measure
from ansible_collections.runbook.postgres.plugins.module_utils._health.judge import (
    GRAVEST_FIRST,
    Accepted,
    Finding,
    judge,
    matches,
    set_aside,
    severity,
    status,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Observed


def check(name: str = "size", measures: Sequence[Measure] = (), **values: Any) -> Check:
    return Check(
        name=name, subset="tables", unit="bytes", measure=lambda _observed: measures, remedy="Make it small.", **values
    )


def found(measures: Sequence[Measure], levels: Levels, limit: int = 10, **values: Any) -> list[Finding]:
    each = check(measures=measures, **values)
    return judge(Observed(), {each.name: each}, {each.name: levels}, limit=limit)


def of(*values: float) -> list[Measure]:
    return [Measure(value, f"It is {value}.", f"object {value:g}") for value in values]


ALL = Levels(info=1, warning=5, critical=10)


@pytest.mark.parametrize(
    ("levels", "above", "value", "expected"),
    [
        (ALL, True, 1, None),
        (ALL, True, 1.1, "info"),
        (ALL, True, 5, "info"),
        (ALL, True, 5.1, "warning"),
        (ALL, True, 10, "warning"),
        (ALL, True, 10.1, "critical"),
        (Levels(info=10, warning=5, critical=1), False, 10, None),
        (Levels(info=10, warning=5, critical=1), False, 9, "info"),
        (Levels(info=10, warning=5, critical=1), False, 5, "info"),
        (Levels(info=10, warning=5, critical=1), False, 4, "warning"),
        (Levels(info=10, warning=5, critical=1), False, 1, "warning"),
        (Levels(info=10, warning=5, critical=1), False, 0, "critical"),
        (Levels(critical=0), True, 0, None),
        (Levels(critical=0), True, 1, "critical"),
        (Levels(), True, 1e18, None),
        (Levels(), False, -1e18, None),
    ],
)
def test_only_a_value_strictly_beyond_a_level_is_a_finding(
    levels: Levels, above: bool, value: float, expected: str | None
) -> None:
    assert severity(check(above=above), levels, value) == expected
    assert [each.severity for each in found(of(value), levels, above=above)] == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("floor", "basis", "judged"),
    [(100, 99, False), (100, 100, True), (100, 101, True), (100, None, True), (None, 0, True)],
)
def test_what_is_below_the_floor_is_not_judged(floor: float | None, basis: float | None, judged: bool) -> None:
    measures = [Measure(50, "Half of it is waste.", basis=basis)]
    assert bool(found(measures, Levels(warning=10, floor=floor))) is judged


def test_a_measure_may_know_a_better_remedy_than_its_check() -> None:
    first, second = found([*of(7), Measure(6, "It is other.", remedy="Drop it.")], ALL)
    assert (first.remedy, second.remedy) == ("Make it small.", "Drop it.")


def test_a_finding_carries_everything_its_reader_needs() -> None:
    measures = [Measure(7, "Table orders is large.", "public.orders", "shop")]
    assert found(measures, ALL) == [
        Finding(
            check="size",
            severity="warning",
            value=7,
            warning=5,
            critical=10,
            unit="bytes",
            object="public.orders",
            database="shop",
            message="Table orders is large.",
            remedy="Make it small.",
        )
    ]


@pytest.mark.parametrize(
    ("above", "expected"), [(True, ["object 9", "object 8", "object 7"]), (False, ["object 1", "object 2", "object 7"])]
)
def test_a_limit_keeps_the_worst_of_each_check(above: bool, expected: list[str]) -> None:
    levels = Levels(warning=0) if above else Levels(warning=100)
    kept = found(of(7, 1, 9, 2, 8)[:: 1 if above else -1], levels, limit=3, above=above)
    assert [each.object for each in kept] == expected


def test_the_limit_counts_for_each_check_on_its_own() -> None:
    checks = {name: check(name, of(1, 2, 3)) for name in ("one", "two")}
    kept = judge(Observed(), checks, {name: Levels(warning=0) for name in checks}, limit=2)
    assert [each.check for each in kept] == ["one", "one", "two", "two"]


def test_what_is_accepted_leaves_room_for_what_is_not() -> None:
    each = check(measures=of(9, 8, 7))
    kept = judge(Observed(), {"size": each}, {"size": ALL}, [Accepted("size", "object 9")], limit=1)
    assert [finding.object for finding in kept] == ["object 8"]


@pytest.mark.parametrize(
    ("rule", "covered"),
    [
        (Accepted("size"), True),
        (Accepted("size", "object 7"), True),
        (Accepted("s*", "object ?"), True),
        (Accepted("*", "*7"), True),
        (Accepted("size", "object 8"), False),
        (Accepted("width", "*"), False),
        (Accepted("size", "Object 7"), False),
        (Accepted("size", ""), False),
    ],
)
def test_a_finding_is_accepted_by_check_and_object(rule: Accepted, covered: bool) -> None:
    each = check(measures=of(7))
    assert (judge(Observed(), {"size": each}, {"size": ALL}, [rule]) == []) is covered


def test_a_rule_for_all_objects_covers_a_finding_without_one() -> None:
    each = check(measures=[Measure(7, "It is 7.")])
    assert judge(Observed(), {"size": each}, {"size": ALL}, [Accepted("size")]) == []


def test_a_check_that_fails_costs_only_itself() -> None:
    def stumbling(_observed: Observed) -> Iterator[Measure]:
        yield Measure(9, "One.", "a")
        raise TypeError("bad\noperand")

    broken = Check("broken", "tables", "bytes", stumbling, "Mend it.")
    seen = Observed()
    kept = judge(seen, {"broken": broken, "size": check(measures=of(9))}, {"broken": ALL, "size": ALL})
    assert [finding.check for finding in kept] == ["size"]
    assert [(lost.probe, lost.database) for lost in seen.unavailable] == [("broken", None)]
    assert "TypeError: bad operand" in seen.unavailable[0].reason


def test_a_measure_may_know_a_remedy_of_its_own() -> None:
    each = check(measures=[Measure(9, "One.", "a", remedy="Drop it."), Measure(9, "Other.", "b")])
    kept = judge(Observed(), {"size": each}, {"size": ALL})
    assert [finding.remedy for finding in kept] == ["Drop it.", "Make it small."]


@given(st.text())
def test_a_name_without_wildcards_matches_itself_whatever_it_holds(name: str) -> None:
    plain = name.replace("*", "").replace("?", "")
    assert matches(plain, plain)


def test_a_bracket_is_no_wildcard() -> None:
    assert matches("orders[1]", "orders[1]")
    assert not matches("orders1", "orders[1]")


def test_the_gravest_come_first_and_else_the_order_of_checks_stays() -> None:
    checks = {
        "mild": check("mild", of(2)),
        "grave": check("grave", of(11)),
        "middling": check("middling", of(6)),
        "grave too": check("grave too", of(12)),
    }
    kept = judge(Observed(), checks, dict.fromkeys(checks, ALL))
    assert [each.check for each in kept] == ["grave", "grave too", "middling", "mild"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [((), "ok"), ((2,), "ok"), ((2, 6), "warning"), ((2, 6, 11), "critical"), ((11,), "critical")],
)
def test_the_status_is_the_gravest_finding_and_advice_leaves_it_alone(values: tuple[float, ...], expected: str) -> None:
    assert status(Observed(), found(of(*values), ALL)) == expected


def test_a_server_that_is_down_is_said_to_be_before_everything_else() -> None:
    observed = Observed(down="PostgreSQL at pg1 refused the connection: no route to host.")
    each = check(measures=of(11))
    findings = judge(observed, {"size": each}, {"size": ALL}, [Accepted("*", "*")])
    assert [(finding.check, finding.severity) for finding in findings] == [("unreachable", "critical")]
    assert findings[0].message == observed.down
    assert status(observed, findings) == "down"
    assert status(observed, []) == "down"


NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(NUMBERS, NUMBERS, st.sampled_from(["info", "warning", "critical"]), st.booleans(), st.lists(NUMBERS))
def test_a_stricter_level_never_removes_a_finding(
    one: float, other: float, level: str, above: bool, values: list[float]
) -> None:
    lax, strict = (max(one, other), min(one, other)) if above else (min(one, other), max(one, other))
    limit = len(values) + 1
    before = found(of(*values), Levels(**{level: lax}), limit, above=above)
    after = found(of(*values), Levels(**{level: strict}), limit, above=above)
    assert [each.value for each in after][: len(before)] == [each.value for each in before]


@given(st.lists(NUMBERS), NUMBERS)
def test_advice_never_changes_the_status(values: list[float], level: float) -> None:
    assert status(Observed(), found(of(*values), Levels(info=level))) == "ok"


@given(st.lists(NUMBERS, max_size=30), st.integers(1, 5), st.booleans())
def test_a_limit_never_changes_the_status(values: list[float], limit: int, above: bool) -> None:
    levels = Levels(info=-5, warning=0, critical=5) if above else Levels(info=5, warning=0, critical=-5)
    everything = found(of(*values), levels, len(values) + 1, above=above)
    few = found(of(*values), levels, limit, above=above)
    assert len(few) <= limit
    assert status(Observed(), few) == status(Observed(), everything)
    order = [GRAVEST_FIRST.index(each.severity) for each in few]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ('PostgreSQL at a: password authentication failed for user "m".', "login_user"),
        ('PostgreSQL at a: Peer authentication failed for user "m".', "pg_hba.conf"),
        ("PostgreSQL at a: fe_sendauth: no password supplied.", "login_user"),
        ('PostgreSQL at a: database "nope" does not exist.', "login_db"),
        ('PostgreSQL at a: role "nope" does not exist.', "login_user"),
        ("PostgreSQL at a: SSL error: certificate verify failed.", "ca_cert"),
        ('PostgreSQL at a: could not translate host name "x" to address.', "name service"),
        ("PostgreSQL at a: the database system is starting up.", "Wait"),
        ("PostgreSQL at a: sorry, too many clients already.", "idle sessions"),
        ("PostgreSQL at a: Connection refused.", "Nothing listens"),
        ("PostgreSQL at a: kaputt.", "the service, its log"),
    ],
)
def test_the_remedy_follows_why_there_was_no_way_in(reason: str, words: str) -> None:
    (finding,) = judge(Observed(down=reason), {}, {})
    assert words in finding.remedy


def test_what_is_set_aside_is_counted_by_check() -> None:
    each = check(
        measures=[Measure(9.0, "A.", "a", "shop"), Measure(9.0, "B.", "b", "stock"), Measure(0.0, "C.", "c", "shop")]
    )
    rules = [Accepted("size", database="shop")]
    assert set_aside(Observed(), {"size": each}, {"size": ALL}, rules) == {"size": 1}
    assert set_aside(Observed(), {"size": each}, {"size": ALL}, []) == {}
    assert [found.object for found in judge(Observed(), {"size": each}, {"size": ALL}, rules)] == ["b"]
