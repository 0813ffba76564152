"""What counts as proof that a standby has everything, down to the last byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._switchover.proof import Received, end_of, missing

WORD = "runbook switchover abcdef012345"
SEGMENT = 16 * 1024 * 1024
NEXT_OID = (
    "rmgr: XLOG        len (rec/tot):     30/    30, tx:          0, lsn: 0/03000028, prev 0/02000100, "
    "desc: NEXTOID 24576"
)
POINT = (
    "rmgr: XLOG        len (rec/tot):     98/    98, tx:        725, lsn: 0/030C4628, prev 0/030C45E8, "
    f"desc: RESTORE_POINT {WORD}"
)
STOP = (
    "rmgr: XLOG        len (rec/tot):    114/   114, tx:          0, lsn: 0/030C46B8, prev 0/030C4690, "
    "desc: CHECKPOINT_SHUTDOWN redo 0/30C46B8; tli 1; prev tli 1; fpw true; xid 0:726; shutdown"
)
ONLINE = STOP.replace("CHECKPOINT_SHUTDOWN", "CHECKPOINT_ONLINE").replace("shutdown", "online")
OTHER = POINT.replace("abcdef012345", "000000000000")
END = "0/30C4730"


def received(end: str = END) -> Received:
    return Received(1, "0/3000000", end, SEGMENT)


def test_wal_that_ends_with_the_stop_is_all() -> None:
    assert missing("\n".join([NEXT_OID, POINT, STOP]), WORD, received()) is None


@pytest.mark.parametrize(
    ("lines", "end", "said"),
    [
        ([], END, "last word"),
        ([NEXT_OID, STOP], END, "last word"),
        ([OTHER, STOP], END, "last word"),
        ([POINT], END, "does not end with a clean stop"),
        ([POINT, ONLINE], END, "does not end with a clean stop"),
        ([POINT, STOP, NEXT_OID], END, "does not end with a clean stop"),
        # Records of another kind follow, which are not printed.
        ([POINT, STOP], "0/30C4768", "past the primary's stop"),
        # The stop itself was not received whole.
        ([POINT, STOP], "0/30C4700", "past the primary's stop"),
    ],
)
def test_what_is_missing_is_told(lines: list[str], end: str, said: str) -> None:
    assert said in (missing("\n".join(lines), WORD, received(end)) or "")


@pytest.mark.parametrize(
    ("lsn", "length", "end"),
    [
        (0x30C46B8, 114, 0x30C4730),
        # Up to the end of a page, and one byte further.
        (0x2000 - 120, 120, 0x2000),
        (0x2000 - 112, 114, 0x2000 + 24 + 8),
        # Into a new segment, whose first page has the longer header.
        (SEGMENT - 112, 114, SEGMENT + 40 + 8),
        # Over a whole page.
        (0x2000 - 8, 8 + 8168 + 16, 0x2000 + 8192 + 24 + 16),
    ],
)
def test_where_a_record_ends(lsn: int, length: int, end: int) -> None:
    assert end_of(lsn, length, SEGMENT) == end


@given(st.integers(min_value=4, max_value=1 << 32), st.integers(min_value=24, max_value=100_000))
def test_a_record_takes_its_bytes_and_the_headers_of_its_pages(place: int, length: int) -> None:
    lsn = place * 8
    end = end_of(lsn, length, SEGMENT)
    assert end % 8 == 0
    pages = (end - 1) // 8192 - lsn // 8192
    assert length + 24 * pages <= end - lsn <= length + 40 * pages + 7
