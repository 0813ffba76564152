# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What says that data is being rewound and is not to be started, for those who do it and who come across it."""

from __future__ import annotations

from pathlib import Path


def rewinding(data: Path) -> Path:
    """Beside the data: inside, the rewinding itself would remove it."""
    return data.with_name(f"{data.name}.rewinding")
