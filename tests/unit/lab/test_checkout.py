"""Two clones never share a name or a network by accident of order."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lab.checkout import lab_id_of, subnet_of


def test_the_id_differs_between_checkouts() -> None:
    assert lab_id_of(Path("/a/one")) != lab_id_of(Path("/a/two"))


def test_the_id_is_the_one_the_demo_inventory_computes() -> None:
    # inventories/demo hashes the same path with Jinja: the first six of sha256.
    assert lab_id_of(Path("/a/one")) == "5ad050"


@given(st.text(alphabet="0123456789abcdef", min_size=6, max_size=6))
def test_a_subnet_is_private(lab_id: str) -> None:
    assert ipaddress.ip_network(f"{subnet_of(lab_id)}.0/24").is_private
