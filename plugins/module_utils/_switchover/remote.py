# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A server as a pooler reaches it: asked again and again whether it takes writes, over a connection that may go."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.server import as_postgres
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.words import Words, say

_RECOVERING = "SELECT pg_catalog.pg_is_in_recovery() AS recovering"
_CONNECT_SECONDS = 2.0
_ANSWER_SECONDS = 5.0
# A server that starts refuses at once, and is not to be asked without a pause.
_AGAIN_SECONDS = 0.2


class Remote:
    """Its session carries our word for as long as it lives."""

    def __init__(self, parameters: Mapping[str, Any], words: Words) -> None:
        self._parameters = dict(parameters)
        self._words = words
        self._session: Session | None = None
        self._asked = 0.0

    def connect(self, name: str, seconds: float) -> None:
        self._session = self._connected(name, seconds)

    def _connected(self, name: str, seconds: float) -> Session:
        with as_postgres():
            return Session(
                {**self._parameters, "application_name": name}, Deadline(seconds), statement_seconds=_ANSWER_SECONDS
            )

    def say(self, name: str) -> None:
        if self._session is not None:
            with contextlib.suppress(Problem):
                say(self._session, name)

    def heard(self) -> set[str] | None:
        """What is said there; None when the connection is gone."""
        if self._session is None:
            return None
        try:
            return self._words.heard(self._session)
        except Problem:
            self.close()
            return None

    def writable(self, name: str) -> bool:
        """Whether it answers that it takes writes; a connection that is gone is made anew."""
        try:
            if self._session is None:
                if time.monotonic() - self._asked < _AGAIN_SECONDS:
                    return False
                self._asked = time.monotonic()
                self._session = self._connected(name, _CONNECT_SECONDS)
            return not self._session.fetch(_RECOVERING)[0]["recovering"]
        except Problem:
            self.close()
            return False

    def forget(self) -> None:
        """In a process that has it from another: the connection stays the other's."""
        self._session = None

    def close(self) -> None:
        if self._session is not None:
            with contextlib.suppress(Exception):
                self._session.__exit__()
            self._session = None
