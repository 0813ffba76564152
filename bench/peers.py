"""Which questions the peers can answer too, and the script that asks them one by one.

A question is here when both sides answer it on this server. What only we ask
(duplicate indexes, blocking trees, statements, partitions, ...) costs our side
alone; what only they ask, or what nobody can answer here (there is no standby
and no pooler), is asked of neither. `last_vacuum` and its kin tell a date where
ours tells whether a vacuum is due, and the sizes of single tables are no check
of ours: they are left out although they would cost the peers more.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from lab.nodes import Node

from .server import DATABASE

SOCKET = "/var/run/postgresql"
ROLE = "monitoring"


@dataclass(frozen=True)
class Question:
    """What a peer calls it, with the limits it insists on; and the check or probe of ours that answers it."""

    theirs: str
    ours: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Peer:
    """A tool that answers one question for each call."""

    name: str
    command: tuple[str, ...]
    questions: tuple[Question, ...]

    def argv(self, question: Question) -> list[str]:
        return [*(word.replace("{question}", question.theirs) for word in self.command), *question.options]


def limits(warning: str, critical: str) -> tuple[str, ...]:
    return (f"--warning={warning}", f"--critical={critical}")


CHECK_POSTGRES = Peer(
    "check_postgres",
    ("check_postgres", "--action={question}", f"--host={SOCKET}", f"--dbuser={ROLE}", f"--dbname={DATABASE}"),
    (
        Question("backends", "connections_percent"),
        Question("query_time", "longest_query_seconds", limits("60", "300")),
        Question("txn_time", "session_totals", limits("60", "300")),
        Question("txn_idle", "idle_in_transaction_seconds", limits("60", "300")),
        Question("locks", "lock_waiting_percent", limits("waiting=10", "waiting=50")),
        Question("prepared_txns", "prepared_transaction_seconds", limits("60", "300")),
        Question("hitratio", "cache_hit_percent", limits("95%", "90%")),
        Question("commitratio", "database_activity", limits("90%", "80%")),
        Question("database_size", "database_sizes", limits("500 GB", "1 TB")),
        Question("txn_wraparound", "xid_used_percent"),
        Question("replication_slots", "slot_retained_bytes", limits("1 GB", "10 GB")),
        Question("archive_ready", "archive_queue_files", limits("10", "100")),
        Question("wal_files", "wal_used_percent", limits("200", "400")),
        Question("disk_space", "disk_used_percent", limits("80%", "90%")),
        Question("bloat", "table_bloat_percent", limits("1 GB", "5 GB")),
        Question("sequence", "sequence_used_percent", limits("75%", "90%")),
    ),
)

STATUS_FILE = "/var/lib/postgresql/bench-check_pgactivity.data"
CHECK_PGACTIVITY = Peer(
    "check_pgactivity",
    (
        "/usr/lib/nagios/plugins/check_pgactivity",
        "--service={question}",
        f"--host={SOCKET}",
        f"--username={ROLE}",
        f"--dbname={DATABASE}",
        f"--status-file={STATUS_FILE}",
    ),
    (
        Question("uptime", "uptime_seconds"),
        Question("is_master", "role"),
        Question("backends", "connections_percent", limits("80%", "90%")),
        Question("backends_status", "lock_waiting_percent"),
        Question("longest_query", "longest_query_seconds", limits("1m", "5m")),
        Question("oldest_idlexact", "idle_in_transaction_seconds", limits("1m", "5m")),
        Question("oldest_2pc", "prepared_transaction_seconds", limits("1m", "5m")),
        Question("hit_ratio", "cache_hit_percent", limits("95%", "90%")),
        Question("commit_ratio", "database_activity"),
        Question("database_size", "database_sizes"),
        Question("temp_files", "temp_bytes_per_hour"),
        Question("checksum_errors", "checksum_failures"),
        Question("max_freeze_age", "xid_used_percent"),
        Question("oldest_xmin", "xmin_horizon_transactions"),
        Question("replication_slots", "slot_retained_bytes"),
        Question("archiver", "archive_queue_files"),
        Question("wal_files", "wal_used_percent"),
        Question("bgwriter", "checkpoints_requested_percent"),
        Question("invalid_indexes", "invalid_index"),
        Question("table_bloat", "table_bloat_percent", limits("1GB", "5GB")),
        Question("btree_bloat", "index_bloat_percent", limits("1GB", "5GB")),
        Question("sequences_exhausted", "sequence_used_percent", limits("75%", "90%")),
        Question("autovacuum", "running_work"),
    ),
)

# Warning and critical are answers; a question that ends otherwise was not answered,
# and a peer that fails fast must not look fast.
SCRIPT_HEAD = """#!/bin/sh
out=$(mktemp)
trap 'rm -f "$out"' EXIT
ask() {
  question=$1
  shift
  "$@" >"$out" 2>&1
  code=$?
  [ "$code" -le 2 ] && return
  echo "$question ended with exit code $code: $(head -c 300 "$out" | tr '\\n' ' ')" >&2
  exit 1
}
"""


def script(peer: Peer) -> str:
    """All questions, one after another, as a scheduler would start them."""
    calls = (f"ask {shlex.join([question.theirs, *peer.argv(question)])}\n" for question in peer.questions)
    return SCRIPT_HEAD + "".join(calls)


def put_script(node: Node, peer: Peer) -> Sequence[str]:
    """Write the script to the node; returns how to run it there."""
    path = f"/usr/local/bin/bench-{peer.name}"
    node.write(path, script(peer), mode="0755")
    return [path]
