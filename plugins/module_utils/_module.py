# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The edge to Ansible: options in, one result out, every problem a sentence."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.runbook.postgres.plugins.module_utils._connection import libpq_parameters
from ansible_collections.runbook.postgres.plugins.module_utils._copy import CopyConnection
from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._ending import Ended, Ending
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._session import DRIVER_MISSING, Session


class _Unlogged(AnsibleModule):
    """Its options are not for the host's log, to which Ansible writes them before the module says its first word:
    inside of them are secrets that no option of their own marks as such."""

    def _log_invocation(self) -> None:
        pass


class Module:
    """Wraps a module's run: what is raised inside becomes the failure, what is reported the result."""

    def __init__(self, options: Mapping[str, Any], *, driver: bool = True, logged: bool = True, **rules: Any) -> None:
        """Without `driver` a module runs where psycopg2 is not installed, and has no session; without `logged` its
        options are not written to the host's log."""
        self._needs_driver = driver
        kind = AnsibleModule if logged else _Unlogged
        self._ansible = kind(argument_spec=dict(options), supports_check_mode=True, **rules)
        self._result: dict[str, Any] = {}
        self._ending = Ending()
        self.check_mode: bool = self._ansible.check_mode
        self.params: dict[str, Any] = self._ansible.params

    def __enter__(self) -> Module:
        if self._needs_driver:
            self.require_driver()
        self._ending.begin()
        return self

    def require_driver(self) -> None:
        """For a module that needs it for some of what it does only."""
        if DRIVER_MISSING is not None:
            self._ansible.fail_json(msg=missing_required_lib("psycopg2"), exception=DRIVER_MISSING)

    def session(self, settings: Mapping[str, str] | None = None, database: str | None = None) -> Session:
        """A connection by the module's options, or to another database of that server; in check mode the server
        itself refuses to write."""
        net = {"default_transaction_read_only": "on"} if self.check_mode else {}
        seconds = Deadline(float(self.params.get("connect_timeout") or 10))
        settings = {**(settings or {}), **net}
        return Session(self._parameters(database), seconds, settings, statement_seconds=3600.0).unhurried()

    def _parameters(self, database: str | None) -> dict[str, Any]:
        given = libpq_parameters(self.params)
        return given if database is None else {**given, "dbname": database}

    def copy_connection(self, database: str | None = None) -> CopyConnection:
        """Another one by the same options, for streams of rows."""
        return CopyConnection(self._parameters(database), int(self.params.get("connect_timeout") or 10))

    def hide(self, secrets: Iterable[str]) -> None:
        """Values inside of options that are not secret as a whole; Ansible takes them out of all that is said."""
        self._ansible.no_log_values.update(each for each in secrets if each)

    def warn(self, sentence: str) -> None:
        """Told with the result, whichever it is."""
        self._ansible.warn(sentence)

    def report(self, **result: Any) -> None:
        """The result; `warnings` are sentences that Ansible prints by itself."""
        self._result = result

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.give_back()
        for warning in self._result.pop("warnings", ()):
            self._ansible.warn(warning)
        if error is None:
            self._ansible.exit_json(**{"changed": False, **self._result})
        if isinstance(error, (Problem, Ended)):
            # What was done before it failed is part of what a failure has to say.
            self._ansible.fail_json(msg=error.sentence, **self._result)
        if isinstance(error, Exception):
            self._ansible.fail_json(msg=_defect(error))


def _defect(error: Exception) -> str:
    """An error nobody foresaw, as a sentence: the place is named, the trace is not shown."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else "an unknown place"
    return (
        f"The module met a condition it does not know, {type(error).__name__} at {place} ({error}); "
        "nothing more was done, please report it with the server's version."
    )
