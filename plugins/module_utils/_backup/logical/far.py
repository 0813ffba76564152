# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the far end holds of a series, as far as listing it tells, and what it is told of proofs."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import Entry, Series, Verified
from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import NAME, Manifest, parse
from ansible_collections.runbook.postgres.plugins.module_utils._backup.repository import Backup, series_of
from ansible_collections.runbook.postgres.plugins.module_utils._backup.state import (
    STATE,
    State,
    parse_state,
    unreadable,
)
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._stream.offsite import (
    FarDirectory,
    below,
    far_directories,
    far_sizes,
    told_far,
)


@dataclass(frozen=True)
class Far:
    """What lies there: copies of the series, and of whatever is there what is on its way out or has no manifest."""

    copies: list[Entry]
    leaving: list[str]
    cut: list[str]


def observe(remote: str, series: Series) -> Far:
    """A manifest goes there last, when the rest was compared; what was lost since is a problem."""
    there, going = far_directories(remote, NAME, STATE)
    sizes = far_sizes(remote)
    whole = {*there, *going, *(path.split("/")[0] for path in sizes if path.endswith(f"/{NAME}"))}
    cut = sorted({path.split("/")[0] for path in sizes if "/" in path} - whole)
    entries = []
    for name, found in sorted(there.items()):
        with contextlib.suppress(Refused):
            told = parse(found.text, Path(below(remote, name)) / NAME)
            if told.id == name and series_of(told) == series:
                # Its files are there, not here.
                entry = Backup(Path(below(remote, name)), replace(told, files=())).entry()
                problems = [f"{below(remote, name)} lacks its file {each}." for each in _lost(told, sizes)]
                failure = failure_of(remote, name, found)
                problems += [failure] if failure else []
                entries.append(replace(entry, verified=Verified("checksum", entry.stopped), problems=tuple(problems)))
    return Far(entries, going, cut)


def failure_of(remote: str, name: str, found: FarDirectory) -> str | None:
    """Of the last proof that did not hold, wherever it was made."""
    if found.beside is None:
        return None
    try:
        return parse_state(found.beside).failure
    except ValueError:
        return unreadable(Path(below(remote, name)) / STATE).failure


def tell(remote: str, name: str, state: State) -> None:
    """A copy is no better than what it is of: a failed proof is told beside it, until one holds."""
    told_far(remote, name, STATE, None if state.failure is None else replace(state, copies=()).to_json())


def tell_all(name: str, state: State) -> list[str]:
    """Each copy that is known; sentences about those that could not be told."""
    untold = []
    for copy in state.copies:
        try:
            tell(copy.place, name, state)
        except Problem as error:
            word = "a good one" if state.failure else "no good one"
            untold.append(f"{error.sentence} Others take the copy there for {word} until {name} is verified again.")
    return untold


def _lost(told: Manifest, sizes: Mapping[str, int]) -> list[str]:
    """Not there, or cut; a remote that knows no sizes says -1."""
    return [each.path for each in told.files if sizes.get(f"{told.id}/{each.path}") not in (each.bytes, -1)]
