# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Look at a whole instance: its control data, its pages, its tables, its indexes, its foreign keys."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils import _debian
from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed
from ansible_collections.runbook.postgres.plugins.module_utils._controldata import Control, parsed, printed
from ansible_collections.runbook.postgres.plugins.module_utils._corruption import catalog
from ansible_collections.runbook.postgres.plugins.module_utils._corruption.verdict import (
    CONTROL,
    COUNTED,
    INDEX,
    ORPHAN,
    PAGE,
    TABLE,
    Examined,
    Fault,
    some,
)
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused, Silent, Unreachable
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._postmaster import postmaster

_VERIFY_HEAP_SINCE = 14
_BAD_PAGE = re.compile(r'checksum verification failed in file "([^"]+)", block (\d+)')
_UNREAD_PAGE = re.compile(r'could not read block (\d+) in file "([^"]+)"(?:: (.+?))?(?: / |$)')
# The states of control data that pg_checksums accepts: what a crash left is made whole by the next start alone.
_AT_REST = ("shut down", "shut down in recovery")


def examined(module: Module) -> None:
    """Everything that was found, and what follows from it."""
    params = module.params
    _debian.refuse_unfit_name(params["instance"])
    data = Path(params["data_directory"] or _debian.data_directory(params["version"], params["instance"]))
    if not data.is_dir():
        raise Refused(f"{data} is not there: give the instance, or its data_directory.")
    found = Examined()
    control = _control(params["version"], data, found)
    running = postmaster(data)
    if running is None:
        _stopped(params, data, found, control)
    else:
        _running(params, running.socket(read_only=True, seconds=float(params["timeout"])), found)
    module.report(changed=False, server="stopped" if running is None else "running", **found.result)


def _control(version: int, data: Path, found: Examined) -> Control | None:
    """None if it is damaged."""
    found.count("control data", 1)
    try:
        control = parsed(printed(version, data))
    except ProgramFailed:
        control = None
    if control is None:
        found.faults.append(Fault(CONTROL, str(data / "global/pg_control"), "pg_controldata does not understand it."))
        return None
    return control


def _stopped(params: Mapping[str, Any], data: Path, found: Examined, control: Control | None) -> None:
    found.skipped.append("tables, indexes and foreign keys: the server does not run")
    if control is None:
        return
    if not control.checksums:
        found.skipped.append("pages: the data has no checksums")
        return
    if control.state not in _AT_REST:
        found.skipped.append(
            f"pages: the server was not shut down cleanly, as after a crash (the control data says '{control.state}'), "
            "and until it was started again pages may differ from their checksums without being damaged: start it, "
            "for example with runbook.postgres.server_recover, and run this again"
        )
        return
    argv = [str(_debian.bin_directory(params["version"]) / "pg_checksums"), "--check", "-D", str(data)]
    try:
        _debian.run_as_postgres(argv, float(params["timeout"]))
    except ProgramFailed as error:
        bad = pages(error.words)
        found.faults += bad
        if not bad:
            # A time that was too short, or a program that was ended, says nothing of the data.
            found.skipped.append(f"pages: {error.sentence.rstrip('.')}")
            return
    found.count("clusters whose pages were all read", 1)


def pages(words: str) -> list[Fault]:
    """Those that pg_checksums found to be wrong, or that the disk does not give out."""
    wrong = [
        Fault(PAGE, f"{file} block {number}", "Its checksum is wrong.") for file, number in _BAD_PAGE.findall(words)
    ]
    unread = [
        Fault(PAGE, f"{file} block {number}", f"It could not be read: {(why or 'no reason given').strip(' .')}.")
        for number, file, why in _UNREAD_PAGE.findall(words)
    ]
    return wrong + unread


def _running(params: Mapping[str, Any], socket: _debian.Socket, found: Examined) -> None:
    for row in socket.json(catalog.CHECKSUM_FAILURES):
        text = f"{row['failures']} pages with a wrong checksum were met, the last at {row['last']}."
        found.faults.append(Fault(COUNTED, row["database"] or "shared tables", text, row["database"] or None))
    for database in params["databases"] or socket.json(catalog.DATABASES):
        try:
            schema = socket.json(catalog.AMCHECK, database)
        except Silent:
            raise
        except Problem as error:
            found.skipped.append(f"database {database}: {error.sentence}")
            continue
        found.count("databases", 1)
        for what, kind, sql in _questions(params, schema):
            _ask(socket, database, what, kind, sql, found)
        _unread(socket, database, schema, found)


def _unread(socket: _debian.Socket, database: str, schema: str | None, found: Examined) -> None:
    if schema is None:
        found.skipped.append(f"indexes of database {database}: it has no extension amcheck, create it there")
        return
    names = socket.json(catalog.UNREAD_INDEXES, database)
    if names:
        found.skipped.append(
            f"indexes of database {database} ({some(names)}): amcheck looks at valid ones of kind btree, "
            "rebuild one that is in doubt"
        )


def _questions(params: Mapping[str, Any], schema: str | None) -> Sequence[tuple[str, str, str]]:
    verifies = schema is not None and params["version"] >= _VERIFY_HEAP_SINCE
    quoted = _debian.identifier(schema) if schema is not None else ""
    questions = [("tables", TABLE, catalog.CHECK_TABLES if verifies else catalog.READ_TABLES)]
    questions.append(("sequences", TABLE, catalog.READ_SEQUENCES))
    if schema is not None:
        questions.append(("indexes", INDEX, catalog.CHECK_INDEXES))
    if params["foreign_keys"]:
        questions.append(("foreign keys", ORPHAN, catalog.ORPHANS))
    rows = "true" if params["heap_all_indexed"] else "false"
    return [(what, kind, sql.replace("{schema}", quoted).replace("{rows}", rows)) for what, kind, sql in questions]


def _ask(socket: _debian.Socket, database: str, what: str, kind: str, sql: str, found: Examined) -> None:
    try:
        answer = socket.json(sql, database)
    except (Silent, Unreachable):
        raise
    except Problem as error:
        found.skipped.append(f"{what} of database {database}: {error.sentence}")
        return
    found.count(what, answer["looked"])
    if answer["passed"]:
        names = some([each["object"] for each in answer["passed"]])
        found.skipped.append(f"{what} of database {database} ({names}): {answer['passed'][0]['told']}")
    for each in answer["found"]:
        found.faults.append(Fault(_kind(kind, each["told"]), each["object"], each["told"], database))


def _kind(kind: str, told: str) -> str:
    """A page that cannot be read is graver than what was looked at by it."""
    return PAGE if "invalid page in block" in told and kind != INDEX else kind
