"""Patroni, as far as it keeps the cluster."""

from __future__ import annotations

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import keeper as catalog
from tests.unit.plugins.module_utils._health.checks.case import Case, present, stepped
from tests.unit.plugins.rows import observed, row

KEPT = {"scope": "shop", "paused": False, "leader": "pg1", "etcd_age_seconds": 1.0}


def told(check: str, severity: str, sentence: str, **beyond: object) -> Case:
    """What is so or not."""
    return Case(
        check,
        severity,
        beyond=observed((catalog.KEEPER, row(catalog.Keeper, **{**KEPT, **beyond}))),
        within=observed((catalog.KEEPER, row(catalog.Keeper, **KEPT))),
        message=sentence,
    )


CASES = [
    *present(
        "patroni_unreachable",
        catalog.KEEPER_DOWN,
        "critical",
        "Patroni could not be asked: It does not answer.",
        reason="It does not answer.",
    ),
    told("patroni_paused", "warning", "Patroni is paused and would not fail over cluster shop.", paused=True),
    told("patroni_without_leader", "critical", "Patroni knows of no leader of cluster shop.", leader=None),
    *stepped(
        "patroni_etcd_age_seconds",
        catalog.KEEPER,
        "etcd_age_seconds",
        [("warning", 20, 20.5), ("critical", 60, 61)],
        "Patroni last heard from etcd 20 s ago.",
        leader="pg1",
    ),
    Case(
        "patroni_member_not_working",
        "warning",
        beyond=observed((catalog.KEPT_MEMBERS, row(catalog.KeptMember, name="pg2", state="start failed"))),
        within=observed((catalog.KEPT_MEMBERS, row(catalog.KeptMember, name="pg2", state="streaming"))),
        message="Patroni says of pg2 that it is start failed.",
        object="pg2",
    ),
]
