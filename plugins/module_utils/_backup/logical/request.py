# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is asked of a logical backup, read before any server is contacted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import (
    ALL,
    CUSTOM,
    DATA,
    DIRECTORY,
    PLAIN,
    SCHEMA,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.options import (
    RETENTION,
    read_max_age,
    read_retention,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.retention import Retention
from ansible_collections.runbook.postgres.plugins.module_utils._backup.words import parse_size
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._stream import compression as packing
from ansible_collections.runbook.postgres.plugins.module_utils._stream.keys import refuse_unfit_recipient

FULL, WITHOUT_PASSWORDS, NO_GLOBALS = "full", "without_passwords", "none"

LOGICAL_OPTIONS: dict[str, Any] = {
    "database": {"type": "str"},
    "id": {"type": "str", "default": "latest"},
    "destination": {"type": "path"},
    "label": {"type": "str", "default": ""},
    "content": {"type": "str", "choices": [ALL, SCHEMA, DATA], "default": ALL},
    "tables": {"type": "list", "elements": "str", "default": []},
    "format": {"type": "str", "choices": [CUSTOM, DIRECTORY, PLAIN], "default": CUSTOM},
    "jobs": {"type": "int", "default": 1},
    "compression": {
        "type": "dict",
        "options": {
            "method": {
                "type": "str",
                "choices": [packing.PLAIN, packing.GZIP, packing.ZSTD, packing.LZ4],
                "default": packing.GZIP,
            },
            "level": {"type": "int"},
        },
        "apply_defaults": True,
    },
    "globals": {"type": "str", "choices": [FULL, WITHOUT_PASSWORDS, NO_GLOBALS], "default": FULL},
    "count_rows": {"type": "bool", "default": False},
    # Public keys. Should somebody paste a secret one, it must not reach a log.
    "recipients": {"type": "list", "elements": "str", "default": [], "no_log": True},
    # The name of a file: the key in it is read by age alone.
    "identity": {"type": "path", "no_log": False},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "retention": RETENTION,
    "offsite": {
        "type": "dict",
        "options": {"remote": {"type": "str", "required": True}, "retention": RETENTION},
    },
    "expected_size": {"type": "str"},
    "lock_timeout": {"type": "float", "default": 60},
}

_LEVELS = {packing.GZIP: (1, 9), packing.ZSTD: (1, 19), packing.LZ4: (1, 12)}

# A remote that is configured under a name, or a path of this host.
_OFFSITE = re.compile(r"(/|[\w][\w .+@-]*:).*")
_LABEL = re.compile(r"[A-Za-z0-9_]{0,40}")


@dataclass(frozen=True)
class Offsite:
    remote: str
    retention: Retention


@dataclass(frozen=True)
class Wanted:
    """A backup of this kind, this young and verified in this way is there."""

    database: str
    destination: Path
    label: str
    content: str
    tables: tuple[str, ...]
    format: str
    jobs: int
    method: str
    level: int | None
    globals: str
    count_rows: bool
    recipients: tuple[str, ...]
    identity: Path | None
    owner: str | None
    group: str | None
    max_age: timedelta
    verify: str
    retention: Retention
    offsite: Offsite | None
    expected_bytes: int | None
    lock_seconds: float
    timeout: int

    @property
    def title(self) -> str:
        what = {ALL: "all", SCHEMA: "schema only", DATA: "data only"}[self.content]
        number = len(self.tables)
        of = f" of {number} table{'' if number == 1 else 's'}" if number else ""
        return f"database {self.database} ({what}{of}{', ' + self.label if self.label else ''})"


def wanted(params: Mapping[str, Any]) -> Wanted:
    """Refuses what no server could make possible."""
    for name in ("database", "destination"):
        if not params[name]:
            raise Refused(f"{name} is missing: a logical backup is of one database and goes into one directory.")
    destination = Path(params["destination"])
    if not destination.is_absolute() or ".." in destination.parts or len(destination.parts) < 2:
        raise Refused(f"destination '{destination}' is not an absolute path of a directory for backups.")
    if not _LABEL.fullmatch(params["label"]):
        raise Refused(f"label '{params['label']}' takes up to 40 letters, digits and underscores.")
    for key in params["recipients"]:
        refuse_unfit_recipient("recipients", key)
    _refuse_what_does_not_go_together(params)
    level = params["compression"]["level"]
    return Wanted(
        database=params["database"],
        destination=destination,
        label=params["label"],
        content=params["content"],
        tables=tuple(params["tables"]),
        format=params["format"],
        jobs=params["jobs"],
        method=params["compression"]["method"],
        level=level,
        globals=params["globals"],
        count_rows=params["count_rows"],
        recipients=tuple(sorted(set(params["recipients"]))),
        identity=None if params["identity"] is None else Path(params["identity"]),
        owner=params["owner"],
        group=params["group"],
        max_age=read_max_age(params),
        verify=params["verify"],
        retention=read_retention("retention", params["retention"]),
        offsite=_offsite(params["offsite"]),
        expected_bytes=None
        if params["expected_size"] is None
        else parse_size("expected_size", params["expected_size"]),
        lock_seconds=params["lock_timeout"],
        timeout=params["timeout"],
    )


def _refuse_what_does_not_go_together(params: Mapping[str, Any]) -> None:
    method, level = params["compression"]["method"], params["compression"]["level"]
    if level is not None:
        least, most = _LEVELS.get(method, (0, 0))
        if method not in _LEVELS or not least <= level <= most:
            takes = f"takes a level from {least} to {most}" if method in _LEVELS else "takes no level"
            raise Refused(f"compression: level is {level}, and {method} {takes}.")
    if params["format"] == DIRECTORY and params["recipients"]:
        raise Refused(
            "pg_dump writes the files of format directory by itself, plain, and recipients ask for nothing plain "
            "on a disk: use format custom or plain."
        )
    if not 1 <= params["jobs"] <= 64:
        raise Refused(f"jobs is {params['jobs']}: give from 1 to 64.")
    if params["verify"] == "restore" and (params["tables"] or params["content"] == DATA):
        raise Refused(
            "verify: restore takes a backup of a whole database or its schema, since chosen tables and data alone need "
            "what is not in them: verify this one by list."
        )
    if params["verify"] in ("list", "restore") and params["recipients"] and not params["identity"]:
        raise Refused(
            f"verify: {params['verify']} reads the backup, which only holders of a secret key can: verify by checksum "
            "here, and with identity where the key is."
        )
    # Python takes 'inf' and 'nan' for numbers, the server does not.
    if not 0 < params["lock_timeout"] <= 86_400 or params["timeout"] < 1:
        raise Refused("lock_timeout takes more than zero and at most a day of seconds, and timeout one or more.")


def _offsite(given: Mapping[str, Any] | None) -> Offsite | None:
    if given is None:
        return None
    if not _OFFSITE.fullmatch(given["remote"]):
        # A remote that is spelled out may hold a password, and rclone would get it as an argument.
        raise Refused(
            "offsite: remote takes the name of a remote in rclone's configuration and a path in it, "
            "such as vault:postgres/backups, or an absolute path."
        )
    return Offsite(given["remote"], read_retention("offsite: retention", given["retention"]))
