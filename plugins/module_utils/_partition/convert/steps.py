# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The steps by which a table becomes partitioned, each told in one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import Range
from ansible_collections.runbook.postgres.plugins.module_utils._partition.convert.state import Index, Scene


@dataclass(frozen=True)
class Clear:
    """What an interrupted run left and this one has no use for."""

    scene: Scene
    check: bool
    copy: bool
    indexes: tuple[str, ...]

    @property
    def sentence(self) -> str:
        return f"remove what an interrupted conversion left of {self.scene.title}"


@dataclass(frozen=True)
class Prove:
    """That all rows end before the new partitions begin, so that nobody waits while it is read."""

    scene: Scene
    column: str
    until: int | None
    # As a literal's content; None where there is no end.
    shown: str | None
    # The constraint is there and waits for its proof.
    begun: bool

    @property
    def sentence(self) -> str:
        end = "have keys" if self.shown is None else f"end before {self.shown}"
        return f"have it proved that the rows of {self.scene.title} {end}"


@dataclass(frozen=True)
class Build:
    """The index of a wider key, without keeping writers from the table."""

    scene: Scene
    index: Index
    name: str
    # An interrupted run left it broken.
    broken: bool

    @property
    def sentence(self) -> str:
        return f"build the index of {self.index.name} ({', '.join(self.index.columns)}) of {self.scene.title}"


@dataclass(frozen=True)
class Envelop:
    """The old table becomes the first partition of a new one that takes its name."""

    scene: Scene
    column: str
    kept_as: str
    shown: str | None
    # Indexes as they are to be, and the names of those built beforehand.
    indexes: tuple[Index, ...]
    built: tuple[tuple[str, str], ...]

    @property
    def sentence(self) -> str:
        end = "of all there is" if self.shown is None else f"up to {self.shown}"
        return (
            f"make {self.scene.title} a table partitioned by {self.column}, "
            f"with the old one, now {self.kept_as}, as the partition {end}"
        )


@dataclass(frozen=True)
class Begin:
    """An empty partitioned copy, and from then on a note of every key that changes."""

    scene: Scene
    column: str
    interval: str
    indexes: tuple[Index, ...]
    key: tuple[str, ...]

    @property
    def sentence(self) -> str:
        return f"begin a copy of {self.scene.title} that is partitioned by {self.column}"


@dataclass(frozen=True)
class Lay:
    """One partition of the copy."""

    scene: Scene
    name: str
    range: Range
    lower: str | None
    upper: str | None
    tablespace: str | None

    @property
    def sentence(self) -> str:
        lower = "the beginning" if self.lower is None else self.lower
        upper = "the end" if self.upper is None else self.upper
        return f"create {self.name} for {self.scene.title} from {lower} to {upper}"


@dataclass(frozen=True)
class Transfer:
    scene: Scene
    key: tuple[str, ...]

    @property
    def sentence(self) -> str:
        return f"copy the rows of {self.scene.title}"


@dataclass(frozen=True)
class Compare:
    scene: Scene
    key: tuple[str, ...]

    @property
    def sentence(self) -> str:
        return f"compare the copy of {self.scene.title} with it"


@dataclass(frozen=True)
class Exchange:
    """The copy takes the table's place."""

    scene: Scene
    kept_as: str
    indexes: tuple[Index, ...]
    key: tuple[str, ...]

    @property
    def sentence(self) -> str:
        return f"put the copy in the place of {self.scene.title}, which is kept as {self.kept_as}"


@dataclass(frozen=True)
class Finish:
    """What nobody waits for: foreign keys proved, statistics gathered."""

    schema: str
    name: str

    @property
    def sentence(self) -> str:
        return f"finish the conversion of {self.schema}.{self.name}: prove its foreign keys and analyze it"


ConvertStep = Union[Clear, Prove, Build, Envelop, Begin, Lay, Transfer, Compare, Exchange, Finish]
