"""Which certificates will do, and what is never signed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._tls.judge import (
    certificates,
    judge,
    judge_own,
    span,
)
from tests.unit.plugins.module_utils._tls.papers import (
    NAMES,
    NOW,
    Authority,
    key,
    node,
    pem,
    private_pem,
    request,
    wanted,
)

CA = Authority("CA", key())
OLD = Authority("old CA", key())
OURS = key()


def why(certificate: Any, **other: Any) -> list[str]:
    return list(judge(node(OURS, certificate, CA.text), wanted(CA.text, **other), NOW).why)


def test_a_sound_certificate_stays() -> None:
    verdict = judge(node(OURS, CA.sign("pg1", OURS), CA.text), wanted(CA.text), NOW)
    assert verdict.told() == {
        "why": [],
        "not_after": (NOW + timedelta(days=397)).strftime("%Y%m%d%H%M%SZ"),
        "refusal": None,
        "warnings": [],
    }


@pytest.mark.parametrize(
    ("certificate", "said"),
    [
        (None, "it has none"),
        (CA.sign("pg1", key()), "not of the node's key"),
        (CA.sign("pg2", OURS), "not for pg1"),
        (CA.sign("pg1", OURS, ("pg1", "10.0.0.9")), "IP:10.0.0.9"),
        (CA.sign("pg1", OURS, ("pg1",)), "names are"),
        (CA.sign("pg1", OURS, ()), "none and should be"),
        (CA.sign("pg1", OURS, client=False), "servers and clients"),
        (CA.sign("pg1", OURS, days=29.9), "it ends on 2030-06-30"),
        (OLD.sign("pg1", OURS), "another authority"),
        (Authority("CA", key()).sign("pg1", OURS), "another authority"),
    ],
)
def test_any_other_is_replaced(certificate: Any, said: str) -> None:
    [reason] = why(certificate)
    assert said in reason


def test_one_without_usages_is_replaced() -> None:
    assert "it is not for servers and clients alike" in why(CA.sign("pg1", OURS, authority=True))


def test_what_cannot_be_read_is_as_good_as_missing() -> None:
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    assert judge({**node(OURS, None), "certificate": broken}, wanted(CA.text), NOW).why == ("it has none",)
    assert certificates(None) == []


def test_an_authority_that_is_not_made_yet_is_foreseen() -> None:
    told = judge({}, wanted(""), NOW).told()
    assert (bool(told["why"]), told["refusal"]) == (True, None)


@pytest.mark.parametrize(
    "sent",
    [
        request(OURS, subject="pg2"),
        request(OURS, names=(*NAMES, "pg2")),
        request(OURS, names=("pg1",)),
        request(OURS, authority=True),
        request(key()),
    ],
)
def test_a_node_gets_its_own_names_only(sent: str) -> None:
    told = judge(node(OURS, None, request=sent), wanted(CA.text), NOW).told()
    assert "look who changed that host" in told["refusal"]


def test_an_authority_is_replaced_in_two_steps() -> None:
    """First its successor is trusted everywhere, and only then it signs."""
    both = CA.text + OLD.text
    certificate = OLD.sign("pg1", OURS)
    assert judge(node(OURS, certificate, OLD.text), wanted(both), NOW).why == ()
    assert judge(node(OURS, certificate, both), wanted(both), NOW).why == ("another authority signed it",)
    assert judge(node(OURS, CA.sign("pg1", OURS), both), wanted(both), NOW).why == ()
    # Once the old one is gone there is nothing to wait for.
    assert judge(node(OURS, certificate, OLD.text), wanted(CA.text), NOW).why == ("another authority signed it",)


def test_an_authority_near_its_end_signs_for_as_long_as_it_lasts_then_no_more() -> None:
    near, nearer = Authority("near", key(), days=200), Authority("nearer", key(), days=50)
    told = judge(node(OURS, None), wanted(near.text), NOW).told()
    assert told["not_after"] == (NOW + timedelta(days=200)).strftime("%Y%m%d%H%M%SZ")
    assert "plan its replacement" in told["warnings"][0]
    told = judge(node(OURS, None), wanted(nearer.text), NOW).told()
    assert "previous.crt" in told["refusal"]
    # What is there and good is not in the way of a run.
    told = judge(node(OURS, nearer.sign("pg1", OURS, days=45)), wanted(nearer.text), NOW).told()
    assert (told["refusal"], told["why"]) == (None, [])


@pytest.mark.parametrize("text", ["30", "d", "1y", "-1d", ""])
def test_spans_need_a_unit(text: str) -> None:
    with pytest.raises(Refused):
        span(text)


def test_spans() -> None:
    assert span("2w") == timedelta(days=14)
    assert span(" 90 m") == timedelta(minutes=90)


@pytest.mark.parametrize(
    "given",
    [{"renew_before": "397d"}, {"names": ["a b"]}, {"common_name": "x" * 65}, {"common_name": ""}],
)
def test_wishes_that_cannot_be_met_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        judge(node(OURS, None), wanted(CA.text, **given), NOW)


def own(certificate: str, authorities: str, private: str) -> dict[str, Any]:
    return wanted(authorities, certificate=certificate, key=private)


def test_files_brought_along_have_to_fit_together() -> None:
    leaf, private = pem(CA.sign("pg1", OURS)), private_pem(OURS)
    assert judge_own(own(leaf, CA.text, private), NOW).told()["refusal"] is None
    assert judge_own(own(leaf, OLD.text + CA.text, private), NOW).refusal is None
    for given, said in [
        (own("", CA.text, private), "No certificate"),
        (own(leaf, "", private), "No authority"),
        (own(leaf, CA.text, "x"), "no private key"),
        (own(leaf, CA.text, private_pem(key())), "belong together"),
        (own(leaf, OLD.text, private), "did not sign"),
        (own(pem(CA.sign("pg1", OURS, days=-1)), CA.text, private), "ended on 2030-05-31"),
    ]:
        assert said in str(judge_own(given, NOW).refusal)


def test_files_brought_along_may_come_with_intermediates() -> None:
    between = Authority("between", key())
    link = CA.sign("between", between.private, (), authority=True)
    chain = pem(between.sign("pg1", OURS)) + pem(link)
    assert judge_own(own(chain, CA.text, private_pem(OURS)), NOW).refusal is None
    assert judge_own(own(chain, OLD.text, private_pem(OURS)), NOW).refusal is not None


def test_files_brought_along_are_warned_about() -> None:
    leaf = pem(CA.sign("pg1", OURS, ("pg1",), days=3))
    ends, names = judge_own(own(leaf, CA.text, private_pem(OURS)), NOW).warnings
    assert "ends on" in ends
    assert "IP:10.0.0.1" in names


def test_authorities_may_have_keys_of_another_kind() -> None:
    private: Any = rsa.generate_private_key(65537, 2048)
    other = Authority("other", private)
    assert judge(node(OURS, other.sign("pg1", OURS), other.text), wanted(other.text), NOW).why == ()
