# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Would Patroni fail over, if it had to?"""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import keeper as seen_by
from ansible_collections.runbook.postgres.plugins.module_utils._health.check import (
    Check,
    Levels,
    Measure,
    shown_seconds,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Observed

# As it says of one that does its work.
_WORKING = ("running", "streaming", "in archive recovery")


def _down(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.KEEPER_DOWN):
        yield Measure(1, f"Patroni could not be asked: {seen.row.reason}")


def _paused(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.KEEPER):
        yield Measure(int(seen.row.paused), f"Patroni is paused and would not fail over cluster {seen.row.scope}.")


def _without_leader(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.KEEPER):
        yield Measure(int(seen.row.leader is None), f"Patroni knows of no leader of cluster {seen.row.scope}.")


def _etcd(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.KEEPER):
        if seen.row.etcd_age_seconds is not None:
            age = seen.row.etcd_age_seconds
            yield Measure(age, f"Patroni last heard from etcd {shown_seconds(age)} ago.")


def _members(observed: Observed) -> Iterable[Measure]:
    for seen in observed.of(seen_by.KEPT_MEMBERS):
        row = seen.row
        yield Measure(int(row.state not in _WORKING), f"Patroni says of {row.name} that it is {row.state}.", row.name)


CHECKS = (
    Check(
        name="patroni_unreachable",
        subset="patroni",
        unit="members",
        measure=_down,
        remedy="Look at patroni.service and its journal; the server goes on without it, and nobody fails over.",
        levels=Levels(critical=0),
    ),
    Check(
        name="patroni_paused",
        subset="patroni",
        unit="clusters",
        measure=_paused,
        remedy="Have it go on with patronictl resume when whoever paused it is done.",
        levels=Levels(warning=0),
    ),
    Check(
        name="patroni_without_leader",
        subset="patroni",
        unit="clusters",
        measure=_without_leader,
        remedy="See with patronictl list who could be, and whether etcd has a majority.",
        levels=Levels(critical=0),
    ),
    Check(
        name="patroni_etcd_age_seconds",
        subset="patroni",
        unit="s",
        measure=_etcd,
        remedy="See on its hosts whether etcd has a majority; without it the primary stops taking writes.",
        levels=Levels(warning=20, critical=60),
    ),
    Check(
        name="patroni_member_not_working",
        subset="patroni",
        unit="members",
        measure=_members,
        remedy="Look at its journal, journalctl -u patroni; patronictl reinit copies a standby anew.",
        levels=Levels(warning=0),
    ),
)
