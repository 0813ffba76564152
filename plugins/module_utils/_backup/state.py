# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is learned of a backup after it was made: proofs that held, the last one that did not, copies elsewhere."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import (
    Copy,
    Verified,
    moment,
    written,
)
from ansible_collections.runbook.postgres.plugins.module_utils._stream.placing import partial_of, write_text

STATE = "verified.json"


@dataclass(frozen=True)
class State:
    """Proofs that held, by level, the last one that did not, and copies elsewhere."""

    proofs: Mapping[str, str]
    failure: str | None = None
    failed_at: str | None = None
    copies: tuple[Copy, ...] = ()

    @property
    def verified(self) -> Verified | None:
        """By the strongest of its proofs."""
        level = next((each for each in ("restore", "list", "checksum") if each in self.proofs), None)
        return None if level is None else Verified(level, moment(self.proofs[level]))

    def to_json(self) -> str:
        copies = [{"place": each.place, "checked": each.checked, "at": written(each.at)} for each in self.copies]
        told = {"proofs": dict(self.proofs), "failure": self.failure, "failed_at": self.failed_at, "copies": copies}
        return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


NOTHING_KNOWN = State({})


def read_state(directory: Path) -> State:
    """Nothing that cannot be read counts as a proof."""
    try:
        told: Any = json.loads((directory / STATE).read_text(encoding="utf-8"))
        copies = tuple(Copy(each["place"], each["checked"], moment(each["at"])) for each in told["copies"])
        proofs = {str(level): str(at) for level, at in told["proofs"].items()}
        for at in proofs.values():
            moment(at)
        return State(proofs, told["failure"], told["failed_at"], copies)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return NOTHING_KNOWN


def write_state(directory: Path, state: State) -> None:
    path = directory / STATE
    write_text(path, partial_of(path), state.to_json())
    if os.geteuid() == 0:
        about = os.lstat(directory)
        os.chown(path, about.st_uid, about.st_gid, follow_symlinks=False)
