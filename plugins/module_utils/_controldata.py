# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What pg_controldata tells of a data directory, whether its server runs or not."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._command import Program
from ansible_collections.runbook.postgres.plugins.module_utils._debian import bin_directory
from ansible_collections.runbook.postgres.plugins.module_utils._history import Branch, position

# A standby must not have less of these than its primary; as the server calls them, beside how pg_controldata does.
SETTINGS = {
    "max_connections": "max_connections setting",
    "max_worker_processes": "max_worker_processes setting",
    "max_wal_senders": "max_wal_senders setting",
    "max_prepared_transactions": "max_prepared_xacts setting",
    "max_locks_per_transaction": "max_locks_per_xact setting",
}

# The values that follow it may be anything.
_UNTRUSTED = "calculated crc checksum does not match"


@dataclass(frozen=True)
class Control:
    """Whose data this is and how far it is known to reach."""

    system_identifier: str
    state: str
    position: Branch
    checksums: bool = False
    # As the server had them that ran last, or as its primary had them.
    settings: Mapping[str, int] = field(default_factory=dict)
    # Whether changes of hint bits are in the WAL, as checksums have them as well.
    hints: bool = False
    segment_bytes: int = 16 << 20


def parsed(printed: str) -> Control | None:
    """None when it is not what pg_controldata prints of whole data, or what it calls untrustworthy itself."""
    if _UNTRUSTED in printed.lower():
        return None
    pairs = (line.partition(":") for line in printed.splitlines())
    lines = {key.strip(): value.strip() for key, _colon, value in pairs}
    try:
        return Control(
            lines["Database system identifier"],
            lines["Database cluster state"],
            _position(lines),
            lines["Data page checksum version"] != "0",
            {name: int(lines[label]) for name, label in SETTINGS.items() if label in lines},
            lines.get("wal_log_hints setting") == "on",
            int(lines.get("Bytes per WAL segment", 16 << 20)),
        )
    except (KeyError, ValueError):
        return None


def _position(lines: Mapping[str, str]) -> Branch:
    """The further of the last checkpoint and of what recovery has reached; each comes with its own timeline."""
    checkpoint = Branch(int(lines["Latest checkpoint's TimeLineID"]), lines["Latest checkpoint location"])
    recovered = Branch(int(lines["Min recovery ending loc's timeline"]), lines["Minimum recovery ending location"])
    return recovered if position(recovered.lsn) > position(checkpoint.lsn) else checkpoint


def printed(version: int, data_directory: Path, seconds: float = 30.0) -> str:
    """Its words, with its warnings, which go to standard error from PostgreSQL 17 on; without data it fails."""
    argv = [str(bin_directory(version) / "pg_controldata"), "-D", str(data_directory)]
    with tempfile.TemporaryFile() as held:
        program = Program(argv, stdout=held.fileno())
        try:
            program.finish(seconds)
            warned = program.words()
        finally:
            program.end()
        held.seek(0)
        return f"{warned}\n{held.read().decode(errors='replace')}"
