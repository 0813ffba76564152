# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The instance that a node has or is to have, and in which state it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils import _debian
from ansible_collections.runbook.postgres.plugins.module_utils._cluster.node.directory import (
    Directory,
    Postmaster,
    configured,
)
from ansible_collections.runbook.postgres.plugins.module_utils._cluster.node.machine import text
from ansible_collections.runbook.postgres.plugins.module_utils._cluster.node.server import asked
from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed
from ansible_collections.runbook.postgres.plugins.module_utils._controldata import parsed, printed
from ansible_collections.runbook.postgres.plugins.module_utils._mounts import unmounted
from ansible_collections.runbook.postgres.plugins.module_utils._ports import Listener, alive

CONTROLDATA_SECONDS = 10.0

# Every key is always there, so that whoever reads them asks for no defaults.
UNKNOWN: dict[str, Any] = {
    "system_identifier": None,
    "control_state": None,
    "start": None,
    "timeline": None,
    "checksums": None,
    "role": None,
    "in_recovery": None,
    "receive_lsn": None,
    "replay_lsn": None,
    "replay_paused": None,
    "current_lsn": None,
    "upstream": None,
    "upstream_hosts": None,
    "streaming": [],
    "slots": [],
    "oldest_wal": None,
    "restores": None,
    "awaits_wal": None,
    "history": [],
    "settings": {},
    "pending_restart": [],
    "server_version_num": None,
    "problem": None,
}


@dataclass(frozen=True)
class Place:
    """Where an instance is, or would be."""

    version: int
    name: str
    port: int
    data_directory: Path
    config_directory: Path


def place(version: int, name: str, port: int, data_directory: str | None) -> Place:
    """The configuration knows best where its data is, unless the caller does."""
    config = _debian.config_directory(version, name)
    data = data_directory or configured(config) or str(_debian.data_directory(version, name))
    return Place(version, name, port, Path(data), config)


def observe(where: Place, listeners: list[Listener], wal_directory: str | None = None) -> dict[str, Any]:
    """Everything about the instance, from its server where one answers and from its files where none does."""
    directory = Directory(where.data_directory)
    postmaster = directory.postmaster()
    seen = {
        **UNKNOWN,
        "data_directory": str(where.data_directory),
        "config_directory": str(where.config_directory),
        "pg_version": directory.pg_version,
        "has_data": directory.occupied,
        "unfinished_rewind": directory.unfinished_rewind,
        "unfinished_basebackup": directory.unfinished_basebackup or directory.unfinished_clone,
        "start": start(where.config_directory / "start.conf"),
        "reads_away": _debian.reads_away_mark(where.version, where.name).exists(),
        "port": where.port,
        "port_taken_by": taken_by(where.port, postmaster, listeners),
    }
    if postmaster is None and _debian.unfinished(where.version, where.name):
        # Half of an instance that was never started: pg_instance removes it and begins again.
        return {**seen, "state": "empty", "has_data": False, "pg_version": None}
    problem = strange(where, directory)
    if problem is not None:
        return {**seen, "state": "foreign", "has_data": True, "problem": problem}
    if not seen["has_data"]:
        # Nothing is there, and that may be because a disk is missing: what is made now would be made below it.
        there = directory.exists or where.config_directory.is_dir()
        return {
            **seen,
            "state": "empty" if there else "absent",
            "problem": unmounted(where.data_directory, wal_directory),
        }
    return {**seen, **(running(where, directory, postmaster) if postmaster else stopped(where, directory))}


def start(path: Path) -> str | None:
    return _debian.start_of(text(path)) if path.exists() else None


