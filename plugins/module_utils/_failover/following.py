# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A sibling's part in a failover: it follows the new primary at once.

By itself it asks all members in turn every few seconds, and waits for one that is gone for as long as TCP does; where
commits wait for standbys, each commit waits for that as well.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._debian import Socket, literal
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._failover.upstreams import hosts, ways
from ansible_collections.runbook.postgres.plugins.module_utils._instance import observe as instances

_PAUSE = 0.2
_KNOWN = "SELECT json_build_object('recovers', pg_is_in_recovery(), 'way', current_setting('primary_conninfo'))"
# A startup process that waits before it tries again is woken by that.
_AGAIN = "SELECT pg_reload_conf()"
_FOLLOWS = """
SELECT to_json(EXISTS (SELECT FROM pg_catalog.pg_stat_wal_receiver
  WHERE status = 'streaming' AND NOT sender_host = ANY (ARRAY[{gone}]::text[])))
"""


@dataclass
class Following:
    version: int
    instance: str
    gone: tuple[str, ...]
    seconds: float
    result: dict[str, Any] = field(default_factory=lambda: {"follows": False, "asks": None, "durations": {}})

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Following:
        return cls(int(given["version"]), str(given["instance"]), tuple(given["gone"]), float(given["wait_limit"]))

    def run(self) -> None:
        """What it does to the settings is what role replication writes to its file, and counts until then."""
        begun = time.monotonic()
        server = self._server()
        known = server.json(_KNOWN)
        led = str(known["way"])
        if not known["recovers"] or (hosts(led) and not set(hosts(led)) - set(self.gone)):
            return
        self.result["follows"] = self._led(server, ways(led, self.gone))
        self.result["durations"]["follow_ms"] = round((time.monotonic() - begun) * 1000)

    def _led(self, server: Socket, found: tuple[str, str] | None) -> bool:
        deadline = Deadline(self.seconds)
        if found is None:
            return self._streams(server, deadline)
        now, then = found
        try:
            _ask(server, now)
            self._streams(server, deadline)
        finally:
            _ask(server, then)
            self.result["asks"] = hosts(then)
        return self._streams(server, deadline)

    def _streams(self, server: Socket, deadline: Deadline) -> bool:
        """Asked once at least."""
        question = _FOLLOWS.replace("{gone}", ", ".join(literal(each) for each in self.gone))
        while True:
            server.psql(_AGAIN)
            time.sleep(_PAUSE)
            if server.json(question):
                return True
            if deadline.passed():
                return False

    def _server(self) -> Socket:
        found = instances.observe(self.version, self.instance)
        if found.server is None:
            raise Refused(f"Instance {self.version}/{self.instance} does not run, so that it follows nobody.")
        return found.server.socket(seconds=max(self.seconds, 5.0))


def _ask(server: Socket, way: str) -> None:
    server.psql(f"ALTER SYSTEM SET primary_conninfo = {literal(way)}")


def tried(following: Following) -> str:
    """That one does not follow is told by who looks later."""
    try:
        following.run()
    except Problem as problem:
        return problem.sentence
    return ""
