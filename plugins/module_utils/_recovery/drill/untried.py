# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a drill says nothing of: copies elsewhere than the one that it restored, which may be all that is left."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.files import ELSEWHERE, MAIN, PARTS
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.catalogue import Backup, Stanza

_SECTION = re.compile(r"\[([^]:]+)(?::[^]]*)?\]")


def physical(stanza: Stanza, backup: Backup, configuration: str) -> Iterator[str]:
    """`configuration` is pgBackRest's on the host that restores."""
    others = sorted({each.repository for each in stanza.backups} - {backup.repository})
    place = here(configuration, stanza.name, backup.repository)
    if others:
        yield f"The backups in repository {' and '.join(map(str, others))} of stanza {stanza.name}."
    elif place is not None:
        yield f"Any copy elsewhere: backup {backup.label} came from {place} of this host."


def logical(database: str, repository: str | None) -> Iterator[str]:
    if repository is not None:
        yield f"Any copy elsewhere of the backup of database {database}: it came from {repository} of this host."


def here(configuration: str, stanza: str, repository: int) -> str | None:
    """The repository's directory, where it is one of this host."""
    told: dict[str, str] = {}
    section = ""
    for line in map(str.strip, configuration.splitlines()):
        found = _SECTION.fullmatch(line)
        section = found[1] if found else section
        name, equals, value = line.partition("=")
        if equals and section in ("global", stanza):
            told[name.strip()] = value.strip()
    kind = told.get(f"repo{repository}-type", "posix")
    if f"repo{repository}-host" in told or kind not in ("posix", "cifs"):
        return None
    return told.get(f"repo{repository}-path", "/var/lib/pgbackrest")


def configuration(file: str | None) -> str:
    """As pgBackRest reads it; Debian's file only where there is none in its own place."""
    main = MAIN if MAIN.exists() else ELSEWHERE
    paths = [Path(file)] if file else [main, *sorted(PARTS.glob("*.conf"))]
    text = ""
    for each in paths:
        with contextlib.suppress(OSError):
            text += each.read_text(errors="replace") + "\n"
    return text
