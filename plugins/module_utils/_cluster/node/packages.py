# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which major versions of PostgreSQL a host has, and which its package sources offer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed, run

LIBRARY = Path("/usr/lib/postgresql")
SECONDS = 20.0

# What each distribution ships, for a host whose package lists were never fetched.
SHIPPED = {
    ("debian", "11"): 13,
    ("debian", "12"): 15,
    ("debian", "13"): 17,
    ("ubuntu", "22.04"): 14,
    ("ubuntu", "24.04"): 16,
}


def packages(wanted: int | None, distribution: str, release: str, library: Path = LIBRARY) -> dict[str, Any]:
    """The sources are looked at only when what is installed does not settle it: that takes a second."""
    installed = versions_installed(library)
    shipped = SHIPPED.get((distribution, release))
    settled = wanted in installed if wanted is not None else bool(installed)
    offered = installed if settled else versions_offered(printed_by_apt()) or ([shipped] if shipped else [])
    own = shipped if shipped in offered else max(offered, default=None)
    return {
        "versions_installed": installed,
        "versions_offered": offered,
        "version_offered": wanted if wanted in offered else own,
    }


def versions_installed(library: Path = LIBRARY) -> list[int]:
    """Those with a server; a client alone is no database."""
    found = (path.parts[-3] for path in library.glob("*/bin/postgres"))
    return sorted(int(name) for name in found if name.isdigit())


def printed_by_apt() -> str:
    try:
        return run(["apt-cache", "--names-only", "search", r"^postgresql-[0-9]+$"], SECONDS)
    except ProgramFailed:
        return ""


def versions_offered(printed: str) -> list[int]:
    return sorted(_versions(printed.splitlines()))


def _versions(lines: Iterable[str]) -> set[int]:
    found = (re.match(r"postgresql-(\d+)\s", line) for line in lines)
    return {int(match[1]) for match in found if match}
