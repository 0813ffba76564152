# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which backups are past their retention, by pgBackRest's own word, also when a new one will have been taken."""

from __future__ import annotations

import re

from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.catalogue import Listed
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.plan import Take, Wish, standing_on
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.room import LABEL
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.files import stanza_file
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.program import PgBackRest

_KEEPS = r"^repo{}-retention-(full|diff|full-type)=(\S+)$"
# By count, as "full backup" or "diff backup set"; by time, as "time-based backup".
_EXPIRES = re.compile(r"expire [\w-]+ backup")
# What a new one is counted as; pgBackRest counts full ones among the differential ones as well.
_COUNTED = {"full": ("full", "diff"), "diff": ("diff",)}


def past(pgbackrest: PgBackRest, wish: Wish, take: Take | None, found: Listed) -> list[str]:
    """What it will remove: with one that is to come, as if it were to keep one less."""
    arguments, going = [f"--repo={wish.repository}", "--dry-run"], set()
    for kind, count in counts(wish, "" if take is None else take.kind).items():
        if count == 1:
            # None of those that are there, which it cannot be told.
            going |= standing_on(found.entries, kind)
        else:
            arguments.append(f"--repo{wish.repository}-retention-{kind}={count - 1}")
    printed = pgbackrest.run("expire", *arguments, log="info")
    lines = [line for line in printed.splitlines() if _EXPIRES.search(line)]
    going.update(label for line in lines for label in LABEL.findall(line))
    return [each.id for each in found.entries if each.id in going]


def counts(wish: Wish, taken: str) -> dict[str, int]:
    """How many stay of what a new one of this kind is counted as, where that is counted."""
    path = stanza_file(wish.stanza)
    pattern = re.compile(_KEEPS.format(wish.repository), re.MULTILINE)
    told = dict(pattern.findall(path.read_text())) if path.exists() else {}
    if told.get("full-type", "count") != "count":
        told.pop("full", None)
    return {kind: int(told[kind]) for kind in _COUNTED.get(taken, ()) if kind in told}
