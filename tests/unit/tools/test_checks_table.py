"""The committed page of checks is what the code yields, and tells all of it."""

from __future__ import annotations

import pytest

import checks_table
from ansible_collections.runbook.postgres.plugins.module_utils._health.checks import CHECKS


def test_the_committed_page_is_what_the_code_yields() -> None:
    assert checks_table.PAGE.read_text(encoding="utf-8") == checks_table.page(), "run `make docs-table`"


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_every_check_is_a_row_with_its_remedy(name: str) -> None:
    page = checks_table.page()
    assert page.count(f"* - ``{name}``\n") == 1
    assert f"     - {CHECKS[name].remedy}\n" in page


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "index_bloat_percent",
            (
                "%",
                "more",
                "",
                "50",
                "",
                "104,857,600 (100 MiB) wasted bytes",
                "SELECT on the tables, and their last ANALYZE",
            ),
        ),
        ("cache_hit_percent", ("%", "less", "", "95", "90", "100,000 blocks asked for", "")),
        ("slot_retained_bytes", ("bytes", "more", "", "1,073,741,824 (1.0 GiB)", "10,737,418,240 (10.0 GiB)", "", "")),
        ("slot_used_percent", ("%", "more", "", "70", "90", "", "")),
        ("duplicate_index_bytes", ("bytes", "more", "0", "", "", "", "")),
        ("replicas_connected", ("replicas", "less", "", "", "", "", "``pg_monitor``")),
        ("replay_paused", ("standbys", "more", "", "0", "", "", "a standby; ``pg_monitor``")),
        ("pool_wait_seconds", ("s", "more", "", "1", "10", "", "option ``pgbouncer``")),
        (
            "database_disk_percent",
            (
                "%",
                "more",
                "",
                "80",
                "90",
                "",
                "the module on the database host, as a user who may look into the data directory; subset ``storage``",
            ),
        ),
    ],
)
def test_a_row_tells_unit_direction_levels_floor_and_needs(name: str, expected: tuple[str, ...]) -> None:
    assert checks_table.cells(CHECKS[name])[1:-1] == expected


@pytest.mark.parametrize("name", sorted(set(CHECKS) - {"autovacuum_disabled"}))
def test_every_check_rests_on_a_question(name: str) -> None:
    assert checks_table.consulted(CHECKS[name])
