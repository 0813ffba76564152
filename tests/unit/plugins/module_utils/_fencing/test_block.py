"""Addresses kept apart from a host: the table as text and as the kernel tells it, the plan, and what proves it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils import _files
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._fencing import addresses, block, ruleset
from ansible_collections.runbook.postgres.plugins.module_utils._fencing.block import Block, Found, judged, plan_block

OLD, OTHER, SIX = "192.0.2.11", "192.0.2.99", "2001:db8::11"
NFT = "/usr/sbin/nft"
ips = st.frozensets(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str), max_size=4)


def rules(*known: str) -> _files.File:
    return _files.File(block.RULES, ruleset.text(known).encode())


UNIT = _files.File(block.UNIT, block._UNIT_TEXT.format(nft=NFT, rules=block.RULES).encode())
NOTHING = Found(None, None, None, standing=False, tried={})


def fenced(*known: str) -> Found:
    return Found(ruleset.wanted(known), rules(*known), UNIT, standing=True, tried=dict.fromkeys(known))


def steps(found: Found, asked: set[str], state: str = "fenced") -> list[str]:
    return [change.sentence for change in plan_block(found, frozenset(asked), state, NFT).changes]


WRITE, LOAD = f"write {block.RULES}", f"have the kernel drop as {block.RULES} says"
UNIT_STEPS = [f"write {block.UNIT}", "have runbook-fence.service load it at boot"]
GONE = [
    "have runbook-fence.service load nothing at boot",
    f"remove {block.UNIT}",
    f"remove {block.RULES}",
    "remove table inet runbook_fence from the kernel",
]


@pytest.mark.parametrize(
    ("found", "asked", "state", "expected"),
    [
        (NOTHING, {OLD}, "fenced", [WRITE, LOAD, *UNIT_STEPS]),
        (fenced(OLD), {OLD}, "fenced", []),
        (fenced(OLD, SIX), {OLD}, "fenced", []),
        (fenced(OTHER), {OLD}, "fenced", [f"replace {block.RULES}", LOAD]),
        # Killed after the file, after the kernel, after the unit.
        (replace(NOTHING, rules=rules(OLD)), {OLD}, "fenced", [LOAD, *UNIT_STEPS]),
        (replace(fenced(OLD), unit=None, standing=False), {OLD}, "fenced", UNIT_STEPS),
        (replace(fenced(OLD), standing=False), {OLD}, "fenced", UNIT_STEPS[1:]),
        # Somebody emptied the kernel.
        (replace(fenced(OLD), table=None), {OLD}, "fenced", [LOAD]),
        (replace(fenced(OLD), table=ruleset.Table(frozenset({OLD}), frozenset())), {OLD}, "fenced", [LOAD]),
        (NOTHING, set(), "released", []),
        (NOTHING, {OLD}, "released", []),
        (fenced(OLD), {OLD}, "released", GONE),
        (fenced(OLD), set(), "released", GONE),
        (fenced(OLD, OTHER), {OLD}, "released", [f"replace {block.RULES}", LOAD]),
        (fenced(OTHER), {OLD}, "released", []),
        (replace(fenced(OLD), unit=None, standing=False, rules=None), {OLD}, "released", GONE[3:]),
    ],
)
def test_steps(found: Found, asked: set[str], state: str, expected: list[str]) -> None:
    assert steps(found, asked, state) == expected


def test_an_address_that_a_killed_run_wrote_down_is_not_forgotten() -> None:
    found = replace(fenced(OLD), rules=rules(OLD, OTHER))
    plan = plan_block(found, frozenset({SIX}), "fenced", NFT)
    assert (plan.before, plan.after) == (sorted([OLD, OTHER]), sorted([OLD, OTHER, SIX]))


@given(ips)
def test_what_is_written_down_is_read_again(known: frozenset[str]) -> None:
    assert ruleset.kept(ruleset.text(known)) == known


def kernel(*items: dict[str, Any]) -> str:
    return json.dumps({"nftables": [{"metainfo": {"version": "1.0.6"}}, {"table": {"name": "runbook_fence"}}, *items]})


def a_rule(chain: str, protocol: str, field: str, right: str) -> dict[str, Any]:
    match = {"op": "==", "left": {"payload": {"protocol": protocol, "field": field}}, "right": right}
    return {"rule": {"chain": chain, "handle": 5, "expr": [{"match": match}, {"drop": None}]}}


def as_kernel_tells(*known: str) -> list[dict[str, Any]]:
    sets = {"addresses4": [each for each in known if ":" not in each], "addresses6": [e for e in known if ":" in e]}
    told: list[dict[str, Any]] = [{"set": {"name": name, "elem": each}} for name, each in sets.items() if each]
    for hook, fields in (("input", ["saddr"]), ("output", ["daddr"]), ("forward", ["saddr", "daddr"])):
        told.append({"chain": {"name": hook, "type": "filter", "hook": hook, "prio": -300, "policy": "accept"}})
        for field in fields:
            told += [a_rule(hook, "ip", field, "@addresses4"), a_rule(hook, "ip6", field, "@addresses6")]
    return told


def test_the_kernel_tells_what_was_written() -> None:
    assert ruleset.parsed(kernel(*as_kernel_tells(OLD, SIX))) == ruleset.wanted([OLD, SIX])
    assert ruleset.parsed(kernel(*as_kernel_tells())) == ruleset.wanted([])


@pytest.mark.parametrize(
    "odd",
    [
        {"rule": {"chain": "input", "expr": [{"accept": None}]}},
        {"rule": {"chain": "input", "expr": [{"match": {"op": "!="}}, {"drop": None}]}},
        {"rule": {"chain": "input", "expr": "?"}},
        {"map": {"name": "other"}},
        {"set": {"name": "other"}},
        {"set": {"name": "addresses4", "elem": [{"prefix": {"addr": "192.0.2.0", "len": 24}}]}},
        {"chain": {"name": "input", "type": "filter", "hook": "input", "prio": 0, "policy": "accept"}},
    ],
)
def test_what_somebody_put_in_between_is_seen(odd: dict[str, Any]) -> None:
    assert ruleset.parsed(kernel(*as_kernel_tells(OLD), odd)) != ruleset.wanted([OLD])


def one(state: str = "fenced", *asked: str) -> Block:
    return Block("db1", state, asked, frozenset(asked), 5432, NFT)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (NOTHING, f"does not hold {OLD}"),
        (fenced(OTHER), f"does not hold {OLD}"),
        (replace(fenced(OLD), standing=False), "is not enabled"),
        (replace(fenced(OLD), rules=None), "is not enabled"),
        (replace(fenced(OLD), table=ruleset.Table(frozenset({OLD}), frozenset({"?"}))), "is not as it was written"),
        (replace(fenced(OLD), tried={OLD: "it refuses connections"}), "still answers this host (it refuses"),
    ],
)
def test_what_is_no_proof(found: Found, words: str) -> None:
    assert words in " ".join(judged(found, one("fenced", OLD)).missing)


def test_what_is_a_proof() -> None:
    evidence = judged(fenced(OLD, OTHER), one("fenced", OLD))
    assert evidence.proven
    assert evidence.seen == {"addresses": [OLD], "blocked": [OLD, OTHER], "tried": {OLD: None, OTHER: None}}
    assert judged(NOTHING, one("released")).proven
    assert judged(fenced(OTHER), one("released", OLD)).proven
    assert not judged(fenced(OLD), one("released")).proven
    assert not judged(fenced(OLD), one("released", OLD)).proven


@pytest.mark.parametrize(
    ("address", "words"),
    [("127.0.0.1", "own address"), ("10.0.0.5", "own address"), ("::", "not the address"), ("224.0.0.1", "not the")],
)
def test_what_cannot_be_cut_off_is_refused(address: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        addresses.refuse_unfit([address], frozenset({"10.0.0.5"}))


def test_names_stand_for_addresses() -> None:
    assert addresses.resolved("2001:DB8:0::11") == {SIX}
    assert "127.0.0.1" in addresses.resolved("localhost")
    with pytest.raises(Refused, match="give addresses instead"):
        addresses.resolved("no such host.invalid")


def test_a_refusal_is_an_answer() -> None:
    assert addresses.tried([], 5432) == {}
    # Nothing listens on port 1 here.
    assert addresses.tried(["127.0.0.1"], 1) == {"127.0.0.1": "it refuses connections"}
