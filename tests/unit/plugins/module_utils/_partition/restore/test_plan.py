"""When an archive becomes a partition again, and when not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.manifest import Column
from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import Range
from ansible_collections.runbook.postgres.plugins.module_utils._partition.restore.plan import (
    BEING_RESTORED,
    RESTORED,
    Attach,
    Load,
    Make,
    Scene,
    Standing,
    bound_ends,
    plan_restore,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.state import Partition, PartitionedTable

from ..archive.manifests import A_MANIFEST, a_manifest

FILE = Path("/srv/a.csv.gz")
TABLE = PartitionedTable(1, "public", "events", "integer", (), (), frozenset())


def partition(name: str, lower: int, upper: int) -> Partition:
    return Partition(2, "public", name, Range(lower, upper), False, False, False, 0)


def planned(table: PartitionedTable = TABLE, **scene: Any) -> Plan:
    given: dict[str, Any] = {"columns": A_MANIFEST.columns, "standing": None, "system_identifier": "7", **scene}
    return plan_restore(Scene(table=table, **given), A_MANIFEST, FILE)


def kinds(plan: Plan) -> list[type]:
    return [type(step) for step in plan.changes]


def test_a_partition_that_is_not_there_is_made_loaded_and_attached() -> None:
    plan = planned()
    assert kinds(plan) == [Make, Load, Attach]
    assert plan.after == ("events_p2024 from 10 to 20, 3 rows from /srv/a.csv.gz",)


def test_one_that_is_there_with_as_many_rows_is_left() -> None:
    assert planned(replace(TABLE, partitions=(partition("any", 10, 20),)), rows=3) == Plan()


def test_one_with_other_rows_is_refused() -> None:
    plan = planned(replace(TABLE, partitions=(partition("any", 10, 20),)), rows=4)
    assert plan.refusals == (
        "any has the archive's bounds already and 4 rows, the archive 3: detach it first, or leave it.",
    )


@pytest.mark.parametrize(
    ("said", "steps"),
    [
        (BEING_RESTORED.format(title="public.events"), [Make, Load, Attach]),
        (RESTORED.format(sha256="a" * 64, title="public.events"), [Attach]),
        (RESTORED.format(sha256="c" * 64, title="public.events"), [Make, Load, Attach]),
    ],
)
def test_a_killed_restore_goes_on(said: str, steps: list[type]) -> None:
    plan = planned(standing=Standing(3, None, said))
    assert kinds(plan) == steps
    assert not isinstance(plan.changes[0], Make) or plan.changes[0].leftover


@pytest.mark.parametrize(
    "said",
    [None, "mine", BEING_RESTORED.format(title="public.other"), RESTORED.format(sha256="x", title="public.events")],
)
def test_a_table_of_somebody_else_is_in_the_way(said: str | None) -> None:
    assert "Something else is called" in planned(standing=Standing(3, None, said)).refusals[0]


@pytest.mark.parametrize(
    ("scene", "words"),
    [
        ({"table": replace(TABLE, partitions=(partition("p", 19, 30),))}, "p of public.events overlaps"),
        ({"table": replace(TABLE, kind="date")}, "partitioned by date and the archive by integer"),
        ({"rows_in_default": 2}, "holds 2 rows"),
        ({"columns": ()}, "id is gone; twice is gone"),
        ({"columns": (*A_MANIFEST.columns, Column("new", "text", False, None, False, False))}, "new is new"),
        (
            {"columns": (replace(A_MANIFEST.columns[0], type="text"), A_MANIFEST.columns[1])},
            "id was integer and is text",
        ),
        ({"columns": (A_MANIFEST.columns[0], replace(A_MANIFEST.columns[1], generated=False))}, "twice was generated"),
    ],
)
def test_what_is_refused(scene: dict[str, Any], words: str) -> None:
    plan = planned(**scene)
    assert words in " ".join(plan.refusals)
    assert plan.changes == ()


@pytest.mark.parametrize("columns", [tuple(reversed(A_MANIFEST.columns))])
def test_the_order_of_columns_does_not_matter(columns: tuple[Column, ...]) -> None:
    assert planned(columns=columns).refusals == ()


def test_another_cluster_is_told_and_an_unknown_one_is_not() -> None:
    assert "another cluster" in planned(system_identifier="8").warnings[0]
    assert planned(system_identifier=None).warnings == ()


@pytest.mark.parametrize(
    "bound", ["DEFAULT", "FOR VALUES IN (1)", "FOR VALUES FROM (1, 2) TO (3, 4)", "", "); DROP TABLE x"]
)
def test_bounds_that_are_not_understood(bound: str) -> None:
    scene = Scene(table=TABLE, columns=A_MANIFEST.columns, standing=None, system_identifier="7")
    assert "not understood" in plan_restore(scene, a_manifest(bound=bound), FILE).refusals[0]


@pytest.mark.parametrize(
    ("bound", "ends"),
    [
        ("FOR VALUES FROM (1) TO ('2')", ("1", "2")),
        ("FOR VALUES FROM (MINVALUE) TO (MAXVALUE)", (None, None)),
        ("FOR VALUES FROM ('2001-01-01 00:00:00+00') TO ('infinity')", ("2001-01-01 00:00:00+00", "infinity")),
    ],
)
def test_the_ends_of_bounds(bound: str, ends: tuple[str | None, str | None]) -> None:
    assert bound_ends(bound) == ends
