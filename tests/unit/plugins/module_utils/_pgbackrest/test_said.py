"""How far pgBackRest is, out of the words of each release."""

from __future__ import annotations

import tempfile

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.said import Said

# As 2.33, 2.45 and 2.55 print them.
LINES = [
    "P01   INFO: backup file /var/lib/postgresql/13/main/base/13445/16384 (19.5MB, 45%) checksum 5a64967176e5",
    "P01 DETAIL: backup file pg1:/var/lib/postgresql/15/main/base/5/16384 (19.5MB, 45.00%) checksum 84e1f85ba579",
    "P01 DETAIL: backup file /var/lib/postgresql/17/main/base/5/1 (bundle 1/17, 19.5MB, 45.00%) checksum 703a7487",
    "P01 DETAIL: restore file /srv/o (8KB, 3.00%)d/16384 - exists and matches backup (19.5MB, 45%) checksum 5a64",
    "P01 DETAIL: match file from prior backup /var/lib/postgresql/17/main/base/5/1 (19.5MB, 45.00%) checksum 84e1",
]


@pytest.mark.parametrize("line", LINES)
def test_each_release_is_understood(line: str) -> None:
    with tempfile.TemporaryFile() as printed:
        said = Said(printed.fileno())
        assert said.measure() == (0, None)
        printed.write(f"P00   INFO: backup command begin\n{line}\n{line}".encode())
        printed.flush()
        # A line that is not whole yet is heard when it is.
        done, total = said.measure()
        assert done == 19.5 * 2**20
        assert total == pytest.approx(19.5 * 2**20 / 0.45)
        printed.write(b"\n")
        printed.flush()
        assert said.measure()[0] == 39 * 2**20


def test_where_the_whole_is_known_the_share_counts() -> None:
    with tempfile.TemporaryFile() as printed:
        said = Said(printed.fileno(), total=1000)
        assert said.measure() == (0, 1000)
        said.hear(LINES[1])
        # Several processes tell of files in another order than they were counted.
        said.hear(LINES[1].replace("45.00%", "44.00%"))
        assert said.measure() == (450, 1000)
