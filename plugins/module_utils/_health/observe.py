# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Who is asked what, in which order: the server, the database connected to, the others, the pooler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, QueryFailed, Silent, Unreachable
from ansible_collections.runbook.postgres.plugins.module_utils._health import catalog
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog.replication import STANDBY
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog.server import DATABASES
from ansible_collections.runbook.postgres.plugins.module_utils._health.interview import Interview
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.backups import ask_backups
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.custom import ask_custom
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.disks import ask_disks
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.dumps import ask_dumps
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.keeper import ask_keeper
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.plain import ask
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.pooler import ask_pooler
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.rate import ask_rate
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.sequences import ask_sequences
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.standby import ask_standby
from ansible_collections.runbook.postgres.plugins.module_utils._health.observers.statements import (
    ask_statements,
    settle_statements,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import CLUSTER, DATABASE, Observed, Probe
from ansible_collections.runbook.postgres.plugins.module_utils._health.request import Scope
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session


def observe(connection: Mapping[str, Any], scope: Scope) -> Observed:
    """Everything that was asked for, or in `down` why the server could not be asked."""
    interview = Interview(connection, scope)
    try:
        _ask_server(interview)
        ask_pooler(interview)
    except Unreachable as error:
        interview.observed.down = error.sentence
    ask_keeper(interview)
    return interview.observed


def _ask_server(interview: Interview) -> None:
    with interview.begin() as session:
        ask_rate(interview, session)
        for probe in _probes(interview, CLUSTER):
            if probe is STANDBY:
                ask_standby(interview, session)
            else:
                ask(interview, session, probe, None)
        ask_disks(interview)
        ask_backups(interview)
        ask_dumps(interview)
        examined = _examined(interview, session)
        _ask_database(interview, session, interview.home, examined=interview.home in examined)
        named = [question.database for question in interview.scope.queries if question.database]
        for name in dict.fromkeys([*examined, *named]):
            if name != interview.home:
                _ask_elsewhere(interview, name, examined=name in examined)
    settle_statements(interview)


def _examined(interview: Interview, session: Session) -> list[str]:
    if interview.scope.databases:
        return list(interview.scope.databases)
    try:
        return [row["name"] for row in interview.hurried(session).fetch(DATABASES)]
    except QueryFailed as error:
        # Mostly for want of time; what is known of the server is told all the same.
        interview.lost("databases", None, error.sentence)
        return []


def _ask_elsewhere(interview: Interview, name: str, examined: bool) -> None:
    """Another database takes a connection of its own; failing to get one costs only its questions."""
    custom = any(interview.wants(catalog.CUSTOM_VALUES) and each.database == name for each in interview.scope.queries)
    if not custom and not (examined and _probes(interview, DATABASE)):
        return
    if interview.late("connection", name):
        return
    try:
        with interview.connect(name) as session:
            _ask_database(interview, session, name, examined)
    except Silent:
        raise
    except Problem as error:
        # Dropped, closed to this role, or this session was ended: the server itself goes on.
        interview.lost("connection", name, error.sentence.rstrip("."))


def _ask_database(interview: Interview, session: Session, name: str, examined: bool) -> None:
    if examined:
        interview.examined.append(name)
        for probe in _probes(interview, DATABASE):
            ask(interview, session, probe, name)
        ask_sequences(interview, session, name)
        ask_statements(interview, session, name)
    ask_custom(interview, session, name)


def _probes(interview: Interview, scope: str) -> list[Probe]:
    return [probe for probe in catalog.PROBES if probe.scope == scope and interview.wants(probe)]
