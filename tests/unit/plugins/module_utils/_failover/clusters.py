"""Clusters as the filters get them: what was seen of each member, and the topology that was decided from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._cluster.topology import decide
from ansible_collections.runbook.postgres.plugins.module_utils._failover.snapshot import Snapshot, taken
from tests.unit.plugins.module_utils._cluster import nodes

LIMITS = {"max_replication_slots": 10, "max_wal_senders": 10, "recovery_min_apply_delay": 0}
FREE = 10 * 1024**3


def primary(*streaming: str, **instance: Any) -> dict[str, Any]:
    return _with_limits(nodes.primary(streaming=list(streaming), **instance))


def streaming(lsn: str = "0/5000000", timeline: int = 1, **instance: Any) -> dict[str, Any]:
    return _with_limits(nodes.streaming(lsn=lsn, timeline=timeline, **instance))


def standby(lsn: str = "0/5000000", timeline: int = 1, **instance: Any) -> dict[str, Any]:
    """One that streams from nobody now."""
    return _with_limits(nodes.standby(timeline, lsn, **instance))


def with_machine(facts: dict[str, Any], **machine: Any) -> dict[str, Any]:
    return {**facts, "machine": {**facts["machine"], **machine}}


def cluster(found: Mapping[str, Any], poolers: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"name": "orders", "nodes": dict(found), "poolers": dict(poolers or {}), **more}


def seen(found: Mapping[str, Any], poolers: Mapping[str, Any] | None = None, **more: Any) -> Snapshot:
    whole = cluster(found, poolers, **more)
    return taken(whole, decide(whole))


def _with_limits(facts: dict[str, Any]) -> dict[str, Any]:
    instance = facts["instance"]
    settings = {**LIMITS, **instance.get("settings", {})}
    machine = {**facts["machine"], "promoters": [], "wal_free_bytes": FREE}
    return {**facts, "machine": machine, "instance": {"streaming": [], "slots": [], **instance, "settings": settings}}
