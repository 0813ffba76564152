"""pgBackRest's own words as sentences."""

from __future__ import annotations

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.program import errors, failure, warnings

PRINTED = """\
P00   WARN: unable to check pg1: [DbConnectError] no server
            Is it running?
P00  ERROR: [082]: WAL segment 000000010000000000000001 was not archived before the 60000ms timeout
            HINT: check the archive_command to ensure that all options are correct.
P00   INFO: check command end: aborted with exception [082]
"""


def test_what_it_said_is_sorted_by_level() -> None:
    assert errors(PRINTED) == ["WAL segment 000000010000000000000001 was not archived before the 60000ms timeout"]
    assert warnings(PRINTED) == ["unable to check pg1: [DbConnectError] no server Is it running?"]


@pytest.mark.parametrize(
    ("code", "next_step"),
    [
        (82, "look at the server's log for what archive_command says"),
        (50, "wait for it and repeat"),
        (1, "its log in /var/log/pgbackrest has the whole"),
    ],
)
def test_a_failure_is_one_sentence_with_what_to_do_next(code: int, next_step: str) -> None:
    sentence = failure("check", code, PRINTED)
    assert sentence.startswith(f"pgbackrest check failed ({code}): WAL segment 0000")
    assert sentence.endswith(f"{next_step}.")
    assert "HINT" not in sentence


def test_one_without_words_is_told_as_well() -> None:
    assert "it gave no reason" in failure("check", 82, "")
