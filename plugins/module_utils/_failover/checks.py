# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Questions about the cluster as a whole that come before any candidate: each is answered with what stands against it.

They are asked in this order, of a switchover and of a failover alike.
"""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.runbook.postgres.plugins.module_utils._failover.decision import Refusal, several
from ansible_collections.runbook.postgres.plugins.module_utils._failover.snapshot import Snapshot
from ansible_collections.runbook.postgres.plugins.module_utils._promoters import through


def one_cluster(seen: Snapshot) -> Iterator[Refusal]:
    """All of its data has one origin: a wrong inventory is caught here."""
    known = [each for each in seen.nodes if each.system_identifier]
    if len({each.system_identifier for each in known}) > 1:
        found = ", ".join(f"{each.name} {each.system_identifier}" for each in known)
        yield Refusal(
            "system_identifiers_differ",
            f"The members hold data of different clusters (system identifiers: {found}): take those that do not "
            "belong here out of postgres_hosts.",
        )


def at_most_one_primary(seen: Snapshot) -> Iterator[Refusal]:
    if len(seen.primaries) > 1:
        names = several(f"{each.name} (timeline {each.told('timeline')})" for each in seen.primaries)
        yield Refusal(
            "two_primaries",
            f"{names} both take writes: find out which one the clients use, stop the other by hand and keep what only "
            "it has before anything else is moved.",
        )


def nobody_competes(seen: Snapshot) -> Iterator[Refusal]:
    """A manager that promotes by itself would undo, or do at the same time, what is decided here."""
    for each in seen.nodes:
        # One that is asked to do it is no other.
        others = [name for name in each.promoters if seen.keeper is None or name != seen.keeper.name]
        if others:
            yield Refusal(
                "promoter_runs",
                f"{several(others)} runs on {each.name} and decides by itself who is primary: "
                f"{through(others)}, or stop it on every member first.",
                each.name,
            )


def everybody_tells(seen: Snapshot) -> Iterator[Refusal]:
    """A server that does not say what it is may take writes."""
    for each in seen.nodes:
        if each.seen and each.silent:
            yield Refusal(
                "member_silent",
                f"{each.name} does not tell what it is: {each.told('problem') or each.reason or 'it gives no reason.'}",
                each.name,
            )


def as_decided(seen: Snapshot) -> Iterator[Refusal]:
    """What the topology found wrong that nothing above says better."""
    for sentence in seen.refusals:
        yield Refusal("topology_refused", sentence)
