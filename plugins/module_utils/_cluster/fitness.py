# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether a host can be what it is to be, before anything on it is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

SYSTEMS = "Debian 11, 12 or 13, or Ubuntu 22.04 or 24.04"


def unsupported(name: str, facts: Mapping[str, Any]) -> Iterator[str]:
    machine = facts.get("machine", {})
    if not machine.get("supported", True):
        system = f"{machine.get('distribution') or 'an unknown system'} {machine.get('release') or ''}".strip()
        yield f"{name} runs {system}, which these roles do not know: use {SYSTEMS}."


def unfit(name: str, facts: Mapping[str, Any], other_sources: bool) -> Iterator[str]:
    """Why no server can be run there; `other_sources` says that the version comes from elsewhere than the system."""
    yield from unsupported(name, facts)
    found = facts.get("packages", {})
    version = facts.get("version")
    installed, offered = found.get("versions_installed", []), found.get("versions_offered", [])
    if version is None:
        yield f"{name} offers no version of PostgreSQL: look at its package sources with 'apt-cache policy postgresql'."
    elif version not in installed and version not in offered and not other_sources:
        others = ", ".join(str(each) for each in offered) or "none"
        yield (
            f"{name} has no PostgreSQL {version} in its package sources (they offer {others}): set postgres_version to "
            "one they offer, or add a source that has it."
        )
    instance = facts.get("instance", {})
    taken = instance.get("port_taken_by")
    if taken:
        yield (
            f"{name} has port {instance.get('port')} in use by {taken}: choose another postgres_port, or stop that "
            "program ('ss -ltnp' shows it)."
        )
