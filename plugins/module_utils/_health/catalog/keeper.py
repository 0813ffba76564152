# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Patroni, which may keep the server's cluster, asked over its REST interface."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Probe


@dataclass(frozen=True)
class Keeper:
    """What the member says of itself and of its cluster."""

    scope: str
    version: str
    role: str
    state: str
    timeline: int | None
    paused: bool
    pending_restart: bool
    leader: str | None
    etcd_age_seconds: float | None


@dataclass(frozen=True)
class KeptMember:
    name: str
    role: str
    state: str
    timeline: int | None
    lag_bytes: int | None
    pending_restart: bool


@dataclass(frozen=True)
class KeeperDown:
    reason: str


KEEPER = Probe(name="patroni", subset="patroni", row=Keeper, single=True, sql={})
KEPT_MEMBERS = Probe(name="patroni_members", subset="patroni", row=KeptMember, sql={})
KEEPER_DOWN = Probe(name="patroni_down", subset="patroni", row=KeeperDown, single=True, sql={})

PROBES = (KEEPER, KEPT_MEMBERS, KEEPER_DOWN)
