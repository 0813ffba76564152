"""What pgBackRest says of a stanza, as its releases say it."""

from __future__ import annotations

from typing import Any

STANZA, CLUSTER = "demo", 7713633169553289385


def backup(label: str, stop: int, segment: str, lsn: str | None = None, **more: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "archive": {"start": segment, "stop": segment},
        "database": {"id": 1, "repo-key": 1},
        "info": {"size": 23185772},
        "label": label,
        "timestamp": {"start": stop - 5, "stop": stop},
        "type": "full",
    }
    return {**told, **({"lsn": {"start": lsn, "stop": lsn}, "error": False} if lsn else {}), **more}


def listing(*backups: dict[str, Any], last: str = "00000001000000000000000A", **more: Any) -> list[dict[str, Any]]:
    return [
        {
            "archive": [{"database": {"id": 1, "repo-key": 1}, "id": "15-1", "max": last, "min": last[:22] + "01"}],
            "backup": list(backups),
            "db": [{"id": 1, "repo-key": 1, "system-id": CLUSTER, "version": "15"}],
            "name": STANZA,
            "status": {"code": 0, "message": "ok"},
            **more,
        }
    ]
