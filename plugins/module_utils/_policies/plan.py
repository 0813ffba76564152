# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From a table's policies as they are to those it should have: pure, without a connection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Union

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._policies.state import Policy, Table, Wish


@dataclass(frozen=True)
class Drop:
    """A policy that goes, or makes room for another of its name."""

    table: Table
    policy: Policy

    @property
    def sentence(self) -> str:
        return f"drop policy {self.policy.name} of {self.table.title}"


@dataclass(frozen=True)
class Create:
    table: Table
    policy: Policy

    @property
    def sentence(self) -> str:
        return f"create policy {self.policy.name} on {self.table.title}"


@dataclass(frozen=True)
class Switch:
    """Whether policies count at all, and whether they do for the table's owner."""

    table: Table
    action: str

    @property
    def sentence(self) -> str:
        return f"{self.action.lower()} row level security on {self.table.title}"


Step = Union[Drop, Create, Switch]


def plan_policies(table: Table, wish: Wish) -> Plan:
    """The expressions of the wish are as the server prints them. All steps together are one transaction, in which
    policies are in place before they count."""
    kept, gone, made = _sorted_out(table, wish)
    steps: list[Step] = [Drop(table, each) for each in gone]
    steps += [Create(table, each) for each in made]
    steps += _switches(table, wish)
    return Plan(
        changes=tuple(steps),
        warnings=tuple(_warnings(table, wish, kept)),
        before=_listing(table.enabled, table.forced, table.policies),
        after=_listing(wish.enabled, wish.forced, [*kept, *made]),
    )


def _sorted_out(table: Table, wish: Wish) -> tuple[list[Policy], list[Policy], list[Policy]]:
    """Those that stay as they are, those that go, and those that come."""
    wanted = {each.name: each for each in wish.policies}
    kept = [each for each in table.policies if wanted.get(each.name, None if wish.exclusive else each) == each]
    gone = [each for each in table.policies if each not in kept]
    made = [each for each in wish.policies if each not in kept]
    return kept, gone, made


def _switches(table: Table, wish: Wish) -> Iterator[Switch]:
    if table.forced != wish.forced:
        yield Switch(table, "FORCE" if wish.forced else "NO FORCE")
    if table.enabled != wish.enabled:
        yield Switch(table, "ENABLE" if wish.enabled else "DISABLE")


def _warnings(table: Table, wish: Wish, kept: Sequence[Policy]) -> Iterator[str]:
    wanted = {each.name for each in wish.policies}
    strange = [each.name for each in kept if each.name not in wanted]
    if strange:
        yield f"{table.title} has policies that are not listed and stay, {', '.join(strange)}: exclusive removes them."
    if wish.enabled and not any(each.permissive for each in (*kept, *wish.policies)):
        yield f"{table.title} has row-level security and no permissive policy: nobody but its owner sees a row."


def _listing(enabled: bool, forced: bool, policies: Sequence[Policy]) -> list[str]:
    state = "on, for its owner too" if enabled and forced else "on" if enabled else "off"
    if forced and not enabled:
        state = "off, for its owner too once it is on"
    return [f"row level security: {state}", *sorted(each.text for each in policies)]
