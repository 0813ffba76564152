# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""This host kept apart from a server: no packet to its addresses and none from them, now and after a boot.

Debian's own nftables.service is off unless somebody has turned it on, reads one file that is the administrator's, and
empties the kernel first. So the table is in a file of its own that a unit of its own loads: before there is a network,
and again whenever nftables.service was started or reloaded.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils import _files
from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed, find, run
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._fencing import addresses as places
from ansible_collections.runbook.postgres.plugins.module_utils._fencing import ruleset
from ansible_collections.runbook.postgres.plugins.module_utils._fencing.evidence import FENCED, Evidence
from ansible_collections.runbook.postgres.plugins.module_utils._fencing.ruleset import FAMILY, NAME, Table

RULES = Path("/etc/runbook-fence.nft")
UNIT = Path("/etc/systemd/system/runbook-fence.service")
_SECONDS = 60.0
_TABLE = f"{FAMILY} {NAME}"

_UNIT_TEXT = """# Written by runbook.postgres: pg_fence (state: released) removes it.
[Unit]
Description=Keep this host apart from fenced PostgreSQL servers
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target shutdown.target
Conflicts=shutdown.target
# Which empties the kernel before it loads the administrator's rules.
After=nftables.service
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service

[Service]
Type=oneshot
RemainAfterExit=yes
StandardInput=null
ExecStart={nft} -f {rules}
ExecReload={nft} -f {rules}

[Install]
WantedBy=sysinit.target nftables.service
"""


@dataclass(frozen=True)
class Found:
    """None is what is not there."""

    table: Table | None
    rules: _files.File | None
    unit: _files.File | None
    # Whether systemd has it enabled and started.
    standing: bool
    # Addresses and what came of a try to reach the port there, where one was made.
    tried: Mapping[str, str | None]
    warnings: tuple[str, ...] = ()

    @property
    def addresses(self) -> frozenset[str]:
        """All that are fenced here; one that a killed run wrote down only is meant to be."""
        written = ruleset.kept(self.rules.content.decode(errors="replace")) if self.rules else frozenset()
        return written | (self.table.addresses if self.table else frozenset())


@dataclass(frozen=True)
class Load:
    @property
    def sentence(self) -> str:
        return f"have the kernel drop as {RULES} says"


@dataclass(frozen=True)
class Enable:
    @property
    def sentence(self) -> str:
        return f"have {UNIT.name} load it at boot"


@dataclass(frozen=True)
class Disable:
    @property
    def sentence(self) -> str:
        return f"have {UNIT.name} load nothing at boot"


@dataclass(frozen=True)
class RemoveTable:
    @property
    def sentence(self) -> str:
        return f"remove table {_TABLE} from the kernel"


@dataclass(frozen=True)
class Block:
    host: str
    state: str
    asked: tuple[str, ...]
    addresses: frozenset[str]
    port: int
    nft: str
    # A dry run comes before the package does.
    installed: bool = True

    @classmethod
    def of(cls, params: Mapping[str, Any], *, check_mode: bool) -> Block:
        asked = tuple(params["addresses"])
        resolved = frozenset(address for each in asked for address in places.resolved(each))
        found = shutil.which("nft")
        if params["state"] == FENCED:
            if not asked:
                raise Refused("Method block needs the addresses of the server that is to be cut off: give addresses.")
            places.refuse_unfit(resolved, places.own())
            if not check_mode:
                found = find("nft", "nftables")
        return cls(
            params["host"], params["state"], asked, resolved, params["port"], found or "/usr/sbin/nft", bool(found)
        )

    @property
    def title(self) -> str:
        return f"{self.host} as reached from this host"

    def observe(self) -> Found:
        table = self._table() if self.installed else None
        rules, unit = _files.observe(RULES), _files.observe(UNIT)
        inside = self.addresses if table and self.state == FENCED else frozenset()
        # Only what the kernel drops by now: trying the rest would tell nothing.
        tried = places.tried(inside & table.addresses, self.port) if table else {}
        missing = self.state == FENCED and not self.installed
        warnings = ("nft is not on this host: a real run needs package nftables.",) if missing else ()
        return Found(table, rules, unit, unit is not None and _standing(), tried, warnings)

    def _table(self) -> Table | None:
        try:
            return ruleset.parsed(run([self.nft, "-j", "list", "table", *_TABLE.split()], _SECONDS))
        except ProgramFailed as error:
            if "No such file or directory" in error.words:
                return None
            raise Refused(f"The kernel's packet filter cannot be read ({error.words or error.sentence}).") from error

    def plan(self, found: Found) -> Plan:
        return plan_block(found, self.addresses, self.state, self.nft)

    def take(self, change: Any) -> None:
        if isinstance(change, _files.FileChange):
            change.apply()
        elif isinstance(change, Load):
            run([self.nft, "-f", str(RULES)], _SECONDS)
        elif isinstance(change, Enable):
            run(["systemctl", "daemon-reload"], _SECONDS)
            run(["systemctl", "enable", "--quiet", "--now", UNIT.name], _SECONDS)
        elif isinstance(change, Disable):
            run(["systemctl", "disable", "--quiet", "--now", UNIT.name], _SECONDS)
        elif isinstance(change, RemoveTable):
            run([self.nft, "delete", "table", *_TABLE.split()], _SECONDS)

    def evidence(self, found: Found) -> Evidence:
        return judged(found, self)


