# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whose backups are meant where those of several clusters lie in one place."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import Manifest
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused

# The system identifier of the cluster that is meant, None where nobody can tell. It is asked only when that matters.
Own = Callable[[], "str | None"]


def nobody() -> None:
    """Nobody's own are preferred."""
    return


def of_one_cluster(found: Sequence[Manifest], own: Own, place: str) -> set[str]:
    """The ids of those that can be the latest: of the cluster that asks, where there are others beside them.

    Of one cluster alone they are taken whoever asks: a host that replaces a lost one has another identifier.
    """
    clusters = {each.origin.system_identifier for each in found} - {None}
    if len(clusters) < 2:
        return {each.id for each in found}
    meant = own()
    mine = {each.id for each in found if meant is not None and each.origin.system_identifier == meant}
    if not mine:
        known = ", ".join(sorted(str(each) for each in clusters))
        which = "" if meant is None else f", and none of {meant}, which is meant"
        raise Refused(
            f"{place} holds backups of several clusters (system identifiers {known}){which}: the latest of another "
            "is not taken for it, name the backup by its id."
        )
    return mine