def strange(where: Place, directory: Directory) -> str | None:
    """What is there and is not the instance that is meant."""
    data = where.data_directory
    other = configured(where.config_directory)
    if other is not None and Directory(Path(other)).occupied and Path(other) != data:
        return (
            f"Instance {where.version}/{where.name} keeps its data in {other}, not in {data}: "
            f"set postgres_data_directory to {other}, or give the new instance another name."
        )
    if directory.occupied:
        if directory.unfinished_basebackup:
            return (
                f"{data} holds a base backup that was never finished, and is not of these roles' making: remove it by "
                "hand, or name the node in replication_rebuild to have it moved aside."
            )
        if directory.pg_version is None:
            return (
                f"{data} holds files that are no PostgreSQL data: choose another directory or empty this one by hand."
            )
        if directory.pg_version != str(where.version):
            return (
                f"{data} holds data of PostgreSQL {directory.pg_version}, and version {where.version} is asked for: "
                f"set postgres_version to {directory.pg_version}, or upgrade it by hand with pg_upgradecluster."
            )
    return older(where)


def older(where: Place) -> str | None:
    """An instance of this name in another major version: a second cluster beside it is hardly what was meant."""
    for config in sorted(where.config_directory.parent.parent.glob(f"*/{where.name}")):
        version = config.parent.name
        if not version.isdigit() or int(version) == where.version:
            continue
        data = configured(config) or str(_debian.data_directory(int(version), where.name))
        if Directory(Path(data)).occupied:
            return (
                f"This host has instance {version}/{where.name} with data in {data}, and version {where.version} is "
                f"asked for: set postgres_version to {version}, upgrade it by hand with pg_upgradecluster, "
                "or give the new instance another name."
            )
    return None


def running(where: Place, directory: Directory, postmaster: Postmaster) -> dict[str, Any]:
    answer = asked(postmaster.port, postmaster.socket_directory)
    if answer.facts is None:
        # The files still tell what it is; which role it has now, only the server could.
        known = {key: value for key, value in stopped(where, directory).items() if key != "role"}
        return {**known, "state": "broken" if answer.hangs else "running", "problem": answer.problem}
    facts = dict(answer.facts)
    if not same(Path(facts.pop("data_directory")), where.data_directory):
        # Its own server is gone, and the number of its process is another server's now.
        return stopped(where, directory)
    role = "standby" if facts["in_recovery"] else "primary"
    state = "in archive recovery" if facts["in_recovery"] else "in production"
    return {
        **facts,
        "state": "running",
        "control_state": state,
        "role": role,
        "history": directory.history(facts["timeline"]),
    }


def stopped(where: Place, directory: Directory) -> dict[str, Any]:
    """What the control file tells; the role is the one that the server would start in."""
    try:
        words = printed(where.version, where.data_directory, CONTROLDATA_SECONDS)
    except ProgramFailed as error:
        return {"state": "broken", "problem": f"The control data of {where.data_directory} cannot be read: {error}"}
    found = parsed(words)
    if found is None:
        problem = (
            f"The control data of {where.data_directory} cannot be understood: look at what pg_controldata prints."
        )
        return {"state": "broken", "problem": problem}
    standby = directory.standby
    half = {
        "state": "broken",
        "problem": f"{where.data_directory} was being rewound and is no database until that is finished: "
        "runbook.postgres.rejoin finishes it.",
    }
    return {
        "state": "stopped",
        "system_identifier": found.system_identifier,
        "control_state": found.state,
        "timeline": found.position.timeline,
        "checksums": found.checksums,
        "role": "standby" if standby else "primary",
        "replay_lsn" if standby else "current_lsn": found.position.lsn,
        "history": directory.history(found.position.timeline),
        "settings": dict(found.settings),
        **(half if directory.unfinished_rewind else {}),
    }


def taken_by(port: int, postmaster: Postmaster | None, listeners: list[Listener]) -> str | None:
    """The program that has the port and is not this instance's server."""
    own = postmaster.pid if postmaster else None
    for listener in listeners:
        ours = postmaster is not None and (listener.pid == own or (listener.pid is None and postmaster.port == port))
        if listener.port == port and not ours:
            return listener.program
    # A server that listens on no address still has the port's socket.
    lock = text(Path(_debian.SOCKET_DIRECTORY) / f".s.PGSQL.{port}.lock").split()
    if lock and lock[0].isdigit() and int(lock[0]) != own and alive(int(lock[0])):
        return "another PostgreSQL server"
    return None


def same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
