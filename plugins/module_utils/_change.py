# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a module is about to do, as values: the diff, the check mode's answer and the run come from the same list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


class Change(Protocol):
    """One step, told in a line before it is taken and in the same line afterwards."""

    @property
    def sentence(self) -> str: ...


@dataclass(frozen=True)
class Plan:
    """Ordered changes, and what is to be said about them. A refusal leaves nothing to be done."""

    changes: tuple[Any, ...] = ()
    warnings: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    before: Sequence[str] = field(default=())
    after: Sequence[str] = field(default=())

    @property
    def changed(self) -> bool:
        return bool(self.changes)

    def diff(self, header: str) -> dict[str, str]:
        """Both states in full, so that a reader sees what stays beside what goes."""
        return {
            "before_header": header,
            "after_header": header,
            "before": "".join(f"{line}\n" for line in self.before),
            "after": "".join(f"{line}\n" for line in self.after),
        }
