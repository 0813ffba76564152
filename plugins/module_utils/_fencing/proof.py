# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether a server is fenced, from what several hosts found and what the user demands. What is not known is no proof.

Only what says so of this server, in so many words and as a truth value counts: an evidence about another server, a
text that reads like true, a host that was not reached or that nobody asked all prove nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._fencing.evidence import BLOCK, COMMAND, FENCED, STOP

METHODS = (STOP, COMMAND, BLOCK)


@dataclass(frozen=True)
class Demand:
    """Who is to be fenced, and what counts as proof of it."""

    host: str
    all_of: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    # Where it is reached, and who must not reach it any more.
    addresses: tuple[str, ...] = ()
    everyone: tuple[str, ...] = ()

    @property
    def problems(self) -> list[str]:
        """Why nothing could ever satisfy it."""
        strange = [each for each in (*self.all_of, *self.any_of) if each not in METHODS]
        found = [f"'{each}' is no method of fencing: use {', '.join(METHODS)}." for each in dict.fromkeys(strange)]
        if not self.all_of and not self.any_of:
            found.append(
                "No method of fencing is demanded, so that nothing could prove it: name some in all_of or any_of."
            )
        return found


def demand(policy: Mapping[str, Any]) -> Demand:
    for name in ("all_of", "any_of", "addresses", "everyone"):
        if isinstance(policy.get(name), str):
            raise TypeError(f"{name} is a text, not a list")
    return Demand(
        str(policy["host"]),
        *(tuple(policy.get(name) or ()) for name in ("all_of", "any_of", "addresses", "everyone")),
    )


def entries(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Evidence from what pg_fence returned on each host: {on, stop, command, block}, each a result or nothing."""
    told = []
    for each in results:
        for method in METHODS:
            result = each.get(method) or {}
            if result.get("evidence"):
                evidence = dict(result["evidence"])
                failed = [result["msg"]] if result.get("msg") else []
                told.append({**evidence, "on": each["on"], "missing": failed or evidence.get("missing") or []})
            elif result and not result.get("skipped"):
                missing = [str(result.get("msg") or "pg_fence returned nothing.")]
                told.append({"on": each["on"], "method": method, "missing": missing})
    return told


def unproven(evidence: Sequence[Mapping[str, Any]], wanted: Demand, *, foreseen: bool = False) -> list[str]:
    """Sentences that say why the server cannot be taken for fenced; none is the proof. `foreseen` counts what a dry
    run says would be done."""
    if wanted.problems:
        return wanted.problems
    lacking = {method: list(_lacking(method, evidence, wanted, foreseen)) for method in METHODS}
    reasons = [sentence for method in dict.fromkeys(wanted.all_of) for sentence in lacking[method]]
    if wanted.any_of and all(lacking[method] for method in wanted.any_of):
        reasons += [sentence for method in dict.fromkeys(wanted.any_of) for sentence in lacking[method]]
    return list(dict.fromkeys(reasons))


def _lacking(method: str, evidence: Sequence[Mapping[str, Any]], wanted: Demand, foreseen: bool) -> Iterator[str]:
    found = [each for each in evidence if each.get("method") == method]
    if method == BLOCK:
        yield from _not_cut_off(found, wanted, foreseen)
    elif method == STOP:
        # It is about the host on which it was looked.
        found = [each for each in found if each.get("on") == wanted.host]
        if not any(_holds(each, wanted, foreseen) for each in found):
            yield f"{wanted.host} is not proven to be stopped and kept from starting: {_why(found)}"
    elif not any(_holds(each, wanted, foreseen) for each in found):
        yield f"The command that fences {wanted.host} has not proven it: {_why(found)}"


def _not_cut_off(found: Sequence[Mapping[str, Any]], wanted: Demand, foreseen: bool) -> Iterator[str]:
    if not wanted.addresses or not wanted.everyone:
        yield f"Nobody is known who could be kept apart from {wanted.host}, or no address of it."
    for name in wanted.everyone:
        own = [each for each in found if each.get("on") == name]
        if not any(_holds(each, wanted, foreseen) and _covers(each, wanted) for each in own):
            yield f"{name} is not proven to be kept apart from {wanted.host}: {_why(own)}"


def _holds(each: Mapping[str, Any], wanted: Demand, foreseen: bool) -> bool:
    # What hides secrets in results may turn a truth value into a text.
    true = each.get("proven") is True or (foreseen and each.get("foreseen") is True)
    return true and each.get("host") == wanted.host and each.get("state") == FENCED


def _covers(each: Mapping[str, Any], wanted: Demand) -> bool:
    addresses = each.get("addresses")
    return isinstance(addresses, (list, tuple)) and set(wanted.addresses) <= set(addresses)


def _why(found: Sequence[Mapping[str, Any]]) -> str:
    told = [" ".join(str(reason).split()) for each in found for reason in each.get("missing") or ()]
    return " ".join(dict.fromkeys(told)) or "nothing was found there that says so."
