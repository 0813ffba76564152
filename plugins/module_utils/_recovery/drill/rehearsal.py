# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A drill: the latest backup and all of the archive, restored where it harms nobody, asked, measured, and removed."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from ansible_collections.runbook.postgres.plugins.module_utils import _debian
from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed
from ansible_collections.runbook.postgres.plugins.module_utils._controldata import parsed, printed
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, said
from ansible_collections.runbook.postgres.plugins.module_utils._progress import Progress
from ansible_collections.runbook.postgres.plugins.module_utils._recovery import archive as archives
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.catalogue import Backup, Segment, Stanza
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.damage import Damaged, of_pages
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.drill.evidence import Checked, Evidence
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.drill.traces import REQUEST, begin, remove
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.place import Mark, Place
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.proof import Check, last_of, last_start
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.replay import Replay
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.repository import Repository
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.tablespaces import Moves, make
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.target import Stop, Target, misses, read
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.trial import Trial

LATEST = Target("latest")
_CHECKSUM_SECONDS = 86400.0
_DATABASES = "SELECT json_agg(datname ORDER BY datname) FROM pg_database WHERE datallowconn"
_PLAIN_TIMES = "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD';\n"
READ = "SELECT count(*) FROM pg_class"
# Counts the rows of the smallest table that holds any, so that the answer is waited for and not its size.
_LEAST = r"""
SELECT format('SELECT %L, count(*) FROM %I.%I', n.nspname || '.' || c.relname, n.nspname, c.relname)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND pg_relation_size(c.oid) > 0
 ORDER BY pg_relation_size(c.oid), c.oid LIMIT 1
\gexec
"""


