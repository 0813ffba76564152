"""What follows from what was found."""

from __future__ import annotations

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._corruption.examine import pages
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


def test_where_nothing_could_be_looked_at_nothing_is_known() -> None:
    seen = Examined(skipped=["pages: pg_checksums did not end within 60 s and was killed"])
    seen.count("control data", 1)
    assert seen.result["verdict"] == "unknown"
    assert "is not known" in seen.result["next_step"]
    assert "did not end within 60 s" in seen.result["next_step"]
    seen.count("tables", 0)
    assert seen.verdict == "sound"
    assert Examined(skipped=["pages"], faults=[Fault(CONTROL, "pg_control", "It is.")]).verdict == "corrupt"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ('checksum verification failed in file "base/5/1259", block 3: calculated', ["base/5/1259 block 3"]),
        ('error: could not read block 7 in file "base/5/1259": Input/output error', ["base/5/1259 block 7"]),
        ('error: could not read block 7 in file "base/5/1259": read 100 of 8192', ["base/5/1259 block 7"]),
        ("error: cluster must be shut down", []),
        ("error: pages are not being read: Permission denied", []),
        ("", []),
    ],
)
def test_only_a_page_that_is_named_is_damage(words: str, told: list[str]) -> None:
    assert [each.object for each in pages(words)] == told
    assert {each.kind for each in pages(words)} <= {PAGE}


def test_a_page_that_could_not_be_read_says_why() -> None:
    told = 'could not read block 7 in file "a": Input/output error / could not read block 8 in file "b": read 9 of 8192'
    assert [each.message for each in pages(told)] == [
        "It could not be read: Input/output error.",
        "It could not be read: read 9 of 8192.",
    ]


def test_of_many_names_some_are_told() -> None:
    assert some(["a", "b"]) == "a, b"
    assert some(list("abcdefgh")) == "a, b, c, d, e and 3 more"
