# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The facts as a page for a person: status first, findings by severity, then figures."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable

from ansible_collections.runbook.postgres.plugins.module_utils._health.check import (
    shown_bytes,
    shown_count,
    shown_seconds,
)

WIDTH = 100
_LABEL = 20

_HEADINGS = (("critical", "CRITICAL"), ("warning", "WARNING"), ("info", "ADVICE"))
_COLOURS = {"critical": "1;31", "down": "1;31", "warning": "1;33", "info": "1;36", "ok": "1;32", "quiet": "2"}

Facts = Mapping[str, Any]
Paint = Callable[[str, str], str]


def rendered(health: Facts, name: str, colour: bool = False) -> str:
    """One server's report; colour is for terminals only."""

    def paint(text: str, kind: str) -> str:
        return f"\033[{_COLOURS[kind]}m{text}\033[0m" if colour else text

    name, health = printable(name), printable(health)
    parts = [_head(health, name, paint)]
    parts += [_section(title, kind, health["findings"], paint) for kind, title in _HEADINGS]
    parts += [
        _figures(health["metrics"]),
        _trees(health["metrics"]),
        _unavailable(health["unavailable"], paint),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def printable(value: Any) -> Any:
    """Names and queries are the words of others: what could steer a terminal or turn its text is shown as a code."""
    if isinstance(value, str):
        return value if value.isprintable() else "".join(map(_printable_character, value))
    if isinstance(value, Mapping):
        return {key: printable(each) for key, each in value.items()}
    return [printable(each) for each in value] if isinstance(value, (list, tuple)) else value


def _printable_character(character: str) -> str:
    if character.isspace():
        return " "
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def _head(health: Facts, name: str, paint: Paint) -> str:
    server = health["server"]
    who = f"{name}  PostgreSQL {server['version'].split()[0]} {server['role']}" if server else name
    state = health["status"].upper()
    lines = [f"{who}{' ' * max(2, WIDTH - len(who) - len(state))}{paint(state, health['status'])}"]
    if server:
        facts = [
            server["cluster_name"],
            f"timeline {server['timeline']}",
            f"up {shown_seconds(server['uptime_seconds'])}",
            f"checksums {'on' if server['data_checksums'] else 'off'}",
            f"asked as {server['user']}",
            f"in {health['duration_ms']} ms",
        ]
        lines += [paint(line, "quiet") for line in _wrapped(", ".join(fact for fact in facts if fact), "", "")]
    if not health["findings"]:
        lines.append("Nothing needs attention.")
    return "\n".join(lines)


def _section(title: str, kind: str, findings: Sequence[Facts], paint: Paint) -> str:
    """Findings of one check stand together, and below those that one remedy helps it is said once."""
    chosen = [each for each in findings if each["severity"] == kind]
    if not chosen:
        return ""
    lines = [paint(f"{title}  {len(chosen)}", kind)]
    for check in dict.fromkeys(each["check"] for each in chosen):
        same = [each for each in chosen if each["check"] == check]
        lines.append(f"  {check}")
        for remedy in dict.fromkeys(each["remedy"] for each in same):
            for each in same:
                if each["remedy"] == remedy:
                    lines += _wrapped(_located(each), "    ", "      ")
            if remedy:
                lines += _wrapped(remedy, "    -> ", "       ")
    return "\n".join(lines)


def _located(finding: Facts) -> str:
    """A table's name says little without its database, which many a schema shares its name with."""
    database, message = finding["database"], finding["message"]
    told = not database or any(f"{word} {database}" in message for word in ("in", "database", "Database"))
    return message if told else f"{database}: {message}"


def _wrapped(text: str, first: str, next_: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=next_, break_on_hyphens=False)


def _figures(metrics: Facts) -> str:
    lines = []
    for label, figures in _FIGURES:
        for number, text in enumerate(figures(metrics)):
            lines += _wrapped(text, f"  {'' if number else label:<{_LABEL}}", " " * (_LABEL + 2))
    return "\n".join(["FIGURES", *lines]) if lines else ""


def _rows(metrics: Facts, subset: str, probe: str) -> Sequence[Facts]:
    rows = metrics.get(subset, {}).get(probe) or []
    return [rows] if isinstance(rows, Mapping) else rows


def _sessions(metrics: Facts) -> Iterable[str]:
    for row in _rows(metrics, "sessions", "session_totals"):
        yield (
            f"{row['clients']} of {row['max_connections']} ({row['used_percent']:.0f} %): {row['active']} active, "
            f"{row['idle']} idle, {row['idle_in_transaction']} idle in transaction, "
            f"{row['waiting_for_lock']} waiting for a lock"
        )


def _databases(metrics: Facts) -> Iterable[str]:
    activity = {row["database"]: row for row in _rows(metrics, "databases", "database_activity")}
    for row in _rows(metrics, "databases", "database_sizes")[:5]:
        seen = activity.get(row["database"], {})
        hit = seen.get("cache_hit_percent")
        cached = "" if hit is None else f", {hit:.1f} % from cache"
        age = f", xid age {seen['xid_age']:,}" if seen else ""
        yield f"{row['database']}: {shown_bytes(row['bytes'])}{cached}{age}"


def _replication(metrics: Facts) -> Iterable[str]:
    for row in _rows(metrics, "replication", "standby"):
        source = row["sender"] or "no sender"
        paused = ", replay paused" if row["paused"] else ""
        yield f"follows {source}, {shown_seconds(row['replay_lag_seconds'])} behind{paused}"
    for row in _rows(metrics, "replication", "replicas"):
        behind = "unknown" if row["replay_lag_bytes"] is None else shown_bytes(row["replay_lag_bytes"])
        yield f"{row['name']} {row['state']} {row['sync_state']}, behind by {behind}"
    for row in _rows(metrics, "replication", "replication_slots"):
        kept = "nothing" if row["retained_bytes"] is None else shown_bytes(row["retained_bytes"])
        yield f"slot {row['name']} {'active' if row['active'] else 'inactive'}, keeps {kept}"


def _wal(metrics: Facts) -> Iterable[str]:
    for row in _rows(metrics, "wal", "wal_directory"):
        yield f"{shown_bytes(row['bytes'])} in {shown_count(row['files'], 'file')}"
    for row in _rows(metrics, "wal", "archiver"):
        state = "off" if row["mode"] == "off" else "failing" if row["failing"] else "working"
        yield f"archiving {state}, {shown_count(row['archived'], 'file')} archived, {row['failed']} failures"
    for row in _rows(metrics, "wal", "checkpoints"):
        yield f"checkpoints {row['timed']} timed, {row['requested']} forced"


def _disks(metrics: Facts) -> Iterable[str]:
    for row in _rows(metrics, "storage", "disks"):
        total, left = shown_bytes(row["total_bytes"]), shown_bytes(row["available_bytes"])
        yield f"{row['path']}: {row['used_percent']:.0f} % of {total}, {left} left ({row['purpose']})"


def _tables(metrics: Facts) -> Iterable[str]:
    for row in sorted(_rows(metrics, "tables", "tables"), key=lambda each: -each["total_bytes"])[:5]:
        yield (
            f"{row['database']} {row['table']}: {shown_bytes(row['total_bytes'])}, {row['live_rows']:,} rows, "
            f"{row['dead_rows']:,} dead"
        )


def _statements(metrics: Facts) -> Iterable[str]:
    for row in _rows(metrics, "statements", "statements")[:3]:
        yield (
            f"{row['total_percent']:.0f} % of the time, {shown_count(row['calls'], 'call')} of "
            f"{row['mean_milliseconds']:.1f} ms: {_shortened(row['query'], 60)}"
        )


def _work(metrics: Facts) -> Iterable[str]:
    for probe in ("running_work", "base_backups"):
        for row in _rows(metrics, "progress", probe):
            done = "" if row["done_percent"] is None else f", {row['done_percent']:.0f} %"
            yield f"{row['operation']} {row['object'] or ''} ({row['phase']}{done})"


def _pools(metrics: Facts) -> Iterable[str]:
    for row in _rows(metrics, "pgbouncer", "pools"):
        yield (
            f"{row['pool']} {row['mode']}: {row['servers_active']} of {row['size']} servers, "
            f"{shown_count(row['clients_waiting'], 'client')} waiting"
        )


_FIGURES: tuple[tuple[str, Callable[[Facts], Iterable[str]]], ...] = (
    ("connections", _sessions),
    ("databases", _databases),
    ("largest tables", _tables),
    ("heaviest statements", _statements),
    ("replication", _replication),
    ("WAL", _wal),
    ("disks", _disks),
    ("running work", _work),
    ("PgBouncer", _pools),
)


def _trees(metrics: Facts) -> str:
    trees = metrics.get("sessions", {}).get("blocking") or []
    lines = [line for tree in trees for line in _branch(tree, 0)]
    return "\n".join(["WHO WAITS FOR WHOM", *lines]) if lines else ""


def _branch(tree: Facts, depth: int) -> list[str]:
    who = f"pid {tree['pid']}" if tree["pid"] else "a prepared transaction"
    role = f" {tree['role'] or 'server process'} in {tree['database']}" if "role" in tree else ""
    waits = f" waits {shown_seconds(tree['waiting_seconds'])} for {tree['lock']}" if tree.get("lock") else ""
    state = f" {tree['state']}" if tree.get("state") and not waits else ""
    query = f": {tree['query']}" if tree.get("query") else ""
    mark = "  " + "   " * depth + ("└─ " if depth else "")
    lines = [mark + _shortened(f"{who}{role}{state}{waits}{query}", WIDTH - len(mark))]
    for waiter in tree["blocks"]:
        lines += _branch(waiter, depth + 1)
    return lines


def _ignored(ignored: Mapping[str, int], paint: Paint) -> str:
    if not ignored:
        return ""
    checks = ", ".join(f"{check} {count}" for check, count in sorted(ignored.items()))
    return "\n".join([paint(f"IGNORED  {sum(ignored.values())}", "quiet"), *_wrapped(checks, "  ", "  ")])


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 3)] + "..."


def _unavailable(unavailable: Sequence[Facts], paint: Paint) -> str:
    if not unavailable:
        return ""
    lines = [paint("NOT ANSWERED", "quiet")]
    for each in unavailable:
        place = f" in {each['database']}" if each["database"] else ""
        lines += _wrapped(f"{each['probe']}{place}: {each['reason']}", "  ", "    ")
    return "\n".join(lines)
