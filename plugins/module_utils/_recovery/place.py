# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Where a recovery takes place, beside the data until it was proven, and the mark that says how far it got."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils import _files
from ansible_collections.runbook.postgres.plugins.module_utils._debian import SOCKET_DIRECTORY
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused

MARK = "runbook.postgres-recovery.json"
STATE = Path("/var/lib/runbook-postgres")
# How far a run got: files are being restored or replayed, the target was proven, the places are being exchanged.
RESTORING, PROVEN, EXCHANGING = "restoring", "proven", "exchanging"


@dataclass(frozen=True)
class Place:
    """The directories of one instance's recovery."""

    version: int
    instance: str
    data: Path

    @property
    def growing(self) -> Path:
        return self.data.with_name(f"{self.data.name}.recovery")

    @property
    def mark(self) -> Path:
        return self.growing / MARK

    @property
    def restored(self) -> Path:
        return self.growing / "data"

    @property
    def recovery_signal(self) -> Path:
        return self.restored / "recovery.signal"

    @property
    def settings(self) -> Path:
        return self.growing / "trial.conf"

    @property
    def hba(self) -> Path:
        return self.growing / "trial_hba.conf"

    @property
    def ident(self) -> Path:
        return self.growing / "trial_ident.conf"

    @property
    def sockets(self) -> Path:
        """Of a server that nobody but us is to find; a path of its own could be too long for a socket."""
        return Path(SOCKET_DIRECTORY) / f".recovery-{self.version}-{self.instance}"

    @property
    def registration(self) -> Path:
        return self.data.with_name(f"{self.data.name}.registration")

    def aside(self, stamp: str) -> Path:
        return self.data.with_name(f"{self.data.name}.before-recovery-{stamp}")

    def tablespaces(self, stamp: str) -> Path:
        return self.data.with_name(f"{self.data.name}.tablespaces-{stamp}")

    @property
    def state(self) -> Path:
        return STATE / f"recovery-{self.version}-{self.instance}.json"


@dataclass(frozen=True)
class Mark:
    """What a run has set out to do, and how far it got."""

    request: Mapping[str, Any]
    system_identifier: str
    stamp: str
    phase: str = RESTORING
    label: str = ""
    proof: Mapping[str, Any] = field(default_factory=dict)
    # Where the present data stood when the restored one was proven, and the last file of WAL in the archive.
    left: str | None = None
    archived: str | None = None

    def write(self, place: Place) -> None:
        content = (json.dumps(asdict(self), indent=1) + "\n").encode()
        _files.put(_files.File(place.mark, content, mode=0o600), place.mark)


def read_mark(place: Place) -> Mark | None:
    """What another version of ours wrote is understood as far as it says all that we know of."""
    found = _json(place.mark)
    if found is None:
        return None
    try:
        mark = Mark(**{each.name: found[each.name] for each in fields(Mark) if each.name in found})
    except TypeError:
        mark = None
    if mark is None or mark.phase not in (RESTORING, PROVEN, EXCHANGING):
        raise Refused(
            f"{place.mark}, which says how far a recovery got, is of another version of this collection: end it with "
            f"that version, or look what is in {place.growing} and move it away."
        )
    return mark


def read_state(place: Place) -> Mapping[str, Any] | None:
    """What the last recovery of this instance came to."""
    return _json(place.state)


def write_state(place: Place, state: Mapping[str, Any]) -> None:
    place.state.parent.mkdir(mode=0o755, exist_ok=True)
    content = (json.dumps(state, indent=1, sort_keys=True) + "\n").encode()
    _files.put(_files.File(place.state, content, mode=0o644), place.state)


def _json(path: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(path.read_text()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise Refused(f"{path} cannot be read ({error}): look at it, and remove it if it is damaged.") from error
