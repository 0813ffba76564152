# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Physical backups for the catalogue, and WAL that is missing between them."""

from __future__ import annotations

from ansible_collections.runbook.postgres.plugins.module_utils._backup.listing import Listing
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical import state
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.catalogue import Listed, gaps, observe
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.running import running
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.wal import Wal
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.program import PgBackRest

_SECONDS = 300.0


def physical(stanza: str, repository: int | None) -> Listing:
    """Those of one repository, or of each that this host's pgBackRest knows: one that is not reached hides no other."""
    pgbackrest = PgBackRest(stanza, _SECONDS)
    found = [_observed(pgbackrest, each) for each in ([repository] if repository else _known(pgbackrest))]
    broken = [
        {"path": f"repository {each.repository}", "problem": problem}
        for each in found
        for problem in (*each.problems, *gaps(each))
    ]
    # The lock is one for all of them.
    lock = next((each.lock for each in found if each.lock), {})
    return Listing([entry for each in found for entry in each.entries], broken, running(pgbackrest, lock))


def _known(pgbackrest: PgBackRest) -> list[int]:
    told = pgbackrest.json("info")
    return [each["key"] for about in told for each in about.get("repo", [])] or [1]


def _observed(pgbackrest: PgBackRest, repository: int) -> Listed:
    stanza = pgbackrest.stanza
    wal = Wal(pgbackrest, repository, state.damaged_wal(stanza, repository))
    return observe(pgbackrest, repository, state.load(stanza, repository), wal)
