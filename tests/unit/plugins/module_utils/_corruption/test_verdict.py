"""What follows from what was found."""

from __future__ import annotations

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._corruption.verdict import (
    CONTROL,
    COUNTED,
    INDEX,
    ORPHAN,
    PAGE,
    TABLE,
    Examined,
    Fault,
    some,
)


def found(*kinds: str) -> Examined:
    return Examined(faults=[Fault(kind, f"a {kind}", "It is.", "app") for kind in kinds])


@pytest.mark.parametrize(
    ("kinds", "verdict", "words"),
    [
        ((), "sound", "nothing has to be done"),
        ((COUNTED,), "suspect", "with the server stopped"),
        ((ORPHAN,), "corrupt", "have lost what they refer to"),
        ((ORPHAN, INDEX), "corrupt", "REINDEX INDEX CONCURRENTLY (a index)"),
        ((INDEX, TABLE), "corrupt", "Stop the writers"),
        ((COUNTED, PAGE), "corrupt", "Stop the writers"),
        ((PAGE, CONTROL), "corrupt", "start nothing on it"),
    ],
)
def test_the_gravest_decides_what_to_do(kinds: tuple[str, ...], verdict: str, words: str) -> None:
    result = found(*kinds).result
    assert result["verdict"] == verdict
    assert words in result["next_step"]
    assert [fault["kind"] for fault in result["faults"]] == list(kinds)


def test_what_was_not_looked_at_is_not_called_sound_without_a_word() -> None:
    seen = Examined(skipped=["indexes of database app: it has no extension amcheck"])
    seen.count("tables", 3)
    seen.count("tables", 4)
    assert seen.result["looked_at"] == {"tables": 7}
    assert "not everything was looked at" in seen.result["next_step"]


def test_of_many_names_some_are_told() -> None:
    assert some(["a", "b"]) == "a, b"
    assert some(list("abcdefgh")) == "a, b, c, d, e and 3 more"
