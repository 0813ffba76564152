# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The steps of a run of pg_backup's method logical, each with its sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

# What stands for the backup that is still to be taken.
NEW = "(new)"


@dataclass(frozen=True)
class Clear:
    """What a killed run left here."""

    name: str

    @property
    def sentence(self) -> str:
        return f"remove {self.name}, which an interrupted run left"


@dataclass(frozen=True)
class Drop:
    """What a killed proof left on the server."""

    name: str

    @property
    def sentence(self) -> str:
        return f"drop database {self.name}, which an interrupted verification left"


@dataclass(frozen=True)
class Take:
    title: str
    level: str

    @property
    def sentence(self) -> str:
        return f"back up {self.title}"


@dataclass(frozen=True)
class Verify:
    id: str
    level: str

    @property
    def sentence(self) -> str:
        which = "the new backup" if self.id == NEW else f"backup {self.id}"
        return f"verify {which} by {self.level}"


@dataclass(frozen=True)
class Send:
    id: str
    remote: str

    @property
    def sentence(self) -> str:
        return f"copy backup {self.id} to {self.remote}"


@dataclass(frozen=True)
class Forget:
    """Somebody removed the copy, or a rule of the store did."""

    id: str
    remote: str

    @property
    def sentence(self) -> str:
        return f"note that {self.remote} has no copy of backup {self.id} any more"


@dataclass(frozen=True)
class Remove:
    id: str
    why: str

    @property
    def sentence(self) -> str:
        return f"remove backup {self.id}, {self.why}"


@dataclass(frozen=True)
class ClearFar:
    """At the far end it bears a mark, or its manifest never arrived."""

    id: str
    remote: str
    what: str = "removal"

    @property
    def sentence(self) -> str:
        return f"remove what is left of backup {self.id} from {self.remote}, where a {self.what} was interrupted"


@dataclass(frozen=True)
class RemoveFar:
    id: str
    remote: str
    why: str
    # Something that is there already stands for it, so that it goes also where nothing new arrives.
    anyway: bool = True

    @property
    def sentence(self) -> str:
        return f"remove backup {self.id} from {self.remote}, {self.why}"


Step = Union[Clear, Drop, Take, Verify, Send, Forget, Remove, ClearFar, RemoveFar]
# What is wrong at the far end keeps nothing from being done here.
FAR_STEPS = (Send, ClearFar, RemoveFar)
