"""Addresses: what is taken, and which holds which."""

from __future__ import annotations

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._hba.addresses import read_address


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("10.0.0.7", "10.0.0.7/32"),
        ("10.0.0.0/24", "10.0.0.0/24"),
        ("FD00::1", "fd00::1/128"),
        ("fd00:0:0::/48", "fd00::/48"),
        ("all", "all"),
        ("samenet", "samenet"),
        ("pg1.example.com", "pg1.example.com"),
        (".example.com", ".example.com"),
        ("pg_1", "pg_1"),
        ("0.0.0.0/0", "0.0.0.0/0"),
    ],
)
def test_addresses_are_written_as_the_server_reads_them(given: str, text: str) -> None:
    assert read_address(given).text == text


@pytest.mark.parametrize(
    "given",
    [
        *("300.0.0.1", "10.0.0", "10.0.0.0/33", "10.0.0.0/255.255.255.0", "fe80::1%eth0", "pg1/24", "a b", "", "a,b"),
        *("-a", "a..b", "all hosts", "10.0.0.1-10.0.0.9", "10.0.0.0/", "::/129", "a" * 300),
    ],
)
def test_malformed_ones_are_refused(given: str) -> None:
    with pytest.raises(Refused):
        read_address(given)


def test_a_host_with_a_networks_prefix_is_told_both_ways_to_mean_it() -> None:
    with pytest.raises(Refused, match=r"10\.0\.0\.0/24 or 10\.0\.0\.5/32"):
        read_address("10.0.0.5/24")


@pytest.mark.parametrize(
    ("one", "other", "covers"),
    [
        ("all", "10.0.0.1", True),
        ("all", "pg1.example.com", True),
        ("10.0.0.0/8", "10.1.0.0/16", True),
        ("10.1.0.0/16", "10.0.0.0/8", False),
        ("0.0.0.0/0", "fd00::/8", False),
        ("::/0", "fd00::/8", True),
        ("0.0.0.0/0", "all", False),
        (".example.com", "pg1.example.com", True),
        (".example.com", "pg1.example.org", False),
        ("pg1", "pg1", True),
        ("samenet", "10.0.0.1", False),
    ],
)
def test_which_holds_which(one: str, other: str, covers: bool) -> None:
    assert read_address(one).covers(read_address(other)) is covers


@pytest.mark.parametrize(
    ("given", "inside", "everywhere"),
    [
        ("127.0.0.1", True, False),
        ("127.0.0.0/8", True, False),
        ("::1", True, False),
        ("localhost", True, False),
        ("samehost", True, False),
        ("samenet", False, False),
        ("10.0.0.0/8", False, False),
        ("0.0.0.0/0", False, True),
        ("128.0.0.0/1", False, True),
        ("::/0", False, True),
        ("fd00::/8", False, False),
        ("all", False, True),
    ],
)
def test_how_far_they_reach(given: str, inside: bool, everywhere: bool) -> None:
    address = read_address(given)
    assert (address.inside, address.everywhere) == (inside, everywhere)
