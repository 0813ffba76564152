"""From what was found to the steps of a recovery, or to what speaks against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._controldata import Control
from ansible_collections.runbook.postgres.plugins.module_utils._history import Branch
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.catalogue import Line, read
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.choosing import Archive, choose
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.host import Data, Host, Server
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.place import (
    EXCHANGING,
    PROVEN,
    RESTORING,
    Mark,
    Place,
)
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.plan import (
    Course,
    done_before,
    plan_recovery,
    promotes_paused,
)
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.refusals import of_archiving, of_stopped
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.target import Target
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.wanted import Wanted

from .listing import CLUSTER, STANZA, backup, listing

PLACE = Place(15, "main", Path("/var/lib/postgresql/15/main"))
BACKUP = backup("F1", 1000, "000000010000000000000003", "0/3000100")
KNOWN = read(listing(BACKUP), STANZA, 15, None)
ARCHIVED = "00000001000000000000000A"
WANTED = Wanted(PLACE, Target("latest"), STANZA, running_server="stop", stamp="20260131T120000Z")
DATA = Data("15", Control(str(CLUSTER), "in production", Branch(1, "0/5000000")), standby=False)
WENT_ON = replace(DATA, control=Control(str(CLUSTER), "shut down", Branch(1, "0/5000100")))
EMPTY = Host(installed=True, free_bytes=1 << 40)
HERE = replace(EMPTY, data=DATA, registered=str(PLACE.data))
SERVER = Server(in_recovery=False, archives=True, now=5000.0, written="0/F000100")
RUNS = replace(HERE, server=SERVER)


def mark(phase: str, wanted: Wanted = WANTED) -> Mark:
    return Mark(wanted.request, str(CLUSTER), "20260131T110000Z", phase, "F1", left=DATA.standing, archived=ARCHIVED)


def course(wanted: Wanted, host: Host, archive: Archive = Archive(1), now: float = 5000.0) -> Course:  # noqa: B008
    return plan_recovery(wanted, host, KNOWN, archive, choose(wanted.target, KNOWN, archive, wanted.label), now)


def kinds(wanted: Wanted, host: Host) -> str:
    plan = course(wanted, host).plan
    assert not plan.refusals
    return " ".join(step.kind for step in plan.changes)


def refusal(wanted: Wanted, host: Host, archive: Archive = Archive(1)) -> str:  # noqa: B008
    plan = course(wanted, host, archive).plan
    assert not plan.changes
    assert all(each.endswith(".") for each in plan.refusals)
    return " ".join(plan.refusals)


BACK_THEN = replace(WANTED, target=Target("lsn", "0/4000000"), running_server="stop_last")
# Which backup is before it, nobody knows beforehand.
UNDATED = replace(WANTED, target=Target("name", "before the migration"), running_server="stop_last")
LESS = replace(mark(PROVEN), archived="000000010000000000000009")
BLIND = replace(UNDATED, running_server="stop")


@pytest.mark.parametrize(
    ("wanted", "host", "steps"),
    [
        (WANTED, EMPTY, "restore prove place register start"),
        (WANTED, HERE, "restore prove aside place start"),
        (WANTED, RUNS, "stop restore prove aside place start"),
        (BACK_THEN, RUNS, "restore prove stop aside place start"),
        (replace(BACK_THEN, target=Target("lsn", "0/F000000")), RUNS, "archive restore prove stop aside place start"),
        (UNDATED, RUNS, "archive restore prove stop aside place start"),
        (replace(UNDATED, running_server="stop", label="F1"), RUNS, "stop restore prove aside place start"),
        (WANTED, replace(HERE, restored=True, mark=mark(RESTORING)), "end restore prove aside place start"),
        (WANTED, replace(HERE, restored=True, mark=mark(PROVEN)), "aside place start"),
        # Somebody had the old data serve meanwhile: the end of the archive is another one.
        (WANTED, replace(RUNS, restored=True, mark=mark(PROVEN)), "end stop restore prove aside place start"),
        (WANTED, replace(RUNS, restored=True, mark=mark(EXCHANGING)), "end stop restore prove aside place start"),
        (WANTED, replace(HERE, data=WENT_ON, restored=True, mark=mark(PROVEN)), "end restore prove aside place start"),
        # So it is where the cluster serves on another host.
        (WANTED, replace(EMPTY, restored=True, mark=LESS), "end restore prove place register start"),
        (WANTED, replace(EMPTY, restored=True, mark=mark(PROVEN)), "place register start"),
        # What was proven of the past is as true as before.
        (BACK_THEN, replace(RUNS, restored=True, mark=mark(PROVEN, BACK_THEN)), "stop aside place start"),
        (WANTED, replace(HERE, restored=True, mark=mark(EXCHANGING)), "aside place start"),
        (WANTED, replace(HERE, data=None, restored=True, mark=mark(EXCHANGING)), "place start"),
        (WANTED, replace(RUNS, mark=mark(EXCHANGING)), "start"),
        (WANTED, replace(EMPTY, data=DATA, half_registered=True, mark=mark(EXCHANGING)), "register start"),
        (BLIND, replace(RUNS, restored=True, mark=mark(PROVEN, BLIND)), "stop aside place start"),
        # Another request: what a killed run restored is used, what it proved is not.
        (BACK_THEN, replace(RUNS, restored=True, mark=mark(PROVEN)), "end restore prove stop aside place start"),
    ],
)
def test_the_steps(wanted: Wanted, host: Host, steps: str) -> None:
    assert kinds(wanted, host) == steps


OTHER = replace(DATA, control=Control("5", "shut down", Branch(1, "0/1")))


@pytest.mark.parametrize(
    ("wanted", "host", "words"),
    [
        (WANTED, replace(EMPTY, installed=False), "install postgresql-15"),
        (WANTED, replace(HERE, registered="/srv/pg"), "has its data in /srv/pg"),
        (WANTED, replace(HERE, mounted=True), "is a mount point"),
        (WANTED, replace(HERE, stranger=True), "is not ours"),
        (WANTED, replace(HERE, free_bytes=1 << 20), "has 1.0 MiB free"),
        (WANTED, replace(HERE, unarchived_bytes=2 << 40), "2.0 TiB of WAL that is not in the archive"),
        (WANTED, replace(HERE, data=OTHER), "replaces: '5'"),
        (WANTED, replace(HERE, data=replace(DATA, version="13")), "data of PostgreSQL 13, not 15"),
        (WANTED, replace(HERE, data=replace(DATA, standby=True)), "is a standby"),
        (WANTED, replace(HERE, server=Server(in_recovery=True)), "is a standby"),
        (replace(WANTED, running_server="refuse"), RUNS, "with stop_last it serves"),
        (replace(WANTED, running_server="stop_last"), RUNS, "there is no end"),
        (BLIND, RUNS, "stop_last, with which it serves until the target was reached, or name a backup"),
        (replace(BLIND, target=Target("xid", "77")), RUNS, "early enough for transaction 77"),
        (replace(WANTED, end="paused"), HERE, "no point to pause at"),
        (replace(WANTED, system_identifier="5"), HERE, "5 is wanted"),
        (WANTED, replace(RUNS, server=replace(SERVER, standbys=("a", "b"))), "a and b stream from instance 15/main"),
        (BACK_THEN, replace(HERE, mark=mark(EXCHANGING)), "run that one again"),
        (replace(WANTED, target=Target("lsn", "F/0")), HERE, "beyond the archive"),
        (replace(WANTED, label="F7"), HERE, "has no backup F7"),
        (WANTED, replace(HERE, promoters=("Patroni",)), "Patroni runs on this host and decides by itself"),
        # What a killed run has half exchanged as well.
        (WANTED, replace(HERE, mark=mark(EXCHANGING), promoters=("repmgrd",)), "or stop it on every member"),
    ],
)
def test_what_speaks_against_it(wanted: Wanted, host: Host, words: str) -> None:
    assert words in refusal(wanted, host)


FAR = replace(WANTED, target=Target("lsn", "0/F000200"))
DOWN = replace(HERE, data=replace(DATA, segments=("00000001000000000000000A", "00000001000000000000000B")))


@pytest.mark.parametrize(
    ("wanted", "host", "archive", "end"),
    [
        # Of what the server is yet to hand over the archive's listing knows nothing, and the server all.
        (FAR, RUNS, Archive(1), "0/F000100"),
        (replace(FAR, running_server="stop_last"), RUNS, Archive(1), "0/F000100"),
        (replace(FAR, target=Target("lsn", "0/F000100")), RUNS, Archive(1), None),
        # How far it is within its last file is not known of one that is down.
        (replace(FAR, target=Target("lsn", "0/B000200")), DOWN, Archive(1), None),
        (replace(FAR, target=Target("lsn", "0/C000001")), DOWN, Archive(1), "0/C000000"),
        # What is in the archive counts, whatever became of the server since.
        (BACK_THEN, replace(RUNS, server=replace(SERVER, written="0/3500000")), Archive(1), None),
        # On another timeline this server has no say.
        (replace(FAR, timeline=2), RUNS, Archive(2, ((1, "0/4000000"),)), None),
        # One that does not answer keeps nobody from trying.
        (FAR, replace(RUNS, server=Server()), Archive(1), None),
    ],
)
def test_wal_that_nobody_has_written_is_not_waited_for(
    wanted: Wanted, host: Host, archive: Archive, end: str | None
) -> None:
    told = course(wanted, host, archive).plan.refusals
    assert told == () if end is None else f"ends at {end} of timeline 1" in " ".join(told)


def test_a_timeline_that_did_not_come_from_ours_has_to_be_named() -> None:
    host = replace(HERE, data=replace(DATA, control=Control(str(CLUSTER), "x", Branch(3, "0/5"))))
    assert "is on timeline 3" in refusal(WANTED, host)
    assert kinds(replace(WANTED, timeline=1), host)


def test_consent_is_enough() -> None:
    followed = replace(RUNS, server=replace(SERVER, standbys=("a",), slots=("a",), synchronous="ANY 1 (a)"))
    plan = course(replace(WANTED, leave_standbys=True), followed).plan
    assert not plan.refusals
    assert "made again: a" in plan.warnings[0]
    assert "commits wait" in plan.warnings[1]
    assert kinds(replace(WANTED, replaces="5"), replace(HERE, data=OTHER)).startswith("restore")


def test_a_server_that_says_nothing_is_told_of() -> None:
    plan = course(WANTED, replace(RUNS, server=Server())).plan
    assert "does not answer" in plan.warnings[0]


def test_data_that_went_on_after_the_proof_is_told_of() -> None:
    plan = course(WANTED, replace(HERE, data=WENT_ON, restored=True, mark=mark(PROVEN))).plan
    assert "replayed to once more" in plan.warnings[0]
    assert not course(WANTED, replace(HERE, restored=True, mark=mark(PROVEN))).plan.warnings


def test_wal_that_never_reached_the_archive_counts() -> None:
    beyond = replace(WANTED, target=Target("lsn", "0/B000000"))
    kept = replace(HERE, data=replace(DATA, segments=("00000001000000000000000B",)))
    assert kinds(beyond, kept).startswith("restore")
    assert "beyond" in refusal(beyond, replace(HERE, data=replace(DATA, segments=("00000001000000000000000A",))))


def state(wanted: Wanted = WANTED, **more: Any) -> Mapping[str, Any]:
    return {
        "request": wanted.request,
        "end": wanted.end,
        "system_identifier": str(CLUSTER),
        "timeline": 2,
        **more,
    }


ON_TWO = replace(HERE, data=replace(DATA, control=Control(str(CLUSTER), "x", Branch(2, "0/5"))))


def test_what_was_done_is_not_done_again() -> None:
    done = replace(ON_TWO, state=state())
    assert done_before(WANTED, done)
    assert not done_before(replace(WANTED, again=True), done)
    assert not done_before(BACK_THEN, done)
    assert not done_before(WANTED, replace(HERE, state=state()))
    assert not done_before(WANTED, replace(done, state=state(system_identifier="5")))
    later = replace(DATA, control=Control(str(CLUSTER), "x", Branch(3, "0/9")), ancestors=((2, "0/7"),))
    assert done_before(WANTED, replace(done, data=later))


def test_what_was_done_is_not_called_done_while_its_server_is_down() -> None:
    done = replace(ON_TWO, state=state())
    assert of_stopped(WANTED, replace(done, server=SERVER)) is None
    assert "does not run: start it, or say again: true" in str(of_stopped(WANTED, replace(done, server=None)))


def test_what_was_recovered_to_archive_nothing_is_not_taken_for_production() -> None:
    beside = replace(WANTED, archives=False)
    silent = replace(ON_TWO, data=replace(ON_TWO.data or DATA, archive_mode="off"), state=state(beside))
    for wanted in (WANTED, beside):
        assert done_before(wanted, silent)
    assert of_archiving(beside, silent) is None
    assert "ALTER SYSTEM RESET archive_mode" in str(of_archiving(WANTED, silent))
    assert of_archiving(WANTED, replace(silent, data=ON_TWO.data)) is None
    assert "ALTER SYSTEM SET archive_mode = off" in str(of_archiving(beside, replace(ON_TWO, state=state())))
    # The cluster's own setting, that it had when it was backed up, is nobody's mistake.
    assert of_archiving(WANTED, replace(silent, state=state())) is None
    plan = course(beside, EMPTY).plan
    assert plan.changes[-1].sentence == "start instance 15/main, promoted, with archiving off"
    assert plan.after[0].endswith("promoted, with archiving off")


def test_a_paused_one_is_only_let_go() -> None:
    paused = replace(BACK_THEN, end="paused")
    stands = replace(ON_TWO, server=Server(in_recovery=True), state=state(paused))
    assert promotes_paused(BACK_THEN, stands)
    # A run that was killed had it go on, and left its target behind.
    assert promotes_paused(BACK_THEN, replace(stands, server=Server(in_recovery=False)))
    assert not promotes_paused(BACK_THEN, replace(stands, server=Server()))
    assert not promotes_paused(paused, stands)
    assert not promotes_paused(WANTED, stands)


# Timeline 2 left 1 when this instance had not written all that it did.
BRANCHED = Archive(2, ((1, "0/4000000"),), lines={2: Line(datetime.fromtimestamp(2000, timezone.utc))})


def test_a_timeline_that_this_instance_outlived_is_not_simply_taken() -> None:
    """Its server runs, at 5000, and is further than where that one left."""
    told = refusal(WANTED, RUNS, BRANCHED)
    assert "instance 15/main is at 0/F000100 of timeline 1 and of 1970-01-01 01:23:20 UTC" in told
    assert "2, left 1 at 0/4000000" in told
    # As its control file says when that was, where it does not run.
    assert "instance 15/main is at 0/5000000" in refusal(WANTED, stopped_at(5000), BRANCHED)
    assert not course(replace(WANTED, timeline=2), RUNS, BRANCHED).plan.refusals


def test_what_a_lost_primary_had_alone_is_left_behind_and_said() -> None:
    """It died before the standby was promoted."""
    found = course(WANTED, stopped_at(1990), BRANCHED).plan
    assert not found.refusals
    assert ["left timeline 1 at 0/4000000, and instance 15/main went on" in each for each in found.warnings] == [True]
    assert not course(WANTED, stopped_at(1990), Archive(1)).plan.warnings


def stopped_at(moment: float) -> Host:
    return replace(HERE, data=replace(DATA, written_at=moment))
