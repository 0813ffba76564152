"""What pgbench wrote down of its commits, and what it complained of."""

from __future__ import annotations

import pytest

from bench.clients import Told, told
from lab.errors import LabError

# Two clients, each of which wrote a file of its own; the last line was cut off.
LOG = """\
0 1 2000 0 1700000000 500000
0 2 2000 0 1700000003 250000
0 1 1500 0 1700000001 0
0 2 failed 0 1700000002 0
0 3 1500 0 17000
"""
COMPLAINTS = """\
pgbench (15.14)
pgbench: error: client 0 script 0 aborted in command 5 query 0: FATAL:  server conn crashed?
pgbench: error: Run was aborted; the above results are incomplete.
number of failed transactions: 0 (0.000%)
pgbench: error: connection to server failed: timeout
pgbench: error: client 0 aborted in command 4 (SQL) of script 0; perhaps the backend died while processing
number of failed transactions: 2 (0.100%)
"""


def test_commits_are_in_the_order_of_all_clients() -> None:
    assert told(LOG, "").commits == (1700000000.5, 1700000001.0, 1700000003.25)


def test_who_was_told_off_is_counted_and_whoever_could_not_connect_is_not() -> None:
    found = told(LOG, COMPLAINTS)
    assert found.failed == 4
    assert "server conn crashed" in found.complaint
    assert told(LOG, "number of failed transactions: 0 (0.000%)\n").failed == 0


@pytest.mark.parametrize(("since", "gap"), [(0, 4.0), (4.5, 4.0), (5.5, 1.0), (9.0, 0.0)])
def test_a_gap_counts_when_it_ends_afterwards(since: float, gap: float) -> None:
    assert Told((1.0, 5.0, 6.0), 0).longest_gap(since) == gap


def test_the_first_commit_after_a_moment() -> None:
    assert Told((1.0, 5.0, 6.0), 0).first_after(1.0) == 5.0
    with pytest.raises(LabError, match="nothing to compare"):
        Told((1.0,), 0).first_after(2.0)
