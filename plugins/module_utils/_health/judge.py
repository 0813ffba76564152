# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From what was seen to what it means: pure, so that its tests are tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ansible_collections.runbook.postgres.plugins.module_utils._health.check import (
    CRITICAL,
    INFO,
    WARNING,
    Check,
    Levels,
    Measure,
)
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Observed, Unavailable

GRAVEST_FIRST = (CRITICAL, WARNING, INFO)


@dataclass(frozen=True)
class Finding:
    check: str
    severity: str
    value: float
    warning: float | None
    critical: float | None
    unit: str
    object: str | None
    database: str | None
    message: str
    remedy: str


@dataclass(frozen=True)
class Accepted:
    """A finding the user knows of and lives with: a check, and which of its objects."""

    check: str
    object: str = "*"
    database: str = "*"

    def covers(self, finding: Finding) -> bool:
        pairs = ((finding.check, self.check), (finding.object, self.object), (finding.database, self.database))
        return all(matches(text or "", pattern) for text, pattern in pairs)


def matches(text: str, pattern: str) -> bool:
    """Whether a pattern with * and ? fits; a bracket is only a bracket, since names may hold one."""
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def judge(
    observed: Observed,
    checks: Mapping[str, Check],
    levels: Mapping[str, Levels],
    accepted: Sequence[Accepted] = (),
    limit: int = 10,
) -> list[Finding]:
    """The findings, the gravest first; of each check at most so many, the worst of them.

    A check that cannot make sense of what was seen is listed as unavailable and costs only itself.
    """
    findings: list[Finding] = [] if observed.down is None else [_unreachable(observed.down)]
    for name, check in checks.items():
        try:
            found = list(_findings(check, levels[name], check.measure(observed)))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is that check's alone
            reason = f"what was seen could not be judged ({type(error).__name__}: {error}): report this as a fault"
            observed.unavailable.append(Unavailable(name, " ".join(reason.split())))
            continue
        kept = [each for each in found if not any(rule.covers(each) for rule in accepted)]
        kept.sort(key=lambda each: -each.value if check.above else each.value)
        findings += kept[:limit]
    return sorted(findings, key=lambda each: GRAVEST_FIRST.index(each.severity))


def set_aside(
    observed: Observed, checks: Mapping[str, Check], levels: Mapping[str, Levels], accepted: Sequence[Accepted]
) -> dict[str, int]:
    """How many findings of each check were accepted: what is not looked at any more is not to be forgotten."""
    counts: dict[str, int] = {}
    for name, check in checks.items():
        for each in _findings(check, levels[name], check.measure(observed)) if accepted else ():
            if any(rule.covers(each) for rule in accepted):
                counts[name] = counts.get(name, 0) + 1
    return counts


def status(observed: Observed, findings: Sequence[Finding]) -> str:
    """One word for the whole server; advice (info) does not change it."""
    if observed.down is not None:
        return "down"
    severities = {each.severity for each in findings}
    return next((each for each in (CRITICAL, WARNING) if each in severities), "ok")


def severity(check: Check, levels: Levels, value: float) -> str | None:
    """The gravest level that the value is strictly beyond."""
    for name in GRAVEST_FIRST:
        level = getattr(levels, name)
        if level is not None and (value > level if check.above else value < level):
            return name
    return None


# By what the driver or the server said; a server that speaks another language gets the general advice.
_WAYS_IN = (
    (
        re.compile(r"authentication failed|no password supplied|no pg_hba.conf entry|role .* does not exist"),
        "The server answers and does not let this login in: look at login_user, its password and pg_hba.conf.",
    ),
    (
        re.compile(r"database .* does not exist"),
        "The server answers: look at login_db.",
    ),
    (
        re.compile(r"certificate|\bSSL\b|root\.crt"),
        "Look at ssl_mode, ca_cert and the names in the server's certificate.",
    ),
    (
        re.compile(r"could not translate host name"),
        "Look at login_host and the name service.",
    ),
    (
        re.compile(r"starting up|shutting down|not yet accepting|recovery mode"),
        "Wait, and read in the server log how far it is.",
    ),
    (
        re.compile(r"too many (?:clients|connections)|connection slots"),
        "The server answers and every connection is taken: end idle sessions, and look for who opens them.",
    ),
    (
        re.compile(r"Connection refused|No such file or directory"),
        "Nothing listens there: look at the service and its log, then at login_port and listen_addresses.",
    ),
)
_ANY_WAY_IN = "Look at the service, its log, the disk and the network; then at pg_hba.conf and max_connections."


def _unreachable(reason: str) -> Finding:
    """Not a check: it has no level to set and cannot be accepted."""
    return Finding(
        check="unreachable",
        severity=CRITICAL,
        value=1,
        warning=None,
        critical=0,
        unit="servers",
        object=None,
        database=None,
        message=reason,
        remedy=next((remedy for words, remedy in _WAYS_IN if words.search(reason)), _ANY_WAY_IN),
    )


def _findings(check: Check, levels: Levels, measures: Iterable[Measure]) -> Iterable[Finding]:
    for each in measures:
        if levels.floor is not None and each.basis is not None and each.basis < levels.floor:
            continue
        grade = severity(check, levels, each.value)
        if grade is not None:
            yield Finding(
                check=check.name,
                severity=grade,
                value=each.value,
                warning=levels.warning,
                critical=levels.critical,
                unit=check.unit,
                object=each.object,
                database=each.database,
                message=each.message,
                remedy=each.remedy or check.remedy,
            )