@dataclass(frozen=True)
class Rehearsal:
    """What is to be recovered, and what it is asked."""

    place: Place
    repository: Repository
    stanza: Stanza
    backup: Backup
    settings: Mapping[str, str]
    # A question whose answer is the newest time that an application wrote; else the newest transaction counts.
    heartbeat: Check | None
    checks: Sequence[Check]
    seconds: float
    stamp: str
    # None is the latest that the archive knows.
    timeline: int | None = None
    # Tablespaces that have directories of their own.
    moves: Moves = field(default_factory=Moves)
    # Whoever looks at how far it is.
    progress: Progress = field(default_factory=lambda: Progress(None))

    def run(self, evidence: Evidence) -> None:
        """Into the evidence goes what was found, as far as it got; nothing stays on the host."""
        start = time.monotonic()
        told = ("label", "kind", "repository", "stopped", "bytes")
        evidence.backup = {key: value for key, value in asdict(self.backup).items() if key in told}
        try:
            with timed(evidence.took, "restore"):
                self._restore()
            with Trial(self.place, self.settings) as trial:
                with timed(evidence.took, "replay"):
                    stop = self._replay(trial, evidence)
                if self._first_answer(trial, evidence):
                    evidence.rto_seconds = round(time.monotonic() - start, 1)
                if self.heartbeat is None:
                    self._newest_commit(stop, evidence)
                with timed(evidence.took, "questions"):
                    evidence.checks += self._asked(trial)
                trial.stop()
            with timed(evidence.took, "checksums"):
                evidence.checks += self._checksums(evidence)
        except (Problem, OSError) as error:
            evidence.failure = said(error)
            evidence.damage = said(error) if isinstance(error, Damaged) else None
        finally:
            with timed(evidence.took, "clean-up"):
                self._remove(evidence)

    def _remove(self, evidence: Evidence) -> None:
        """What is in the way of that is a fault as well, and no reason to write nothing down."""
        try:
            remove(self.place, self.stamp)
        except (Problem, OSError) as error:
            evidence.failure = " ".join(each for each in (evidence.failure, said(error)) if each)

    def _restore(self) -> None:
        place = self.place
        moved = self.moves.by_oid
        # What is filled from here on is the drill's, whoever clears up after it.
        told = {"tablespaces": sorted(moved.values())}
        begin(place, Mark(REQUEST, self.stanza.system_identifier, self.stamp, label=self.backup.label, proof=told))
        make(moved.values())
        place.restored.mkdir(mode=0o700)
        shutil.chown(place.restored, _debian.SUPERUSER, _debian.SUPERUSER)
        tablespaces = place.tablespaces(self.stamp)
        self.progress.tick("restore")
        seconds, progress = self.seconds, self.progress
        self.repository.restore(
            self.backup, place.restored, tablespaces, moved, again=False, seconds=seconds, progress=progress
        )

    def _replay(self, trial: Trial, evidence: Evidence) -> Stop:
        place = self.place
        evidence.server_version = str(place.version)
        asked = archives.ask(self.repository, self.stanza, LATEST, self.timeline, place.version, place.restored)
        evidence.followed_timeline = asked.timeline
        evidence.named_timeline = self.timeline
        command = self.repository.restore_command(place.restored)
        trial.start({"restore_command": command, **LATEST.settings(asked.timeline, "pause")})
        replay = Replay(self.progress, LATEST, asked, self.stanza)

        def look(stop: Stop | None) -> None:
            # The server takes it away when the archive has nothing more, and may write for long before it answers.
            if evidence.read_at is None and not place.recovery_signal.exists():
                evidence.read_at = time.time()
            replay.look(stop)

        stop = trial.until_stopped(LATEST, self.seconds, look)
        evidence.stopped_at_lsn = stop.lsn
        wrong = misses(LATEST, stop, last_start(self.stanza, asked))
        if wrong is not None:
            last = last_of(self.stanza, asked) or self.stanza.last
            raise (Damaged if self._lacks_wal(stop, last) else Problem)(f"{wrong}.")
        return stop

    def _lacks_wal(self, stop: Stop, last: Segment | None) -> bool:
        """Whether the archive lacks what comes next; one that was away for a moment ends a replay as well."""
        if stop.in_recovery or stop.lsn is None or last is None:
            return False
        at = last.holding(stop.lsn)
        for number in range(at.number, min(at.number + 2, last.number + 1)):
            name = last.numbered(number).name
            try:
                if self.repository.endings(name, self.place.version, self.place.restored) is None:
                    return True
            except Damaged:
                return True
        return False

    def _first_answer(self, trial: Trial, evidence: Evidence) -> bool:
        """Whether the database is there for its users from here on: that a server runs says nothing of their data."""
        evidence.server_version = str(trial.socket.json("SELECT to_json(current_setting('server_version'))"))
        if self.heartbeat is not None:
            told = trial.asked(self.seconds).psql(_PLAIN_TIMES + self.heartbeat.query, self.heartbeat.database).strip()
            beat = read("time", told, inclusive=True).moment if told else None
            evidence.newest_commit = None if beat is None else beat.timestamp()
            evidence.newest_commit_from = evidence.first_answer = f"the heartbeat in database {self.heartbeat.database}"
            return True
        wrong = []
        for database in trial.socket.json(_DATABASES):
            try:
                told = trial.asked(self.seconds).psql(_LEAST, database).strip()
            except Problem as error:
                name = f"the smallest table of database {database} can be read"
                wrong.append(Checked(name, passed=False, told=error.sentence.rstrip(".")))
                continue
            if told:
                table, _bar, rows = told.rpartition("|")
                evidence.first_answer = f"table {table} in database {database}, rows: {rows}"
                break
        else:
            evidence.first_answer = "" if wrong else "the catalog, since no table of any database holds a row"
        evidence.checks += wrong
        return bool(evidence.first_answer)

    def _newest_commit(self, stop: Stop, evidence: Evidence) -> None:
        if stop.moment is not None:
            evidence.newest_commit = stop.moment.timestamp()
            evidence.newest_commit_from = "the newest transaction"
        else:
            # All that was committed until then is in it, and the archive has nothing newer.
            evidence.newest_commit = float(self.backup.stopped)
            evidence.newest_commit_from = "the end of the backup, after which nothing was committed"

    def _asked(self, trial: Trial) -> Iterator[Checked]:
        self.progress.tick("questions")
        socket = trial.asked(self.seconds)
        for database in trial.socket.json(_DATABASES):
            yield answered(socket, Check(f"database {database} can be read", database, READ), None)
        for check in self.checks:
            yield answered(socket, check)

    def _checksums(self, evidence: Evidence) -> Iterator[Checked]:
        """Every page that was restored, which a running server does not read."""
        place = self.place
        control = parsed(printed(place.version, place.restored))
        if control is None or not control.checksums:
            return
        self.progress.tick("checksums")
        argv = [str(_debian.bin_directory(place.version) / "pg_checksums"), "--check", "-D", str(place.restored)]
        try:
            _debian.run_as_postgres(argv, _CHECKSUM_SECONDS)
        except ProgramFailed as error:
            told = (error.words or str(error)).rstrip(".")
            evidence.damage = told if of_pages(told) else None
            yield Checked("checksums of all pages", passed=False, told=told)
        else:
            yield Checked("checksums of all pages", passed=True)


def answered(socket: _debian.Socket, check: Check, wanted: str | None = "t") -> Checked:
    try:
        answer = socket.psql(check.query, check.database).strip()
    except Problem as error:
        return Checked(check.name, passed=False, told=error.sentence.rstrip("."))
    right = wanted is None or answer == wanted
    return Checked(check.name, passed=right, told="" if right else f"the answer is '{answer[:80]}' and not true")


@contextlib.contextmanager
def timed(took: dict[str, float], name: str) -> Iterator[None]:
    begun = time.monotonic()
    try:
        yield
    finally:
        took[name] = round(time.monotonic() - begun, 1)
