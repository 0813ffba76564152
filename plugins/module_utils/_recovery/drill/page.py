# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The page of a drill, for people: one file without anything from elsewhere, to be kept and to be printed."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from ansible_collections.runbook.postgres.plugins.module_utils._recovery.drill.evidence import (
    Evidence,
    Restored,
    moment,
    size,
    span,
)

_STYLE = """
:root { color-scheme: light dark; --good: #1a7f37; --bad: #b42318; --line: #8884; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2.5rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.verdict { color: #fff; padding: .15rem .7rem; border-radius: .4rem; font-weight: 600; }
.passed { background: var(--good); } .failed { background: var(--bad); }
.figures { display: flex; gap: 1rem; margin: 1.5rem 0; flex-wrap: wrap; }
.figure { flex: 1; border: 1px solid var(--line); border-radius: .6rem; padding: .8rem 1rem; min-width: 12rem; }
.figure b { display: block; font-size: 1.9rem; line-height: 1.2; } .missed b { color: var(--bad); }
.met b { color: var(--good); }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .35rem .6rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 500; width: 15rem; } .fault { color: var(--bad); } small { opacity: .75; }
@media print { body { margin: 0; } }
"""


def page(evidence: Evidence) -> str:
    verdict = "passed" if evidence.passed else "failed"
    title = f"Recovery drill of {evidence.cluster}"
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}: {verdict}</title><style>{_STYLE}</style></head><body>",
            f'<h1>{escape(title)} <span class="verdict {verdict}">{verdict}</span></h1>',
            f"<p>{escape(moment(evidence.began) or '')} on {escape(evidence.host)}</p>",
            *(f'<p class="fault">{escape(each)}</p>' for each in evidence.faults),
            *(_physical(evidence) if evidence.stanza is not None else ()),
            *(line for each in evidence.logical for line in _logical(each)),
            *_list("What was not tried", evidence.untried),
            "</body></html>",
            "",
        ]
    )


def _physical(evidence: Evidence) -> list[str]:
    return [
        *_figures(evidence, "age of the newest commit"),
        *_table("What was recovered", _recovered(evidence)),
        *_details(evidence),
    ]


def _logical(restored: Restored) -> list[str]:
    return [
        *_figures(restored, "age of the dump"),
        *_table(f"The logical backup of database {restored.database}", _unpacked(restored)),
        *_details(restored),
    ]


def _figures(of: Evidence | Restored, lost: str) -> list[str]:
    return [
        '<div class="figures">',
        _figure("Recovery time", of.rto_seconds, of.objectives.rto_seconds, "to the first answer"),
        _figure("Data lost", of.rpo_seconds, of.objectives.rpo_seconds, lost),
        "</div>",
    ]


def _details(of: Evidence | Restored) -> list[str]:
    return [
        *_table("How long each step took", ((name, span(took)) for name, took in of.took.items())),
        *_table("What was asked of it", ((each.name, _answer(each.passed, each.told)) for each in of.checks)),
    ]


def _figure(name: str, measured: float | None, objective: float, what: str) -> str:
    met = "met" if measured is not None and measured <= objective else "missed"
    return (
        f'<div class="figure {met}">{escape(name)}<b>{escape(span(measured))}</b>'
        f"<small>{escape(what)}; objective {escape(span(objective))}, {met}</small></div>"
    )


def _answer(passed: bool, told: str) -> str:
    return "passed" if passed else f"did not pass: {told}"


def _recovered(evidence: Evidence) -> Iterable[tuple[str, str]]:
    backup = evidence.backup
    yield "Stanza", evidence.stanza or ""
    yield "System identifier", evidence.system_identifier or "unknown"
    yield "PostgreSQL", evidence.server_version or "unknown"
    if backup:
        yield "Backup", f"{backup['label']} ({backup['kind']}, {size(backup['bytes'])})"
        yield "Backup ended", moment(backup["stopped"]) or ""
    if evidence.stopped_at_lsn is not None:
        timeline, named = evidence.followed_timeline, evidence.named_timeline is not None
        yield "Replayed to", f"{evidence.stopped_at_lsn}, where timeline {timeline} ends in the archive"
        yield "Timeline", f"{timeline}, {'as was asked' if named else 'the latest in the archive'}"
    if evidence.first_answer:
        yield "First answer", f"by {evidence.first_answer}"
    if evidence.newest_commit is not None:
        yield "Newest commit", f"{moment(evidence.newest_commit)}, by {evidence.newest_commit_from}"
    if evidence.read_at is not None:
        yield "Archive read to its end", moment(evidence.read_at) or ""


def _unpacked(restored: Restored) -> Iterable[tuple[str, str]]:
    backup = restored.backup
    if backup:
        yield "Backup", f"{backup['id']} (of a database of {size(backup['bytes'])})"
    yield "Holds what was committed", moment(restored.taken) or "unknown"
    yield "PostgreSQL", restored.server_version or "unknown"


def _list(title: str, lines: Iterable[str]) -> list[str]:
    told = [f"<li>{escape(each)}</li>" for each in lines]
    return [f"<h2>{escape(title)}</h2>", "<ul>", *told, "</ul>"] if told else []


def _table(title: str, rows: Iterable[tuple[str, str]]) -> list[str]:
    lines = [f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows]
    return [f"<h2>{escape(title)}</h2>", "<table>", *lines, "</table>"] if lines else []
