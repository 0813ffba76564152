"""What rules must not say."""

from __future__ import annotations

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._hba.judge import refusals, shadowed, warnings
from tests.unit.plugins.module_utils._hba.wishes import OURS, lines, maps, rule


def refused(*texts: str, allow: tuple[str, ...] = (), version: int = 15) -> list[str]:
    return refusals(lines(OURS, *texts, version=version), maps("m pg1 app"), allow)


@pytest.mark.parametrize(
    "text",
    [
        "hostssl app app 10.0.0.0/24 scram-sha-256",
        "hostssl all all 0.0.0.0/0 scram-sha-256",
        "host all all 127.0.0.1+::1+localhost+samehost scram-sha-256",
        "hostnossl all all 0.0.0.0/0 reject",
        "host all all all reject",
        "hostgssenc all all 10.0.0.0/8 gss",
        "local all all scram-sha-256",
        "local app app ident",
    ],
)
def test_sound_rules_pass(text: str) -> None:
    assert refused(text) == []


@pytest.mark.parametrize(
    ("text", "allow"),
    [
        ("hostssl app app 10.0.0.0/24 trust", "trust"),
        ("hostssl app app 10.0.0.0/24 md5", "md5"),
        ("hostssl app app 10.0.0.0/24 password", "password"),
        ("hostssl app app 10.0.0.0/24 ident", "ident"),
        ("local app app trust", "trust"),
        ("local app app md5", "md5"),
        ("host app app 10.0.0.0/24 scram-sha-256", "plain_network"),
        ("host app app samenet scram-sha-256", "plain_network"),
        ("host app app pg1.example.com scram-sha-256", "plain_network"),
        ("hostnossl app app 10.0.0.0/24 scram-sha-256", "plain_network"),
        ("hostnogssenc app app 10.0.0.0/24 scram-sha-256", "plain_network"),
    ],
)
def test_weak_rules_need_to_be_allowed_by_name(text: str, allow: str) -> None:
    [sentence] = refused(text)
    assert sentence.startswith("Rule 2 (")
    assert allow in sentence
    assert refused(text, allow=(allow,)) == []


@pytest.mark.parametrize("method", ["trust", "md5", "password", "ident"])
@pytest.mark.parametrize("address", ["0.0.0.0/0", "::/0", "all", "0.0.0.0/1"])
def test_no_allowance_is_for_the_whole_world(method: str, address: str) -> None:
    allow = ("trust", "md5", "password", "ident", "plain_network")
    [sentence] = refused(f"hostssl app app {address} {method}", allow=allow)
    assert "whole world" in sentence


def test_everything_is_told_at_once() -> None:
    assert len(refused("host app app 10.0.0.0/24 md5", "hostssl app app 10.1.0.0/24 trust")) == 3


def test_a_map_that_is_not_there_is_refused() -> None:
    found = refusals(lines(OURS, rule("hostssl all all 10.0.0.0/8 cert", map="n")), maps("m pg1 app"), ())
    assert len(found) == 1
    assert "map n" in found[0]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("hostssl all all 10.0.0.0/8 scram-sha-256", "hostssl app app 10.1.0.0/16 cert"),
        ("host all all all reject", "hostssl app app 10.1.0.0/16 cert"),
        ("hostnossl all all all reject", "hostgssenc all all 10.0.0.0/8 gss"),
        ("local all all scram-sha-256", "local app app peer"),
        ("hostssl replication all 10.0.0.0/8 scram-sha-256", "hostssl replication standby 10.0.0.1 cert"),
        ("hostssl a+b all 10.0.0.0/8 scram-sha-256", "hostssl b x 10.0.0.0/8 cert"),
    ],
)
def test_rules_out_of_reach_are_refused(first: str, second: str) -> None:
    [sentence] = refused(first, second)
    assert "rule 2" in sentence
    assert sentence.startswith("Rule 3")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("hostssl all all 10.0.0.0/8 scram-sha-256", "hostssl replication standby 10.0.0.1 cert"),
        ("hostssl all all 10.0.0.0/8 scram-sha-256", "hostssl app app 11.0.0.1 cert"),
        ("hostssl app all 10.0.0.0/8 scram-sha-256", "hostssl all all 10.0.0.0/8 cert"),
        ("hostssl all app 10.0.0.0/8 scram-sha-256", "hostssl all +app 10.0.0.0/8 cert"),
        ("hostssl sameuser all 10.0.0.0/8 scram-sha-256", "hostssl app app 10.0.0.0/8 cert"),
        ("hostnossl all all all reject", "hostssl all all 10.0.0.0/8 cert"),
        ("hostssl all all all reject", "local app all peer"),
    ],
)
def test_rules_within_reach_are_not(first: str, second: str) -> None:
    assert shadowed(lines(first, second)) == []


def test_a_rule_that_says_the_same_again_is_only_told() -> None:
    found = lines(OURS, "hostssl all all 10.0.0.0/8 scram-sha-256", "hostssl app app 10.1.0.0/16 scram-sha-256")
    assert refusals(found, (), ()) == []
    [sentence] = warnings(found)
    assert sentence.startswith("Rule 3")


@pytest.mark.parametrize(
    "texts",
    [
        ("hostssl all all 10.0.0.0/8 scram-sha-256",),
        ("local app postgres peer",),
        ("local all app peer",),
        ("local all postgres scram-sha-256",),
        ("local all postgres reject", "local all all peer"),
        ("local all +postgres peer",),
        ('local "all" postgres peer',),
        ("local replication postgres peer",),
    ],
)
def test_rules_that_keep_the_module_out_are_refused(texts: tuple[str, ...]) -> None:
    assert any("the module with it" in each for each in refusals(lines(*texts), (), ()))


@pytest.mark.parametrize(
    "texts",
    [
        ("local all all peer",),
        ("local postgres postgres peer",),
        ("local sameuser all peer",),
        ("local all postgres ident",),
        ("local app app reject", "local all postgres peer"),
    ],
)
def test_rules_that_let_the_module_in(texts: tuple[str, ...]) -> None:
    assert refusals(lines(*texts), (), ()) == []


def test_an_expression_lets_the_module_in_or_not() -> None:
    assert refusals(lines("local all /^post peer", version=16), (), ()) == []
    assert refusals(lines("local all /^port peer", version=16), (), ()) != []
    # One that only the server understands is not counted on.
    assert refusals(lines("local all /[[:<:]]( peer", version=16), (), ()) != []


def test_a_map_may_keep_the_module_out() -> None:
    ours = lines(rule("local all postgres peer", map="m"))
    assert refusals(ours, maps("m postgres postgres"), ()) == []
    assert refusals(ours, maps(r"m /^(.*)$ \1"), ()) == []
    assert refusals(ours, maps("m root postgres"), ()) != []
