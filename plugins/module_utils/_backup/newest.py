# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether what one host has as its latest backup is the latest there is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup.fitting import Asked

Backups = Iterable[Mapping[str, Any]]


def doubts(here: str, told: Mapping[str, Backups | None], asked: Asked) -> Iterator[str]:
    """Parts of a sentence; `told` has what each host said of its backups, None where it could not be asked.

    Those are compared that hold what is asked for, since the restore takes none of the others.

    Backups lie where they were taken: after a failover the latest of the new primary may be months old, and that of the
    last night with the old one.
    """
    silent = [host for host, backups in told.items() if backups is None]
    if silent:
        yield f"{' and '.join(silent)} cannot be asked for a newer backup"
        return
    latest = {host: _latest(backups or (), asked) for host, backups in told.items()}
    own = latest.get(here)
    for host, backup in latest.items():
        if backup is not None and (own is None or str(backup["started"]) > str(own["started"])):
            has = "none" if own is None else f"{own['id']} as its latest"
            yield f"{host} has backup {backup['id']}, and {here} has {has}"


def _latest(backups: Backups, asked: Asked) -> Mapping[str, Any] | None:
    """By when it was taken, since each directory numbers its own."""
    fitting = [each for each in backups if asked.fits(each["kind"], each["tables"], each["label"])]
    return max(fitting, key=lambda each: str(each["started"]), default=None)
