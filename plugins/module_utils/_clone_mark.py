# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What says that a clone is of our making, for those who make it and for those who come across it."""

from __future__ import annotations

from pathlib import Path

MARK = "runbook.postgres-clone"
MARK_TEXT = (
    "A clone that runbook.postgres.pg_standby is making, or was making when it was killed.\n"
    "Its next run removes this directory and begins again.\n"
)


def growing(data: Path) -> Path:
    """Holds the mark and the clone while it grows; it is removed only while the mark is in it."""
    return data.with_name(f"{data.name}.clone")
