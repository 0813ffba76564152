"""What proves that a server is fenced, and everything that does not."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.filter.fencing_proof import FilterModule, fencing_proof
from ansible_collections.runbook.postgres.plugins.module_utils._fencing.proof import (
    METHODS,
    Demand,
    demand,
    entries,
    unproven,
)

EVERYONE, ADDRESSES = ("db2", "db3", "pool1"), ("192.0.2.11", "2001:db8::11")


def wanted(**lists: tuple[str, ...]) -> Demand:
    return Demand("db1", **lists, addresses=ADDRESSES, everyone=EVERYONE)


def found(method: str, on: str = "db1", **more: Any) -> dict[str, Any]:
    told = {"host": "db1", "method": method, "state": "fenced", "proven": True, "on": on}
    return {**told, **({"addresses": list(ADDRESSES)} if method == "block" else {}), **more}


STOPPED, COMMANDED = found("stop"), found("command", "localhost")
CUT_OFF = [found("block", name) for name in EVERYONE]


@pytest.mark.parametrize(
    ("lists", "evidence"),
    [
        ({"all_of": ("stop",)}, [STOPPED]),
        ({"any_of": ("stop", "command")}, [COMMANDED]),
        ({"any_of": ("stop", "block")}, CUT_OFF),
        ({"all_of": ("block", "stop")}, [*CUT_OFF, STOPPED]),
        ({"all_of": ("block",), "any_of": ("stop", "command")}, [*CUT_OFF, COMMANDED]),
    ],
)
def test_what_is_demanded_and_there_is_a_proof(lists: dict[str, Any], evidence: list[dict[str, Any]]) -> None:
    assert unproven(evidence, wanted(**lists)) == []


@pytest.mark.parametrize(
    ("lists", "evidence", "words"),
    [
        ({}, [STOPPED, COMMANDED, *CUT_OFF], "No method of fencing is demanded"),
        ({"any_of": ("prayer", "stop")}, [STOPPED], "'prayer' is no method"),
        ({"all_of": ("stop",)}, [], "db1 is not proven to be stopped"),
        ({"all_of": ("stop",)}, [COMMANDED, *CUT_OFF], "db1 is not proven to be stopped"),
        # Looked at on another host, about another one, released, and a text instead of a truth value.
        ({"all_of": ("stop",)}, [found("stop", "db2")], "db1 is not proven"),
        ({"all_of": ("stop",)}, [found("stop", host="db9")], "db1 is not proven"),
        ({"all_of": ("stop",)}, [found("stop", state="released")], "db1 is not proven"),
        ({"all_of": ("stop",)}, [found("stop", proven="VALUE_SPECIFIED_IN_NO_LOG_PARAMETER")], "db1 is not proven"),
        ({"all_of": ("stop",)}, [found("stop", proven=1)], "db1 is not proven"),
        ({"all_of": ("stop",)}, [found("stop", proven=False, missing=["Its unit\nis odd."])], "Its unit is odd."),
        ({"all_of": ("block",)}, CUT_OFF[:-1], "pool1 is not proven to be kept apart from db1"),
        ({"all_of": ("block",)}, [*CUT_OFF[:-1], found("block", "pool1", addresses=[ADDRESSES[0]])], "pool1 is not"),
        ({"all_of": ("block",)}, [*CUT_OFF[:-1], found("block", "pool1", addresses=ADDRESSES[0])], "pool1 is not"),
        ({"all_of": ("block", "stop")}, CUT_OFF, "db1 is not proven to be stopped"),
        ({"all_of": ("block",), "any_of": ("stop", "command")}, CUT_OFF, "The command that fences db1"),
        ({"all_of": ("block",), "any_of": ("stop",)}, [STOPPED], "db2 is not proven"),
    ],
)
def test_anything_less_is_none_and_says_why(lists: dict[str, Any], evidence: list[dict[str, Any]], words: str) -> None:
    assert words in " ".join(unproven(evidence, wanted(**lists)))


def test_without_hosts_or_addresses_a_block_proves_nothing() -> None:
    for lacking in (Demand("db1", ("block",), everyone=EVERYONE), Demand("db1", ("block",), addresses=ADDRESSES)):
        assert unproven(CUT_OFF, lacking)


def test_a_dry_run_counts_what_it_foresees_and_only_there() -> None:
    foreseen = [found("stop", proven=False, foreseen=True)]
    assert unproven(foreseen, wanted(all_of=("stop",)), foreseen=True) == []
    assert unproven(foreseen, wanted(all_of=("stop",))) != []


proofs = st.sampled_from([True, False, None, "true", "false", 1, 0])
evidences = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "method": st.sampled_from([*METHODS, "other"]),
            "on": st.sampled_from(["db1", "localhost", *EVERYONE]),
            "host": st.sampled_from(["db1", "db1", "db1", "db2"]),
            "state": st.sampled_from(["fenced", "fenced", "released"]),
            "proven": proofs,
            "foreseen": proofs,
            "addresses": st.sampled_from([list(ADDRESSES), [*ADDRESSES, "192.0.2.1"], [ADDRESSES[0]], [], None]),
            "missing": st.lists(st.text(), max_size=2),
        },
    ),
    max_size=8,
)
methods = st.lists(st.sampled_from(METHODS), max_size=3).map(tuple)


def complete(method: str, evidence: list[dict[str, Any]]) -> bool:
    """The other way about: which evidence there would have to be."""
    good = [each for each in evidence if each.get("method") == method and each.get("proven") is True]
    good = [each for each in good if each.get("host") == "db1" and each.get("state") == "fenced"]
    if method == "stop":
        return "db1" in {each.get("on") for each in good}
    if method == "command":
        return bool(good)
    return set(EVERYONE) <= {each.get("on") for each in good if set(ADDRESSES) <= set(each.get("addresses") or [])}


@given(evidences, methods, methods, st.lists(st.sampled_from([STOPPED, COMMANDED, *CUT_OFF])))
def test_never_proven_without_all_that_is_demanded(
    noise: list[dict[str, Any]], all_of: tuple[str, ...], any_of: tuple[str, ...], good: list[dict[str, Any]]
) -> None:
    evidence = [*noise, *good]
    satisfied = all(complete(each, evidence) for each in all_of) and (
        not any_of or any(complete(each, evidence) for each in any_of)
    )
    assert (unproven(evidence, wanted(all_of=all_of, any_of=any_of)) == []) is (satisfied and bool(all_of or any_of))


@given(st.sampled_from(EVERYONE), st.permutations([STOPPED, COMMANDED, *CUT_OFF]))
def test_a_survivor_that_was_not_reached_leaves_a_block_unproven(lost: str, told: list[dict[str, Any]]) -> None:
    rest = [each for each in told if each["on"] != lost]
    assert unproven(told, wanted(all_of=("block",))) == []
    [sentence] = unproven(rest, wanted(all_of=("block",)))
    assert sentence.startswith(f"{lost} is not proven")


def test_results_become_evidence() -> None:
    results = [
        {"on": "db1", "stop": {"unreachable": True, "msg": "no route to host"}, "command": {"skipped": True}},
        {"on": "db2", "block": {"evidence": {"method": "block", "proven": False, "missing": ["early"]}, "msg": "late"}},
        {"on": "db3", "block": {}, "stop": {"changed": False}},
        {"on": "pool1", "block": {"evidence": CUT_OFF[0]}},
    ]
    told = entries(results)
    assert [(each["on"], each["method"], each["missing"]) for each in told] == [
        ("db1", "stop", ["no route to host"]),
        ("db2", "block", ["late"]),
        ("db3", "stop", ["pg_fence returned nothing."]),
        ("pool1", "block", []),
    ]


def test_the_filter() -> None:
    policy = {"host": "db1", "all_of": ["stop"]}
    assert FilterModule().filters()["fencing_proof"]([{"on": "db1", "stop": {"evidence": STOPPED}}], policy) == {
        "proven": True,
        "reasons": [],
    }
    waits = [{"on": "db1", "stop": {"evidence": found("stop", proven=False, foreseen=True)}}]
    assert fencing_proof(waits, policy, foreseen="true")["proven"]
    assert not fencing_proof(waits, policy, foreseen="false")["proven"]
    for odd in ({}, {"host": "db1", "all_of": "stop"}):
        with pytest.raises(AnsibleFilterError, match="something else"):
            fencing_proof([], odd)
    assert demand({"host": "db1", "all_of": None}).all_of == ()
