# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What Patroni says of itself over its REST interface, and the settings that it keeps in etcd."""

from __future__ import annotations

import email.utils
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Unreachable

PORT = 8008


@dataclass(frozen=True)
class Keys:
    """Files by which the other side is known, and by which we are; who only looks needs no certificate."""

    ca: str
    certificate: str = ""
    key: str = ""

    @classmethod
    def of_node(cls, directory: str) -> Keys:
        return cls(f"{directory}/ca.crt", f"{directory}/node.crt", f"{directory}/node.key")

    def context(self) -> ssl.SSLContext:
        try:
            made = ssl.create_default_context(cafile=self.ca)
            if self.certificate:
                made.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise Problem(
                f"The certificates beside {self.ca} cannot be read ({error}): give the task become."
            ) from error
        return made


@dataclass(frozen=True)
class Answer:
    status: int
    content: Any
    # By the clock of the host that answered.
    at: float | None


@dataclass(frozen=True)
class Api:
    address: str
    keys: Keys
    port: int = PORT
    seconds: float = 5.0

    @property
    def place(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"https://{host}:{self.port}"

    def get(self, path: str) -> Answer:
        return self._ask(urllib.request.Request(f"{self.place}/{path}"))

    def patch(self, path: str, content: Mapping[str, Any]) -> Answer:
        return self._send("PATCH", path, content)

    def post(self, path: str, content: Mapping[str, Any]) -> Answer:
        return self._send("POST", path, content)

    def _send(self, method: str, path: str, content: Mapping[str, Any]) -> Answer:
        body = json.dumps(content).encode("utf-8")
        headers = {"Content-Type": "application/json"}
        return self._ask(urllib.request.Request(f"{self.place}/{path}", body, headers, method=method))

    def _ask(self, request: urllib.request.Request) -> Answer:
        # No proxy of the environment stands between a member and another.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.keys.context())
        )
        try:
            with opener.open(request, timeout=self.seconds) as response:
                return _answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            # How Patroni says that it is not what was asked for; the text still tells.
            return _answer(error.code, error.headers, error.read())
        except (OSError, ValueError) as error:
            why = getattr(error, "reason", error)
            raise Unreachable(
                f"Patroni does not answer at {self.place} ({why}): look at patroni.service there."
            ) from error


def _answer(status: int, headers: Any, body: bytes) -> Answer:
    at = email.utils.parsedate_to_datetime(headers["Date"]).timestamp() if headers["Date"] else None
    try:
        return Answer(status, json.loads(body or b"null"), at)
    except ValueError:
        return Answer(status, body.decode(errors="replace"), at)


@dataclass(frozen=True)
class Told:
    """A cluster as one of its members tells it."""

    scope: str
    version: str
    role: str
    state: str
    timeline: int | None
    paused: bool
    pending_restart: bool
    # None where it cannot be told.
    etcd_age_seconds: float | None
    leader: str | None
    members: Sequence[Mapping[str, Any]]
    # What it is to do at a time that somebody has said, null where nothing is.
    scheduled_switchover: Mapping[str, Any] | None
    settings: Mapping[str, Any]


def told(api: Api) -> Told:
    own, cluster, settings = api.get("patroni"), api.get("cluster"), api.get("config")
    if not isinstance(own.content, dict) or "patroni" not in own.content:
        raise Problem(f"What answers at {api.place} is not Patroni (HTTP {own.status}): see what listens there.")
    known = cluster.content if isinstance(cluster.content, dict) else {}
    members = known.get("members") or ()
    leaders = [str(each["name"]) for each in members if each.get("role") in ("leader", "standby_leader")]
    seen = own.content.get("dcs_last_seen")
    return Told(
        scope=str(own.content["patroni"].get("scope", "")),
        version=str(own.content["patroni"].get("version", "")),
        # Older ones call it master.
        role=str(own.content.get("role", "unknown")).replace("master", "primary"),
        state=str(own.content.get("state", "unknown")),
        timeline=own.content.get("timeline"),
        paused=bool(own.content.get("pause") or known.get("pause")),
        pending_restart=bool(own.content.get("pending_restart")),
        etcd_age_seconds=max(0.0, own.at - float(seen)) if own.at is not None and seen is not None else None,
        leader=leaders[0] if leaders else None,
        members=tuple(_member(each) for each in members),
        scheduled_switchover=known.get("scheduled_switchover") or None,
        settings=settings.content if isinstance(settings.content, dict) else {},
    )


def _member(row: Mapping[str, Any]) -> dict[str, Any]:
    lag = row.get("lag")
    return {
        "name": str(row.get("name", "")),
        "role": str(row.get("role", "")),
        "state": str(row.get("state", "")),
        "timeline": row.get("timeline"),
        # In bytes; of the leader, and where it is not known, there is none.
        "lag_bytes": lag if isinstance(lag, int) else None,
        "pending_restart": bool(row.get("pending_restart")),
        "tags": dict(row.get("tags") or {}),
    }
