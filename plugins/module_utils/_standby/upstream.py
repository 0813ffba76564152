# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The upstream, asked over a replication connection: the right to replicate is all that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed
from ansible_collections.runbook.postgres.plugins.module_utils._controldata import SETTINGS as LIMITS
from ansible_collections.runbook.postgres.plugins.module_utils._debian import bin_directory, run_as_postgres
from ansible_collections.runbook.postgres.plugins.module_utils._errors import QueryFailed, Unreachable
from ansible_collections.runbook.postgres.plugins.module_utils._history import Branch, ancestors
from ansible_collections.runbook.postgres.plugins.module_utils._standby.conninfo import Conninfo

# What initdb wrote into the settings of the upstream's instance, and a clone's would otherwise lack.
OF_INITDB = (
    "lc_messages",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "DateStyle",
    "TimeZone",
    "log_timezone",
    "default_text_search_config",
)
_VERSION, _RECOVERY = "server_version_num", "transaction_read_only"
_ASKED = (_VERSION, _RECOVERY, *OF_INITDB, *LIMITS)
_GRACE_SECONDS = 10.0


@dataclass(frozen=True)
class Upstream:
    """Who answers there."""

    place: str
    system_identifier: str
    position: Branch
    major: int = 0
    in_recovery: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)


def ask(version: int, conninfo: Conninfo, seconds: float = 10.0) -> Upstream:
    """Everything in one connection, and the history in a second where there is one."""
    asked = ["IDENTIFY_SYSTEM", *(f"SHOW {name}" for name in _ASKED)]
    first, *values = _psql(version, conninfo, asked, seconds).splitlines()
    system_identifier, timeline, flushed, *_rest = first.split("|")
    if len(values) != len(_ASKED):
        raise QueryFailed(
            f"{conninfo.place} does not answer as PostgreSQL does on a replication connection: "
            "look whether a pooler stands in between."
        )
    known = dict(zip(_ASKED, values))
    return Upstream(
        conninfo.place,
        system_identifier,
        Branch(int(timeline), flushed, _ancestors(version, conninfo, int(timeline), seconds)),
        int(known[_VERSION]) // 10000,
        known[_RECOVERY] == "on",
        {name: known[name] for name in (*OF_INITDB, *LIMITS)},
    )


def _ancestors(version: int, conninfo: Conninfo, timeline: int, seconds: float) -> tuple[tuple[int, str], ...]:
    # The first timeline branched off nothing and has no file.
    if timeline == 1:
        return ()
    return ancestors(_psql(version, conninfo, [f"TIMELINE_HISTORY {timeline}"], seconds).partition("|")[2])


def renew_slot(version: int, conninfo: Conninfo, slot: str, *, reserve: bool, seconds: float = 10.0) -> None:
    """Our own slot, as new: what it kept is of no use to a host without data.

    It keeps WAL from now on. Without that the upstream may remove what the copy
    needs between its beginning and the moment in which WAL is streamed.
    """
    # Quoted, since a name may begin with a digit.
    try:
        _psql(version, conninfo, [f'DROP_REPLICATION_SLOT "{slot}"'], seconds)
    except Unreachable as error:
        if "does not exist" not in str(error):
            raise
    _psql(version, conninfo, [f'CREATE_REPLICATION_SLOT "{slot}" PHYSICAL{" RESERVE_WAL" if reserve else ""}'], seconds)


def _psql(version: int, conninfo: Conninfo, commands: list[str], seconds: float) -> str:
    argv = [str(bin_directory(version) / "psql"), "-XAtqw", "-v", "ON_ERROR_STOP=1"]
    argv += ["-d", conninfo.text(replication="true", application_name="runbook.postgres")]
    argv += [word for command in commands for word in ("-c", command)]
    try:
        return run_as_postgres(argv, seconds + _GRACE_SECONDS)
    except ProgramFailed as error:
        reason = error.words or error.sentence.rstrip(".")
        raise Unreachable(
            f"The upstream {conninfo.place} does not let this host replicate: {reason}. "
            "Look at its pg_hba.conf, at the role and at the certificates or the passfile."
        ) from error
