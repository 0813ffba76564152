"""pg_controldata's lines."""

from __future__ import annotations

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._controldata import Control, parsed
from ansible_collections.runbook.postgres.plugins.module_utils._history import Branch

PRINTED = """\
pg_control version number:            1300
Database system identifier:           7710459897914949738
Database cluster state:               shut down in recovery
pg_control last modified:             Sat 21 Nov 2026 03:22:00 AM UTC
Latest checkpoint location:           0/2000060
Latest checkpoint's TimeLineID:       1
Minimum recovery ending location:     1/3000148
Min recovery ending loc's timeline:   2
max_connections setting:              100
max_prepared_xacts setting:           0
Data page checksum version:           1
"""


def test_what_matters_is_taken() -> None:
    settings = {"max_connections": 100, "max_prepared_transactions": 0}
    reached = Branch(2, "1/3000148")
    assert parsed(PRINTED) == Control("7710459897914949738", "shut down in recovery", reached, True, settings)


def test_the_furthest_position_counts_with_its_own_timeline() -> None:
    found = parsed(PRINTED.replace("1/3000148", "0/0").replace("timeline:   2", "timeline:   0"))
    assert found is not None
    assert found.position == Branch(1, "0/2000060")


@pytest.mark.parametrize(
    "printed",
    [
        "",
        "pg_controldata: error\n",
        PRINTED.replace("TimeLineID:       1", "TimeLineID: one"),
        PRINTED.replace("max_connections setting:              100", "max_connections setting: many"),
        f"WARNING: Calculated CRC checksum does not match value stored in file.\n\n{PRINTED}",
        f"pg_controldata: warning: calculated CRC checksum does not match value stored in control file\n{PRINTED}",
    ],
)
def test_anything_else_is_none(printed: str) -> None:
    assert parsed(printed) is None
