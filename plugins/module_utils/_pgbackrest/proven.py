# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the last proof of a stanza's repositories found wrong, as pg_backup has written it down on this host."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DIRECTORY = Path("/var/lib/runbook-postgres")


@dataclass(frozen=True)
class Proven:
    """By the number of the repository; of one that was never proven nothing is known."""

    # Segments, each behind the name of its archive.
    damaged_wal: Mapping[int, frozenset[str]] = field(default_factory=dict)
    # Of each backup that is damaged, why.
    problems: Mapping[tuple[int, str], str] = field(default_factory=dict)


def proven(stanza: str, directory: Path = DIRECTORY) -> Proven:
    # Whoever looks after backups is told elsewhere of one that cannot be read.
    with contextlib.suppress(OSError, ValueError):
        return read(json.loads((directory / f"backup-{stanza}.json").read_text()))
    return Proven()


def read(told: Any) -> Proven:
    """What is in the file; anything else says nothing."""
    wal: dict[int, frozenset[str]] = {}
    problems: dict[tuple[int, str], str] = {}
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        for number, each in told["repositories"].items():
            wal[int(number)] = frozenset(each.get("damaged_wal", ()))
            for name, backup in each.get("backups", {}).items():
                if backup.get("problems"):
                    problems[int(number), str(name)] = " ".join(backup["problems"])
    return Proven(wal, problems)
