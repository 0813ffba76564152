"""Rows are found in what pg_restore prints, wherever its portions end."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.parts import contents
from ansible_collections.runbook.postgres.plugins.module_utils._backup.restore.parts.rows import Blocks
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._stream.reading import Unreadable

ROWS = st.lists(st.sampled_from([b"1\tx\n", b"\\\\.\n", b"\\N\t\n", b"COPY a (b) FROM stdin;\n", b"\n"]), max_size=6)


def blocks(data: bytes, portion: int) -> Blocks:
    source = io.BytesIO(data)
    return Blocks(lambda _: source.read(portion))


def whole(reader: Blocks) -> bytes:
    return b"".join(iter(lambda: reader.read(0), b""))


@given(ROWS, ROWS, st.integers(1, 40))
def test_every_row_and_no_other(one: list[bytes], other: list[bytes], portion: int) -> None:
    text = b"SET x = 1;\n\nCOPY s.one (a) FROM stdin;\n" + b"".join(one) + b"\\.\n\n\n--\n"
    text += b"COPY s.other (a) FROM stdin;\n" + b"".join(other) + b"\\.\n\n"
    reader = blocks(text, portion)
    reader.begin("COPY s.one (a) FROM stdin;", "s.one")
    assert whole(reader) == b"".join(one)
    reader.begin("COPY s.other (a) FROM stdin;", "s.other")
    assert whole(reader) == b"".join(other)


def test_rows_that_are_cut_short_or_elsewhere() -> None:
    reader = blocks(b"COPY s.one (a) FROM stdin;\n1\n", 5)
    reader.begin("COPY s.one (a) FROM stdin;", "s.one")
    with pytest.raises(Unreadable):
        whole(reader)
    with pytest.raises(Unreadable, match="other columns"):
        blocks(b"COPY s.one (a, b) FROM stdin;\n1\n\\.\n", 5).begin("COPY s.one (a) FROM stdin;", "s.one")


LINES = [
    ";",
    "; Selected TOC Entries:",
    "7; 2615 16473 SCHEMA - s .p postgres",
    "217; 1259 16476 TABLE s .p t; x y own er",
    "3414; 0 16476 TABLE DATA s .p t; x y own er",
    "3411; 6104 16489 PUBLICATION - pub postgres",
    "3412; 6106 16490 PUBLICATION TABLE public pub parts postgres",
    "3413; 3466 16490 EVENT TRIGGER - e postgres",
]


def test_what_acts_elsewhere_is_left_out() -> None:
    assert contents.definitions(LINES) == LINES[2:5]


def test_a_table_is_found_by_its_names() -> None:
    assert contents.holds(LINES, "TABLE", "s .p", "t; x\ny")
    assert contents.holds(LINES, "SCHEMA", "-", "s .p")
    assert not contents.holds(LINES, "TABLE", "public", "t")
    wanted = [("public", "none", "x"), ("s .p", "t; x\ny", "own er")]
    assert contents.chosen(LINES, "TABLE DATA", wanted) == [(LINES[4], 1)]
    with pytest.raises(Refused, match="told apart"):
        contents.chosen(LINES, "TABLE DATA", [("a b", "c", "x"), ("a", "b c", "x")])
