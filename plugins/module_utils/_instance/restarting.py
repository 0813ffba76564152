# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Restart a server for what waits for it, and wait until it is what it was before."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils import _debian
from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed
from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused, Unreachable
from ansible_collections.runbook.postgres.plugins.module_utils._instance import observe as instances
from ansible_collections.runbook.postgres.plugins.module_utils._instance.restart import backup_runs
from ansible_collections.runbook.postgres.plugins.module_utils._instance.service import control
from ansible_collections.runbook.postgres.plugins.module_utils._receiver import STREAMS
from ansible_collections.runbook.postgres.plugins.module_utils._synchronous import required_standbys

_VALIDATION_SECONDS = 20.0

# The last line of any file is the one that will count.
_ASK = f"""
SELECT json_build_object(
  'role', CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE 'primary' END,
  'waiting', (SELECT coalesce(json_object_agg(s.name, json_build_object(
                'running', s.setting,
                'wanted', (SELECT f.setting FROM pg_file_settings AS f WHERE lower(f.name) = lower(s.name)
                           ORDER BY f.seqno DESC LIMIT 1))), '{{}}')
              FROM pg_settings AS s WHERE s.pending_restart),
  'receives', {STREAMS},
  'streaming', (SELECT coalesce(json_agg(s.slot_name ORDER BY s.slot_name), '[]')
                FROM pg_stat_replication AS r JOIN pg_replication_slots AS s ON s.active_pid = r.pid
                WHERE r.state = 'streaming' AND s.slot_type = 'physical' AND NOT s.temporary),
  'backups', (SELECT coalesce(json_agg(DISTINCT coalesce(host(client_addr), 'this host')), '[]')
              FROM pg_stat_replication WHERE state = 'backup'),
  'called', CASE WHEN pg_is_in_recovery() THEN coalesce(
                substring(current_setting('primary_conninfo') FROM 'application_name *= *''?([^'' ]+)'),
                nullif(current_setting('cluster_name'), ''), 'walreceiver') END,
  'synchronous_standby_names', current_setting('synchronous_standby_names'),
  'confirming', (SELECT coalesce(json_agg(application_name ORDER BY application_name), '[]')
                 FROM pg_stat_replication WHERE state = 'streaming' AND sync_state <> 'async'))
"""  # noqa: S608 - a constant of ours


@dataclass(frozen=True)
class Server:
    """What it is now, and what it waits for."""

    role: str
    waiting: dict[str, dict[str, Any]]
    receives: bool
    # Slots of the standbys that stream from it. What has none of its own, as a copy has that is made once, need not
    # come back.
    streaming: frozenset[str]
    # Where the base backups go that run from it.
    backups: tuple[str, ...] = ()
    # Under which name a standby streams; None of a primary.
    called: str | None = None
    # How many standbys have to confirm a commit, and the names of those that could now.
    required: int = 0
    confirming: list[str] = field(default_factory=list)


def running_instance(version: int, name: str) -> instances.Instance:
    instance = instances.observe(version, name)
    if instance.configuration is None:
        raise Refused(f"There is no instance {instance.title} on this host: nothing can wait for a restart here.")
    return instance


def ask(instance: instances.Instance, seconds: float = 30.0) -> Server:
    if instance.server is None:
        raise Unreachable(f"Instance {instance.title} does not run: start it, which is as good as a restart.")
    told = instance.server.socket(read_only=True, seconds=seconds).json(_ASK)
    return Server(
        told["role"],
        told["waiting"],
        told["receives"],
        frozenset(told["streaming"]),
        tuple(told["backups"]),
        told["called"],
        0 if told["role"] == "standby" else required_standbys(told["synchronous_standby_names"]),
        told["confirming"],
    )


def refuse_another_role(title: str, server: Server, expected: str | None) -> None:
    """Others restart in between: what was a standby when all were looked at may take the writes by now."""
    if server.waiting and expected not in (None, server.role):
        raise Refused(
            f"Instance {title} is a {server.role} by now and was to be restarted as a {expected}, so that it was not "
            "stopped: run this again, which asks anew who is what."
        )


def refuse_during_a_backup(title: str, server: Server) -> None:
    if server.waiting and server.backups:
        raise Refused(f"{backup_runs(f'instance {title}', server.backups)}: let it end, and run this again.")


def restart(instance: instances.Instance, before: Server, seconds: float) -> None:
    _validate(instance)
    deadline = Deadline(seconds)
    if instance.server is not None:
        # What is written now does not have to be while everybody waits.
        instance.server.socket(seconds=seconds).psql("CHECKPOINT")
    control("restart", instance.version, instance.name, deadline.remaining())
    while True:
        reason = _not_yet(instance, before)
        if reason is None:
            return
        if deadline.passed():
            raise Problem(
                f"Instance {instance.title} was restarted and after {seconds:.0f} s {reason}: look at "
                f"{_debian.log_file(instance.version, instance.name)} before another member restarts."
            )
        time.sleep(0.2)


def _not_yet(instance: instances.Instance, before: Server) -> str | None:
    """What is missing until it is back as it was."""
    now = instances.observe(instance.version, instance.name)
    if now.server is None:
        raise Problem(
            f"Instance {instance.title} came back and stopped again: look at "
            f"{_debian.log_file(instance.version, instance.name)} before another member restarts."
        )
    try:
        after = ask(now)
    except Unreachable as error:
        return f"it takes no connections ({error.sentence})"
    if before.receives and not after.receives:
        return "it does not stream from its upstream"
    missing = sorted(before.streaming - after.streaming)
    if missing:
        return f"{', '.join(missing)} did not come back to stream from it"
    return None


def _validate(instance: instances.Instance) -> None:
    """A server that would not start again is not stopped."""
    program = _debian.bin_directory(instance.version) / "postgres"
    file = instance.directory / "postgresql.conf"
    argv = [str(program), "-C", "port", "-D", str(instance.data_directory), f"--config-file={file}"]
    try:
        _debian.run_as_postgres(argv, _VALIDATION_SECONDS)
    except ProgramFailed as error:
        raise Refused(
            f"{file} would not let the server start again, so that it was not stopped: {error.words}"
        ) from error
