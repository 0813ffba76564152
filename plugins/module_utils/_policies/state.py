# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Row-level security as values: of a table as it is, and of a table as it should be."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._tables import Named

# Everybody, which is no role.
PUBLIC = "PUBLIC"


@dataclass(frozen=True)
class Policy:
    """One policy; roles are in order, and expressions as the server prints them or as a user wrote them."""

    name: str
    command: str
    permissive: bool
    roles: tuple[str, ...]
    using: str | None = None
    check: str | None = None

    @property
    def text(self) -> str:
        """All of it on one line."""
        kind = "" if self.permissive else "restrictive "
        parts = [f"{kind}policy {self.name} for {self.command} to {', '.join(self.roles)}"]
        parts += [] if self.using is None else [f"using {self.using}"]
        parts += [] if self.check is None else [f"with check {self.check}"]
        return " ".join(" ".join(parts).split())


@dataclass(frozen=True)
class Table:
    """What the server says about a table."""

    named: Named
    enabled: bool
    forced: bool
    policies: tuple[Policy, ...] = ()

    @property
    def title(self) -> str:
        return self.named.title


@dataclass(frozen=True)
class Wish:
    """What one entry of `tables` asks for."""

    table: str
    policies: tuple[Policy, ...] = ()
    enabled: bool = True
    forced: bool = False
    exclusive: bool = False
