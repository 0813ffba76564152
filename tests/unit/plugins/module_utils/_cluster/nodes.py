"""Nodes as pg_node_facts describes them, as far as a topology looks."""

from __future__ import annotations

from typing import Any

ID = "7000000000000000001"
OTHER = "7000000000000000002"


def node(state: str, **instance: Any) -> dict[str, Any]:
    machine = {"distribution": "debian", "release": "12", "supported": True}
    packages = {"versions_installed": [15], "versions_offered": [15], "version_offered": 15}
    seen = {
        "state": state,
        "has_data": state not in ("absent", "empty"),
        "data_directory": "/var/lib/postgresql/15/main",
    }
    return {"machine": machine, "packages": packages, "version": 15, "instance": {**seen, **instance}}


def bare() -> dict[str, Any]:
    return node("absent")


def primary(timeline: int = 1, lsn: str = "0/5000000", **instance: Any) -> dict[str, Any]:
    return node("running", **_data("primary", timeline, current_lsn=lsn, **instance))


def standby(timeline: int = 1, lsn: str = "0/5000000", **instance: Any) -> dict[str, Any]:
    return node("running", **_data("standby", timeline, **{"receive_lsn": lsn, "replay_lsn": lsn, **instance}))


def streaming(**instance: Any) -> dict[str, Any]:
    return standby(**{"upstream": {"host": "10.0.0.1", "port": 5432, "status": "streaming"}, **instance})


def stopped(role: str = "primary", timeline: int = 1, lsn: str = "0/5000000", **instance: Any) -> dict[str, Any]:
    where = {"current_lsn": lsn} if role == "primary" else {"replay_lsn": lsn}
    return node("stopped", **_data(role, timeline, **where, **instance))


def silent() -> dict[str, Any]:
    return node("broken", system_identifier=ID, timeline=1, role=None, problem="It does not answer.")


def rewinding() -> dict[str, Any]:
    return node("broken", **_data("primary", 1), unfinished_rewind=True, problem="It was being rewound.")


def foreign() -> dict[str, Any]:
    return node("foreign", pg_version="13", problem="It holds data of PostgreSQL 13.")


def diskless() -> dict[str, Any]:
    return node("empty", problem="/srv is not mounted: mount it.")


def fork(timeline: int, lsn: str) -> list[dict[str, Any]]:
    return [{"timeline": timeline, "lsn": lsn}]


def _data(role: str, timeline: int, **instance: Any) -> dict[str, Any]:
    return {"system_identifier": ID, "timeline": timeline, "role": role, "history": [], **instance}
