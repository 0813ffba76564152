# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Where archives go and what they look like: the option `archive` of a table, read and checked without a server."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._stream.compression import ENDINGS, GZIP, PLAIN, ZSTD
from ansible_collections.runbook.postgres.plugins.module_utils._stream.keys import refuse_unfit_recipient

CSV, BINARY = "csv", "binary"

ARCHIVE_OPTION: dict[str, Any] = {
    "type": "dict",
    "options": {
        "destination": {"type": "path", "required": True},
        "format": {"type": "str", "choices": [CSV, BINARY], "default": CSV},
        "compression": {"type": "str", "choices": [PLAIN, GZIP, ZSTD], "default": GZIP},
        # Public keys. Should somebody paste a secret one, it must not reach a log.
        "recipients": {"type": "list", "elements": "str", "default": [], "no_log": True},
        "offsite": {"type": "str"},
    },
}

MANIFEST_ENDING = ".manifest.json"

_FORMAT_ENDINGS = {CSV: ".csv", BINARY: ".pgcopy"}

# A remote that is configured under a name, or a path of this host.
_OFFSITE = re.compile(r"(/|[\w][\w .+@-]*:).*")


@dataclass(frozen=True)
class Store:
    destination: Path
    format: str = CSV
    compression: str = GZIP
    recipients: tuple[str, ...] = ()
    offsite: str | None = None
    # Which database of which cluster the rows are from; known once a server was asked.
    system_identifier: str | None = None
    database: str = ""

    @property
    def ending(self) -> str:
        encrypted = ".age" if self.recipients else ""
        return _FORMAT_ENDINGS[self.format] + ENDINGS[self.compression] + encrypted

    def stem(self, schema: str, table: str, partition: str, bound: str) -> str:
        """The same for the same partition of the same database, whoever asks and whenever; safe in any file system.

        A name that reads well comes first, what makes it unique after it.
        """
        parts = [self.system_identifier or "", self.database, schema, table, partition, bound]
        digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
        readable = re.sub(r"[^A-Za-z0-9_]+", "-", partition).strip("-")[:80]
        return f"{readable or 'partition'}-{digest}"

    def file(self, stem: str, number: int = 1) -> Path:
        """Beside an archive of other rows under the same name goes the next number; none is written over."""
        return self.destination / f"{stem}{'' if number == 1 else f'-{number}'}{self.ending}"


def manifest_of(file: Path) -> Path:
    return file.with_name(file.name + MANIFEST_ENDING)


def read_store(table: str, option: Mapping[str, Any] | None) -> Store | None:
    if option is None:
        return None
    destination = Path(option["destination"])
    if not destination.is_absolute():
        raise Refused(f"{table}: archive destination '{destination}' is not an absolute path.")
    for key in option["recipients"]:
        refuse_unfit_recipient(f"{table}: archive recipients", key)
    offsite = option["offsite"] or None
    if offsite is not None and not _OFFSITE.fullmatch(offsite):
        # A remote that is spelled out may hold a password, and rclone would get it as an argument.
        raise Refused(
            f"{table}: archive offsite takes the name of a remote in rclone's configuration and a path in it, "
            "such as vault:postgres/archive, or an absolute path."
        )
    return Store(
        destination, option["format"], option["compression"], tuple(sorted(set(option["recipients"]))), offsite
    )
