"""An image's tag says what is in it, and only that."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import images
from lab.errors import LabError

PARTS = st.lists(st.text(max_size=8), max_size=6)


@given(PARTS, PARTS)
def test_different_recipes_have_different_hashes(one: list[str], other: list[str]) -> None:
    assert (images.recipe_hash(one) == images.recipe_hash(other)) == (one == other)


def test_a_hash_is_twelve_hex_digits() -> None:
    assert len(images.recipe_hash(["a"])) == 12
    int(images.recipe_hash(["a"]), 16)


def test_every_release_has_a_tag_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in images.RELEASES:
        monkeypatch.delenv(f"LAB_IMAGE_{number}", raising=False)
    tags = {images.tag(number) for number in images.RELEASES}
    assert len(tags) == len(images.RELEASES)
    assert all(tag.startswith("runbook-lab:") for tag in tags)


def test_the_tag_follows_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAB_IMAGE_12", raising=False)
    before = images.tag(12)
    monkeypatch.setattr(images, "PACKAGES", (*images.PACKAGES, "tree"))
    assert images.tag(12) != before


def test_a_bare_image_does_not_follow_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAB_BARE_IMAGE_12", raising=False)
    before = images.tag(12, bare=True)
    monkeypatch.setattr(images, "PACKAGES", (*images.PACKAGES, "tree"))
    assert images.tag(12, bare=True) == before != images.tag(12)


def test_an_own_image_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_IMAGE_12", "registry.example/own:tag")
    assert images.tag(12) == "registry.example/own:tag"
    monkeypatch.setenv("LAB_BARE_IMAGE_12", "registry.example/own:bare")
    assert images.tag(12, bare=True) == "registry.example/own:bare"


def test_an_unknown_release_is_refused_by_naming_the_known() -> None:
    with pytest.raises(LabError, match="choose one of 11, 12, 13"):
        images.tag(10)