def _standing() -> bool:
    told = run(["systemctl", "show", "--property=UnitFileState,ActiveState", UNIT.name], _SECONDS).splitlines()
    return sorted(told) == ["ActiveState=active", "UnitFileState=enabled"]


def plan_block(found: Found, addresses: frozenset[str], state: str, nft: str) -> Plan:
    """Others' addresses in the same table stay; without any the table goes, and what loads it."""
    known = found.addresses
    # Released without addresses is all of them.
    left = known | addresses if state == FENCED else known - addresses if addresses else frozenset()
    changes = _kept(found, left, nft) if left else _gone(found)
    return Plan(changes, found.warnings, before=sorted(known) if changes else (), after=sorted(left) if changes else ())


def _kept(found: Found, left: frozenset[str], nft: str) -> tuple[Any, ...]:
    rules = _files.changed(_files.File(RULES, ruleset.text(left).encode()), found.rules)
    text = _UNIT_TEXT.format(nft=nft, rules=RULES)
    unit = _files.changed(_files.File(UNIT, text.encode()), found.unit)
    load = None if found.table == ruleset.wanted(left) else Load()
    enable = None if found.standing and unit is None else Enable()
    return tuple(each for each in (rules, load, unit, enable) if each is not None)


def _gone(found: Found) -> tuple[Any, ...]:
    """The kernel's table comes last: until then the next run sees that there is something to remove."""
    changes: list[Any] = [Disable()] if found.unit else []
    changes += [each for each in (_files.removed(found.unit), _files.removed(found.rules)) if each is not None]
    return (*changes, *([RemoveTable()] if found.table else []))


def judged(found: Found, block: Block) -> Evidence:
    table = found.table
    here = table.addresses if table else frozenset()
    seen = {"addresses": list(block.asked), "blocked": sorted(here), "tried": dict(found.tried)}
    if block.state != FENCED:
        left = sorted(here & block.addresses if block.addresses else here)
        sentence = f"{', '.join(left)} is still in table {_TABLE} of this host: run this again."
        return Evidence(seen, (sentence,) if left else ())
    missing = [
        f"Table {_TABLE} of this host does not hold {each}, so that packets pass: run this again."
        for each in sorted(block.addresses - here)
    ]
    if table is not None and table.rules != ruleset.wanted(here).rules:
        missing.append(
            f"Table {_TABLE} of this host is not as it was written: look who changes it, and run this again."
        )
    if not found.standing or found.rules is None:
        missing.append(f"{UNIT.name} is not enabled on this host, so that the fence would be gone after a boot.")
    missing += [
        f"Port {block.port} of {address} still answers this host ({answer}): look which way the packets take."
        for address, answer in sorted(found.tried.items())
        if answer is not None
    ]
    return Evidence(seen, tuple(missing))
