# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is learned of a backup after it was made: proofs that held, the last one that did not, copies elsewhere."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import (
    LEVELS,
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
    # How strong a proof it takes to take that back.
    failed_level: str | None = None
    copies: tuple[Copy, ...] = ()

    @property
    def verified(self) -> Verified | None:
        """By the strongest of its proofs."""
        level = next((each for each in ("restore", "list", "checksum") if each in self.proofs), None)
        return None if level is None else Verified(level, moment(self.proofs[level]))

    def held(self, level: str, at: str) -> State:
        """After a proof, which says nothing of what a stronger one found."""
        proofs = {**self.proofs, "checksum": at, level: at}
        if self.failure is None or _rank(level) >= _rank(self.failed_level):
            return State(proofs, copies=self.copies)
        return replace(self, proofs=proofs)

    def failed(self, level: str, sentence: str, at: str) -> State:
        """After one that did not hold: those as strong hold no more either."""
        proofs = {each: when for each, when in self.proofs.items() if _rank(each) < _rank(level)}
        before = level if self.failure is None else max(level, self.failed_level or LEVELS[-1], key=_rank)
        return State(proofs, sentence, at, before, self.copies)

    def to_json(self) -> str:
        copies = [{"place": each.place, "checked": each.checked, "at": written(each.at)} for each in self.copies]
        told = {
            "proofs": dict(self.proofs),
            "failure": self.failure,
            "failed_at": self.failed_at,
            "failed_level": self.failed_level,
            "copies": copies,
        }
        return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


NOTHING_KNOWN = State({})


def _rank(level: str | None) -> int:
    return LEVELS.index(level or LEVELS[-1])


def read_state(directory: Path) -> State:
    """What cannot be read is no proof, and may have been the word that this backup is none."""
    try:
        return parse_state((directory / STATE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return NOTHING_KNOWN
    except (OSError, ValueError):
        return unreadable(directory / STATE)


def unreadable(path: Path) -> State:
    return State({}, f"{path}, which tells whether proofs held, cannot be read: verify it by restore.")


def parse_state(text: str) -> State:
    """ValueError for what was not written here."""
    try:
        told: Any = json.loads(text)
        copies = tuple(Copy(each["place"], each["checked"], moment(each["at"])) for each in told["copies"])
        proofs = {str(level): str(at) for level, at in told["proofs"].items()}
        for level, at in proofs.items():
            _rank(level)
            moment(at)
        _rank(told["failed_level"])
        return State(proofs, told["failure"], told["failed_at"], told["failed_level"], copies)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(str(error)) from error


def write_state(directory: Path, state: State) -> None:
    path = directory / STATE
    write_text(path, partial_of(path), state.to_json())
    if os.geteuid() == 0:
        about = os.lstat(directory)
        os.chown(path, about.st_uid, about.st_gid, follow_symlinks=False)
