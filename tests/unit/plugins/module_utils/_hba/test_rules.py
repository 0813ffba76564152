"""Options become rules, or one sentence."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._hba.rules import read_maps, read_rules, secrets
from tests.unit.plugins.module_utils._hba.wishes import lines, maps, rule

SOUND = rule("hostssl app app 10.0.0.0/8 scram-sha-256")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"method": "scram"}, "method 'scram'"),
        ({"method": "oauth"}, "method 'oauth'"),
        ({"method": "peer"}, "type local"),
        ({"type": "host", "method": "cert"}, "hostssl"),
        ({"type": "local", "addresses": [], "method": "gss"}, "peer"),
        ({"type": "local"}, "has no addresses"),
        ({"addresses": []}, "needs addresses"),
        ({"addresses": ["10.0.0.1/8"]}, "names a host and a network"),
        ({"databases": []}, "databases is empty"),
        ({"users": ["a\nb"]}, "line break"),
        ({"users": ["/x"]}, "from 16 on"),
        ({"options": {"Map": "m"}}, "Map"),
        ({"options": {"map": "a\nb"}}, "line break"),
        ({"comment": "a\nb"}, "one line"),
        ({"comment": "a\\"}, "backslash"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_number(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=r"^Rule 2: .*; nothing was changed\.$") as caught:
        read_rules([SOUND, {**SOUND, **changed}], 15)
    assert said in caught.value.sentence


def test_each_address_is_a_line_and_the_comment_stands_once() -> None:
    found = lines({**SOUND, "addresses": ["10.0.0.1", "pg1", "10.0.0.1/32"], "comment": " here "})
    assert [(line.address and line.address.text, line.comment) for line in found] == [
        ("10.0.0.1/32", "here"),
        ("pg1", None),
    ]


def test_newer_versions_know_more() -> None:
    assert lines({**SOUND, "users": ["/x"]}, version=16)
    assert lines({**SOUND, "method": "oauth"}, version=18)


def test_switches_are_written_as_the_server_reads_them() -> None:
    [line] = lines({**SOUND, "options": {"ldaptls": True, "ldapport": 636}})
    assert line.options == (("ldaptls", "1"), ("ldapport", "636"))


def test_secrets_are_known() -> None:
    hidden = rule("hostssl all all 10.0.0.0/8 ldap", ldapbindpasswd="pw", ldapserver="x")
    assert secrets([hidden, {**SOUND, "options": None}]) == {"pw"}


def test_a_map_entry_twice_is_one() -> None:
    assert len(maps("m a b", "m a b", "m a c")) == 2


def test_maps_say_more_in_newer_versions() -> None:
    [old], [new] = maps("m a all", version=15), maps("m a all", version=16)
    assert (old.database_user.kind, new.database_user.kind) == ("name", "keyword")
    [slash] = maps("m a /x", version=15)
    assert slash.database_user.text == "/x"


def test_a_bad_map_entry_is_refused_by_number() -> None:
    with pytest.raises(Refused, match="Entry 1 of maps"):
        read_maps([{"map": "m", "system_user": "", "database_user": "a"}], 15)
