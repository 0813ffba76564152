# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Physical backups for the catalogue, and WAL that is missing between them."""

from __future__ import annotations

from ansible_collections.runbook.postgres.plugins.module_utils._backup.listing import Listing
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical import state
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.catalogue import gaps, observe
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.running import running
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.wal import Wal
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.program import PgBackRest

_SECONDS = 300.0


def physical(stanza: str, repository: int) -> Listing:
    pgbackrest = PgBackRest(stanza, _SECONDS)
    wal = Wal(pgbackrest, repository, state.damaged_wal(stanza, repository))
    found = observe(pgbackrest, repository, state.load(stanza, repository), wal)
    place = f"repository {repository}"
    broken = [{"path": place, "problem": each} for each in (*found.problems, *gaps(found))]
    return Listing(found.entries, broken, running(pgbackrest, found.lock))
