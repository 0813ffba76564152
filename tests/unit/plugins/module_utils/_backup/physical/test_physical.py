"""What pgBackRest lists, what is due, what may go and what a proof found."""

from __future__ import annotations

import contextlib
import json
import os
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils import _host_lock
from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import Entry, Verified
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical import run, running, state
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.catalogue import (
    PAGES,
    Listed,
    Remembered,
    gaps,
    listed,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.past import past
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.plan import (
    Expire,
    Take,
    Verify,
    Wish,
    due,
    roots,
    so_far,
    spared,
    steps,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.room import (
    directory,
    filled,
    left_bytes,
    needed_bytes,
    refuse_without_room,
)
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.run import Backups
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.verify import (
    Damage,
    damage,
    refuse_unknown,
)
from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest import files
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.archive import Archive, Segment
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.readers import Reader
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.reading import reading

NOW = datetime(2030, 1, 10, tzinfo=timezone.utc)
FULL, DIFF, INCR = "20300101-000000F", "20300101-000000F_20300102-000000D", "20300101-000000F_20300103-000000I"
NEXT = "20300105-000000F"
TORN = "15-1/000000010000000000000004"
WISH = Wish("ledger", 1, "full", timedelta(hours=20), "checksum", 60.0)
VERIFIED = Verified("checksum", NOW)


def backup(label: str, hours: float, *, first: int, error: bool = False, on: tuple[str, ...] = ()) -> dict[str, Any]:
    stopped = int((NOW - timedelta(hours=hours)).timestamp())
    kind = {"D": "diff", "I": "incr"}.get(label[-1], "full")
    name = f"0000000100000000{first:08X}"
    return {
        "label": label,
        "type": kind,
        "error": error,
        "archive": {"start": name, "stop": name},
        "database": {"id": 1, "repo-key": 1},
        "info": {"size": 100, "repository": {"delta": 10, "size": 20}},
        "lsn": {"start": f"0/{first:X}000028", "stop": f"0/{first:X}000100"},
        "reference": list(on) or None,
        "timestamp": {"start": stopped - 60, "stop": stopped},
    }


def archive(*numbers: int) -> dict[str, Archive]:
    return {"15-1": Archive({number: Segment(1, number, NOW + timedelta(minutes=number)) for number in numbers})}


def look(*told: dict[str, Any], wal: tuple[int, ...] = tuple(range(1, 10)), status: int = 0, **known: Any) -> Listed:
    about = {
        "backup": list(told),
        "cipher": "aes-256-cbc",
        "db": [{"id": 1, "repo-key": 1, "system-id": 7, "version": "15"}],
        "repo": [{"key": 1, "status": {"code": status, "message": "missing stanza path"}}],
    }
    damaged = frozenset(known.get("damaged", ()))
    return listed("ledger", 1, about, archive(*wal), known.get("remembered", {}), damaged)


def test_an_entry_says_what_it_can_bring_back() -> None:
    [full, incremental] = look(backup(FULL, 30, first=2), backup(INCR, 10, first=5, on=(FULL,))).entries
    assert (full.series.kind, full.series.system_identifier) == ("full", "7")
    assert full.restorable_from == NOW - timedelta(hours=30)
    assert full.restorable_to == NOW + timedelta(minutes=9)
    assert incremental.depends_on == (FULL,)
    assert (full.encrypted, full.good, full.timeline) == (True, True, 1)


@pytest.mark.parametrize(
    ("told", "wal", "remembered", "said"),
    [
        (backup(FULL, 1, first=2, error=True), (1, 2, 3), {}, "did not match their checksums"),
        (backup(FULL, 1, first=2), (1, 3), {}, "WAL segment 000000010000000000000002, which it needs"),
        (backup(FULL, 1, first=2), (1,), {}, "WAL segment 000000010000000000000002, which it needs"),
        (backup(FULL, 1, first=2), (1, 2), {FULL: Remembered(None, ("It is torn.",))}, "It is torn."),
    ],
)
def test_what_is_wrong_with_a_backup(told: Any, wal: tuple[int, ...], remembered: Any, said: str) -> None:
    [entry] = look(told, wal=wal, remembered=remembered).entries
    assert said in entry.problems[0]


def test_what_stands_on_a_broken_one_is_broken() -> None:
    found = look(backup(FULL, 30, first=2, error=True), backup(INCR, 10, first=5, on=(FULL,)))
    assert found.entries[1].problems == (f"It needs backup {FULL}, which has a problem.",)


@pytest.mark.parametrize("tells", [True, False], ids=["positions", "of an old version files alone"])
def test_a_gap_after_a_backup_is_told_and_leaves_it_good(*, tells: bool) -> None:
    told = backup(FULL, 30, first=2)
    found = look(told if tells else {name: each for name, each in told.items() if name != "lsn"}, wal=(1, 2, 3, 5, 6))
    assert found.entries[0].good
    assert found.entries[0].restorable_to == NOW + timedelta(minutes=3)
    [sentence] = gaps(found)
    assert "WAL segment 000000010000000000000004 is missing in repository 1" in sentence


def test_wal_that_retention_has_taken_is_not_missed() -> None:
    """Of a backup that stays longer than the others its own WAL is kept, and all from a later one's beginning on."""
    both = (backup(FULL, 30, first=2), backup(NEXT, 5, first=6))
    assert gaps(look(*both, wal=(2, 6, 7))) == ()
    assert "00000004 is missing" in gaps(look(*both, wal=(2, 3, 5, 6, 7)))[0]
    assert "00000008 is missing" in gaps(look(*both, wal=(2, 6, 7, 9)))[0]


@pytest.mark.parametrize(
    ("told", "kind", "expected"),
    [
        ([], "full", Take("full", "full")),
        ([], "incr", Take("full", "incr")),
        ([backup(FULL, 30, first=2)], "full", Take("full", "full")),
        ([backup(FULL, 30, first=2)], "incr", Take("incr", "incr")),
        ([backup(FULL, 10, first=2)], "full", FULL),
        ([backup(FULL, 10, first=2)], "incr", FULL),
        ([backup(FULL, 30, first=2), backup(INCR, 10, first=5, on=(FULL,))], "incr", INCR),
        ([backup(FULL, 30, first=2), backup(INCR, 10, first=5, on=(FULL,))], "diff", Take("diff", "diff")),
        ([backup(FULL, 10, first=2, error=True)], "full", Take("full", "full")),
        # pgBackRest stands a new one on the newest, whatever was found wrong with that.
        ([backup(FULL, 30, first=2), backup(NEXT, 25, first=4, error=True)], "incr", Take("full", "incr")),
        ([backup(FULL, 30, first=2), backup(NEXT, 25, first=4, error=True)], "diff", Take("full", "diff")),
        ([backup(FULL, 30, first=2), backup(INCR, 25, first=5, on=(FULL,), error=True)], "incr", Take("full", "incr")),
        ([backup(FULL, 30, first=2), backup(INCR, 25, first=5, on=(FULL,), error=True)], "diff", Take("diff", "diff")),
        ([backup(FULL, 30, first=2, error=True), backup(NEXT, 25, first=4)], "incr", Take("incr", "incr")),
        # A clock was wrong.
        ([backup(FULL, -5, first=2)], "full", Take("full", "full")),
    ],
)
def test_one_is_taken_where_none_is_young_enough(told: list[Any], kind: str, expected: Any) -> None:
    take, chosen = due(replace(WISH, kind=kind), look(*told), NOW)
    assert (take or (chosen and chosen.id)) == expected


def test_what_is_of_a_cluster_before_this_one_is_no_base_and_serves_for_none() -> None:
    for hours in (30, 10):
        found = replace(look(backup(FULL, hours, first=2)), system_identifier="8")
        assert due(replace(WISH, kind="incr"), found, NOW) == (Take("full", "incr"), None)
        # Nor is it what the health report takes for the last one.
        assert state._summary(found)["last_backup"] is None
    assert state._summary(look(backup(FULL, 10, first=2)))["last_backup"]["id"] == FULL


def judged(broken: list[str], wrong: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[str, bool]:
    """What is said of a backup that was just taken, and whether broken pages are remembered of it."""
    monkeypatch.setattr(state, "DIRECTORY", tmp_path)
    backups = Backups(WISH)
    with pytest.raises(Problem) as caught:
        backups._judge(FULL, broken, wrong)
    return caught.value.sentence, FULL in backups.remembered


def test_only_broken_pages_are_told_as_damage_of_the_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for broken, wrong in ((["invalid page checksum in base/5/1"], []), ([], [PAGES])):
        sentence, remembered = judged(broken, wrong, monkeypatch, tmp_path)
        assert "the cluster is damaged" in sentence
        assert remembered
    sentence, remembered = judged([], ["WAL segment 0001, which it needs, is not there."], monkeypatch, tmp_path)
    assert "cannot be relied on: WAL segment 0001, which it needs, is not there; mend that" in sentence
    assert "the cluster is damaged" not in sentence
    assert not remembered


@pytest.mark.parametrize(
    ("warned", "broken"),
    [
        ("invalid page checksum found in file /srv/data/base/5/1259 at page 2", True),
        ("invalid page checksums found in file /srv/data/base/5/1259 at pages 2-3, 7", True),
        ("page misalignment in file /srv/data/base/5/1259: file size 8190 is not divisible by page size 8192", True),
        (f"a timeline switch has occurred since the {FULL} backup, enabling delta checksum", False),
        ("file 'pg_data/base/5/1259' has same timestamp as prior but different size, enabling delta checksum", False),
        ("file 'pg_data/base/5/1259' has timestamp (9) in the future, enabling delta checksum", False),
        (f"resumed backup file {NEXT}/pg_data/a.zst did not have expected checksum {'a' * 40}. The file was", False),
    ],
)
def test_only_checksums_of_pages_tell_of_the_cluster(
    warned: str, *, broken: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """pgBackRest warns of checksums of files as well, as after each promotion."""
    monkeypatch.setattr(state, "DIRECTORY", tmp_path)
    monkeypatch.setattr(running, "told", lambda *_: contextlib.nullcontext())
    backups = Judged(list(look(backup(NEXT, 1, first=2)).entries), [])
    printed = f"P00   WARN: {warned}\n            NOTE: page checksums\nP00   INFO: new backup label = {NEXT}\n"
    backups.pgbackrest = SimpleNamespace(watched=lambda *_, **__: printed)  # type: ignore[assignment]
    with pytest.raises(Problem, match=re.escape(warned)) if broken else contextlib.nullcontext():
        backups._take(Take("full", "full"))
    assert (NEXT in backups.judged) == broken


def test_age_0_takes_one_now() -> None:
    assert due(replace(WISH, max_age=timedelta()), look(backup(FULL, 0, first=2)), NOW)[0]


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (1, "have role backup make the stanza"),
        (5, "look at pgbackrest info on this host"),
        (99, "look whether the repository is reached, and"),
    ],
)
def test_without_a_repository_nothing_is_taken(status: int, advice: str) -> None:
    with pytest.raises(Refused, match=f"No backup was taken: Repository 1: missing stanza path; {advice}"):
        due(WISH, look(status=status), NOW)


def test_the_new_one_is_proven_before_others_go() -> None:
    found = look(backup(FULL, 50, first=2), backup("20300105-000000F", 30, first=4))
    plan = steps(WISH, Take("full", "full"), None, [FULL], found)
    assert plan.changes == (Take("full", "full"), Verify("checksum", None), Expire((FULL,)))
    assert plan.after == ["full backup 20300105-000000F", "full backup, new"]
    # Where the proof fails nothing has left.
    failed = so_far(plan, plan.changes[:1], found)
    assert failed.changes == (Take("full", "full"),)
    assert failed.after == [*plan.before, "full backup, new"]


@pytest.mark.parametrize(
    ("kind", "level", "leaves"), [("full", "checksum", True), ("full", "none", False), ("incr", "checksum", False)]
)
def test_the_only_one_goes_for_a_new_full_one_that_is_proven(kind: str, level: str, *, leaves: bool) -> None:
    # With a retention of one full backup pgBackRest lets go of all that is there.
    found = look(backup(FULL, 30, first=2), remembered={FULL: Remembered(VERIFIED)})
    plan = steps(replace(WISH, kind=kind, verify=level), Take(kind, kind), None, [FULL], found)
    assert (Expire((FULL,)) in plan.changes) == leaves
    assert bool(plan.warnings) != leaves


def test_what_is_proven_already_is_left_alone() -> None:
    found = look(backup(FULL, 5, first=2), remembered={FULL: Remembered(VERIFIED)})
    assert steps(WISH, None, found.entries[0], [], found).changes == ()


# How many full ones are to be kept, how each is proven, whether a drill restored the first, and how many there are.
RETENTIONS = [
    (1, "checksum", False, 1),
    (1, "none", False, 2),
    (2, "none", False, 2),
    (2, "none", True, 3),
    (1, "none", True, 3),
]


def entries(*pairs: tuple[str, bool, bool]) -> list[Entry]:
    """By name, whether it is good, and whether it was proven."""
    told = look(*(backup(name, 9 - place, first=2 + place) for place, (name, _, _) in enumerate(pairs))).entries
    return [
        replace(entry, problems=() if good else ("It is torn.",), verified=VERIFIED if proven else None)
        for entry, (_, good, proven) in zip(told, pairs)
    ]


@pytest.mark.parametrize(
    ("newer", "leaving"),
    [((True, True), True), ((True, False), False), ((False, False), False)],
)
def test_the_last_that_was_proven_stays_whatever_its_age(newer: tuple[bool, bool], *, leaving: bool) -> None:
    there = entries((FULL, True, True), ("20300105-000000F", *newer))
    assert spared(there, [FULL]) == (((FULL,), ()) if leaving else ((), (FULL,)))


def test_only_what_must_stay_stays() -> None:
    """One that was proven a month ago keeps none of the month."""
    names = [f"203001{day:02}-000000F" for day in range(1, 9)]
    there = entries((names[0], True, True), *((name, True, False) for name in names[1:]))
    assert spared(there, names[:6]) == (tuple(names[1:6]), (names[0],))


@pytest.mark.parametrize(
    "words",
    [
        "expire full backup {}",
        "repo1: expire full backup {}",
        "repo1: expire diff backup set {}, 20300101-000000F_20300102-000000I",
        "repo1: expire time-based backup {}",
        "expire time-based backup set repo1: {}, 20300101-000000F_20300102-000000I",
    ],
)
def test_what_is_past_is_read_in_whatever_words_it_is_told(words: str) -> None:
    printed = (
        f"P00   INFO: [DRY-RUN] {words.format(FULL)}\nP00   INFO: repo1: 15-1 remove archive, start = 1, stop = 2\n"
    )
    pgbackrest = SimpleNamespace(run=lambda *_, **__: printed)
    assert past(pgbackrest, WISH, None, look(backup(FULL, 30, first=2), backup(NEXT, 5, first=4))) == [FULL]  # type: ignore[arg-type]


def test_with_a_backup_goes_what_stands_on_it() -> None:
    on = look(
        backup(FULL, 30, first=2), backup(DIFF, 20, first=3, on=(FULL,)), backup(INCR, 10, first=4, on=(FULL, DIFF))
    )
    assert roots(on.entries, [FULL, DIFF, INCR]) == [FULL]
    assert roots(on.entries, [DIFF, INCR]) == [DIFF]
    assert roots(on.entries, []) == []


@pytest.mark.parametrize(("full", "level", "drilled", "stay"), RETENTIONS)
def test_night_after_night_the_repository_holds_as_many(full: int, level: str, *, drilled: bool, stay: int) -> None:
    wish = replace(WISH, verify=level)
    there: list[Entry] = []
    for night in range(1, 11):
        name = f"203001{night:02}-000000F"
        found = replace(look(), entries=tuple(there))
        # As pgBackRest tells it before, with one that is to come, and then.
        past = [each.id for each in there[: len(there) - (full - 1)]]
        plan = steps(wish, Take("full", "full"), None, past, found)
        [taken] = entries((name, True, level != "none" or (drilled and night == 1)))
        nightly = Nightly(wish, [*there, replace(taken, number=night)], full)
        nightly.taken = name
        nightly.carry_out(Plan(tuple(each for each in plan.changes if isinstance(each, Expire))))
        foreseen = next((each.ids for each in plan.changes if isinstance(each, Expire)), ())
        assert (nightly.gone or ()) == foreseen
        there = [each for each in nightly.there if each.id not in foreseen]
    assert len(there) == stay
    assert (there[0].id == "20300101-000000F") == drilled


class Counting:
    """Stands for pgBackRest and what it would remove: as its manual has it, full ones count as differential."""

    def __init__(self, full: int, diff: int) -> None:
        self.keeps = {"full": full, "diff": diff}
        self.there: list[dict[str, Any]] = []

    def run(self, command: str, *words: str, **_more: Any) -> str:
        assert (command, words[:2]) == ("expire", ("--repo=1", "--dry-run"))
        told = dict(re.findall(r"--repo1-retention-(full|diff)=([1-9]\d*)", " ".join(words[2:])))
        return "".join(f"P00   INFO: repo1: expire full backup {each}\n" for each in self.past(**told))

    def past(self, **told: str) -> list[str]:
        full, diff = (int(told.get(kind, self.keeps[kind])) for kind in ("full", "diff"))
        gone: set[str] = set()
        for kinds, count in ((("full",), full), (("full", "diff"), diff)):
            counted = [each["label"] for each in self.there if each["type"] in kinds and each["label"] not in gone]
            # A full one never goes for differential ones.
            gone |= {label for label in counted[:-count] if len(kinds) == 1 or "_" in label}
            gone |= {each["label"] for each in self.there if gone & set(each["reference"] or ())}
        return [each["label"] for each in self.there if each["label"] in gone]


@pytest.mark.parametrize("keeps", [(2, 2), (2, 1), (1, 1), (1, 3), (3, 2), (1, 2)])
@pytest.mark.parametrize("kinds", ["FDDDD", "FDIDIIFD", "FFDDFDIFDDDIF"])
def test_what_goes_for_a_differential_one_is_told_beforehand(
    keeps: tuple[int, int], kinds: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room(tmp_path, monkeypatch, f"repo1-retention-diff={keeps[1]}", f"repo1-retention-full={keeps[0]}")
    pgbackrest = Counting(*keeps)
    for night, letter in enumerate(kinds * 2, 1):
        kind = {"F": "full", "D": "diff", "I": "incr"}[letter]
        wish, known = replace(WISH, kind=kind), {each["label"]: Remembered(VERIFIED) for each in pgbackrest.there}
        found = look(*pgbackrest.there, remembered=known, wal=tuple(range(99)))
        take = Take(kind, kind)
        plan = steps(wish, take, None, past(pgbackrest, wish, take, found), found)  # type: ignore[arg-type]
        foreseen = next((each.ids for each in plan.changes if isinstance(each, Expire)), ())
        base = next((each for each in reversed(found.entries) if letter == "I" or each.series.kind == "full"), None)
        on = () if letter == "F" or base is None else (*base.depends_on, base.id)
        name = f"203001{night:02}-000000{letter}"
        label = name if not on else f"{on[0]}_{name}"
        pgbackrest.there.append(backup(label, 100 - night, first=night, on=on))
        now = look(*pgbackrest.there, remembered={**known, label: Remembered(VERIFIED)}, wal=tuple(range(99)))
        going = past(pgbackrest, wish, None, now)  # type: ignore[arg-type]
        assert spared(now.entries, going)[0] == foreseen, (night, letter)
        pgbackrest.there = [each for each in pgbackrest.there if each["label"] not in foreseen]


def test_what_others_found_out_meanwhile_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A full backup takes hours; damage that is found beside it must not be forgotten when it ends."""
    monkeypatch.setattr(state, "DIRECTORY", tmp_path)
    told = [backup(FULL, 30, first=2), backup(NEXT, 5, first=4)]
    monkeypatch.setattr(Backups, "look", lambda self: look(*told, remembered=self.remembered))
    long, short = Backups(WISH), Backups(WISH)
    short.judge(FULL, Remembered(None, ("It is torn.",)))
    short.save()
    long.judge(NEXT, Remembered(VERIFIED))
    found = long.save()
    assert [(each.id, each.good) for each in found.entries] == [(FULL, False), (NEXT, True)]
    assert state.load("ledger", 1) == {FULL: Remembered(None, ("It is torn.",)), NEXT: Remembered(VERIFIED)}


def test_a_repository_that_is_no_more_is_forgotten(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The health report would go on telling of what its backups bring back."""
    monkeypatch.setattr(state, "DIRECTORY", tmp_path)
    monkeypatch.setattr(files, "PARTS", tmp_path)
    told = files.stanza_file("ledger")
    told.write_text("[ledger]\nrepo1-path=/a\nrepo2-host=keeper\n", encoding="utf-8")

    def kept(repository: int, days: int) -> dict[str, Any]:
        found = replace(look(backup(FULL, days, first=2)), repository=repository)
        state.save(found, {}, NOW)
        return dict(json.loads(state.path("ledger").read_text(encoding="utf-8")))

    kept(2, 30)
    both = kept(1, 5)
    assert set(both["repositories"]) == {"1", "2"}
    assert both["recoverable_from"] < both["last_backup_at"]
    told.write_text("[ledger]\nrepo1-path=/a\n", encoding="utf-8")
    alone = kept(1, 5)
    assert set(alone["repositories"]) == {"1"}
    assert alone["recoverable_from"] == alone["last_backup_at"] == both["last_backup_at"]
    # Where the files are somebody else's nobody knows which there are.
    told.unlink()
    assert set(kept(2, 30)["repositories"]) == {"1", "2"}


@pytest.mark.parametrize(
    ("found", "verified", "said"),
    [
        (Damage(), True, None),
        (Damage({FULL: "It is torn."}), True, f"stood the proof: backup {FULL}: It is torn; .* --set={FULL} expire"),
        (Damage({}, frozenset([TORN])), True, f"stood the proof: WAL segment {TORN} is damaged; look at the disk"),
        (Damage(unnamed="something is torn."), False, "no backup was proven: something is torn; look at the disk"),
        (Damage(unproven="nothing was said"), False, "in repository 1 was not proven: nothing was said; look at what"),
        (Damage({FULL: "It is torn."}, unproven="nothing was said"), False, "no backup was proven: .*nothing was"),
    ],
)
def test_damage_elsewhere_does_not_condemn_the_new_one(
    found: Damage, verified: bool, said: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(state, "DIRECTORY", tmp_path)
    monkeypatch.setattr(run, "verify", lambda *_: found)
    told = [backup(FULL, 30, first=2), backup(NEXT, 5, first=6)]
    monkeypatch.setattr(Backups, "look", lambda self: look(*told, remembered=self.remembered, damaged=self.wal.damaged))
    backups = Backups(WISH)
    backups._step(Verify("checksum", NEXT))
    assert (NEXT in backups.judged, bool(backups.done)) == (verified, verified)
    if said is None:
        backups.refuse_damage()
        return
    with pytest.raises(Problem, match=said):
        backups.refuse_damage()


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Damage({NEXT: "It is torn."}), "It is torn"),
        (
            Damage({}, frozenset(["15-1/000000010000000000000006"])),
            "WAL segment 000000010000000000000006, which it needs",
        ),
        (Damage({FULL: "It is torn."}), "It needs backup"),
    ],
)
def test_what_the_wanted_one_needs_is_damage_of_its_own(
    found: Damage, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(state, "DIRECTORY", tmp_path)
    monkeypatch.setattr(run, "verify", lambda *_: found)
    told = [backup(FULL, 30, first=2), backup(NEXT, 5, first=6, on=(FULL,))]
    monkeypatch.setattr(Backups, "look", lambda self: look(*told, remembered=self.remembered, damaged=self.wal.damaged))
    with pytest.raises(Problem, match=f"did not stand the proof .*: backup {NEXT}: {said}.* nothing was removed"):
        Backups(WISH)._step(Verify("checksum", NEXT))


@pytest.fixture(autouse=True)
def locks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_host_lock, "LOCKS", tmp_path / "locks")


class Judged(Backups):
    """Backups that are there when it comes to removing, and what pgBackRest is told then."""

    def __init__(self, there: list[Entry], past: list[str]) -> None:
        super().__init__(WISH)
        self.there, self.past = tuple(there), past
        self.told: list[str] = []
        # Marks of who reads from the repository, by their names.
        self.marks: dict[str, Any] = {".": {}}
        self.pgbackrest = SimpleNamespace(  # type: ignore[assignment]
            stanza=WISH.stanza,
            run=lambda *words: self.told.append(" ".join(words)),
            json=lambda *_: self.marks,
        )

    def look(self) -> Listed:
        return replace(look(), entries=self.there)

    def expiring(self, take: Take | None, found: Listed) -> list[str]:
        assert (take, found.entries) == (None, self.there)
        return self.past


class Nightly(Judged):
    def __init__(self, wish: Wish, there: list[Entry], full: int) -> None:
        super().__init__(there, [each.id for each in there[:-full]])
        self.wish = wish


def test_what_stays_keeps_nothing_else() -> None:
    """By name then, as pgBackRest would else remove all that is past its retention."""
    there = entries((FULL, True, True), (NEXT, True, False), ("20300108-000000F", True, False))
    backups = Judged(there, [FULL, NEXT])
    backups.carry_out(Plan((Expire((NEXT,)),)))
    assert backups.told == [f"expire --repo=1 --set={NEXT}"]
    assert (backups.gone, backups.stayed) == ((NEXT,), (FULL,))


def test_nothing_goes_that_somebody_began_to_read_meanwhile() -> None:
    backups = Judged(entries((FULL, True, True), (NEXT, True, True)), [FULL])
    with reading(WISH.stanza):
        assert backups.leaving(None, backups.look()) == []
        backups.carry_out(Plan((Expire((FULL,)),)))
    assert (backups.told, backups.done, backups.gone) == ([], [], ())
    assert f"still there: {FULL}. A recovery or a drill on this host reads" in backups.waiting[0]
    assert Judged(list(backups.there), [FULL]).leaving(None, backups.look()) == [FULL]


@pytest.mark.parametrize("planned", [True, False])
def test_nothing_goes_that_another_host_reads(*, planned: bool) -> None:
    backups = Judged(entries((FULL, True, True), (NEXT, True, True)), [FULL])
    far: dict[str, Any] = {Reader("far", "0123456789ab", 7, 9_999_999_999).name: {}}
    if planned:
        backups.marks = far
        assert backups.leaving(None, backups.look()) == []
    else:
        assert backups.leaving(None, backups.look()) == [FULL]
        backups.marks = far
        backups.carry_out(Plan((Expire((FULL,)),)))
        assert (backups.told, backups.done, backups.gone) == ([], [], ())
    assert f"still there: {FULL}. A recovery or a drill on far (until 2286-" in backups.waiting[0]


@pytest.mark.parametrize("proven", [True, False])
def test_what_goes_is_judged_again_right_before(*, proven: bool) -> None:
    """The newer one was proven when it was planned that the older one goes, and may be so no more."""
    backups = Judged(entries((FULL, True, True), ("20300105-000000F", proven, proven)), [FULL])
    backups.carry_out(Plan((Expire((FULL,)),)))
    assert backups.told == (["expire --repo=1"] if proven else [])
    assert (backups.gone, backups.stayed) == (((FULL,), ()) if proven else ((), (FULL,)))


WAL = f"15-1/0000000100000000/000000010000000000000004-{'a' * 40}.zst"
PRINTED = f"""\
P01   INFO: invalid checksum '{WAL}'
P01   INFO: file missing '20300101-000000F/pg_data/global/pg_control.zst'
P00   INFO: stanza: ledger
            status: error
              archiveId: 15-1, total WAL checked: 4, total valid WAL: 3
                missing: 0, checksum invalid: 1, size invalid: 0, other: 0
              backup: 20300101-000000F, status: invalid, total files checked: 961, total valid files: 960
                missing: 1, checksum invalid: 0, size invalid: 0, other: 0
              backup: 20300105-000000F, status: valid, total files checked: 961, total valid files: 961
"""


def called(label: str, status: str, checked: int, valid: int) -> str:
    return f"backup: {label}, status: {status}, total files checked: {checked}, total valid files: {valid}\n"


GOOD = called(NEXT, "valid", 961, 961)


def test_a_proof_that_ends_well_and_found_damage_is_a_failure() -> None:
    found = damage(PRINTED, NEXT)
    assert found.backups == {
        FULL: "1 of 961 files are damaged or missing: 20300101-000000F/pg_data/global/pg_control.zst."
    }
    assert (found.wal, found.proof) == (frozenset([TORN]), True)
    assert found.words == (
        f"backup {FULL}: 1 of 961 files are damaged or missing: 20300101-000000F/pg_data/global/pg_control.zst; "
        f"WAL segment {TORN} is damaged"
    )
    assert damage(f"status: ok\n{GOOD}", NEXT) == Damage()
    assert "did not name" in damage(f"status: error\n{GOOD}", NEXT).words
    # What cannot be unpacked is named in another way.
    broken = f"P01   INFO: invalid result {WAL}: [29] raised from local-1 protocol: zst error: [-20] Data corruption\n"
    printed = f"{broken}   [FormatError] on retry after 0ms\nstatus: error\n{GOOD}"
    assert damage(printed, NEXT) == Damage({}, frozenset([TORN]))
    # It went while it was looked at.
    printed = f"file missing '{WAL}'\nstatus: error\narchiveId: 15-1, total WAL checked: 4\n{GOOD}"
    assert damage(printed, NEXT) == Damage()


@pytest.mark.parametrize("status", ["invalid", "manifest missing"])
def test_a_backup_without_a_manifest_is_damaged_whatever_is_said_of_the_whole(status: str) -> None:
    """pgBackRest calls a repository good that lacks both manifests of a backup."""
    for whole in ("ok", "error"):
        printed = f"status: {whole}\n{called(FULL, status, 0, 0)}{GOOD}"
        for label in (FULL, NEXT):
            found = damage(printed, label)
            assert found == Damage({FULL: "Its manifest is missing or cannot be read."})
            assert found.of({NEXT}) == Damage()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"P00 DETAIL: {FULL}/backup.manifest is missing or unusable, using copy", ".copy stands for it"),
        (f"P00 DETAIL: backup '{FULL}' manifest.copy does not match manifest", ".copy differ"),
    ],
)
def test_one_manifest_of_two_that_is_lost_is_named_and_condemns_no_backup(line: str, said: str) -> None:
    whole = GOOD.replace(NEXT, FULL)
    found = damage(f"{line}\nstatus: ok\n{whole}", FULL)
    assert (found.proof, found.backups, found.found) == (True, {}, True)
    assert f"backup {FULL}: Its backup.manifest" in found.words
    assert said in found.words
    assert found.of({NEXT}) == Damage()


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ("", f"says nothing of backup {FULL}"),
        ("P00   INFO: verify command end: completed successfully\n", f"says nothing of backup {FULL}"),
        (f"status: ok\n{GOOD}", f"says nothing of backup {FULL}"),
        (called(FULL, "in-progress", 0, 0), f"calls backup {FULL} in-progress with 0 of 0 files valid"),
        (called(FULL, "valid", 0, 0), f"calls backup {FULL} valid with 0 of 0 files valid"),
        (called(FULL, "valid", 9, 8), f"calls backup {FULL} valid with 8 of 9 files valid"),
    ],
)
def test_what_is_not_called_good_is_not_proven(printed: str, said: str) -> None:
    found = damage(printed, FULL)
    assert (found.proof, found.found, found.backups) == (False, False, {})
    assert found.words == f"pgBackRest {said}"


def test_damaged_wal_is_held_against_what_needs_it() -> None:
    there = (backup(FULL, 30, first=2), backup(NEXT, 5, first=6))
    found = look(*there, wal=(2, 3, 5, 6, 7), damaged={TORN})
    assert [each.good for each in found.entries] == [True, True]
    assert found.entries[0].restorable_to == NOW + timedelta(minutes=3)
    assert f"WAL segment {TORN[5:]} is damaged in repository 1, so that backup {FULL} can be" in gaps(found)[0]
    needed = look(*there, wal=(2, 3, 4, 5, 7), damaged={"15-1/000000010000000000000006"})
    assert needed.entries[0].good
    assert needed.entries[1].problems == (
        "WAL segment 000000010000000000000006, which it needs to be restored at all, is damaged in repository 1.",
    )
    assert look(*there, damaged={"14-1/000000010000000000000006"}).entries[1].good


@pytest.mark.parametrize("level", ["list", "restore"])
def test_a_level_of_other_backups_is_refused(level: str) -> None:
    with pytest.raises(Refused, match=f"verify is {level}, which is for logical backups"):
        refuse_unknown(level)


def room(place: Path, monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    (place / "ledger.conf").write_text("\n".join(("[ledger]", "pg1-path=/srv/pg", *lines, "")))
    monkeypatch.setattr(files, "PARTS", place)


def test_a_full_backup_takes_what_the_last_one_took_and_a_fifth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, incr = Take("full", "full"), Take("incr", "incr")
    found = look(backup(FULL, 30, first=2), backup(INCR, 10, first=5, on=(FULL,)))
    assert [needed_bytes(WISH, each, found) for each in (full, incr)] == [12, None]
    assert needed_bytes(WISH, full, look()) is None
    wish = replace(WISH, expected_bytes=10**15)
    assert needed_bytes(wish, incr, found) == 10**15
    room(tmp_path, monkeypatch, f"repo1-path={tmp_path}", "repo2-path=/b", "repo2-type=s3", "repo3-host=keeper")
    assert [directory(tmp_path / "ledger.conf", number) for number in (1, 2, 3, 4)] == [tmp_path, None, None, None]
    refuse_without_room(WISH, full, found)
    with pytest.raises(Refused, match=r"Repository 1 in .* has .* free and .* needs about 1000 TB: make room"):
        refuse_without_room(wish, full, found)
    refuse_without_room(replace(wish, repository=2), full, found)


def test_a_backup_that_failed_on_a_full_disk_is_told_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room(tmp_path, monkeypatch, f"repo1-path={tmp_path}", "repo2-path=/b", "repo2-type=s3")
    assert filled(WISH) is None
    monkeypatch.setattr(os, "statvfs", lambda _place: SimpleNamespace(f_bavail=2, f_frsize=4096))
    assert filled(WISH) == f"Repository 1 in {tmp_path} is full (8.19 kB free), make room"
    assert filled(replace(WISH, repository=2)) is None


def test_what_a_run_that_did_not_end_has_left_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes with the next backup, so that this one is not refused for it until somebody removes it by hand."""
    place = tmp_path / "backup" / "ledger"
    for label in (FULL, NEXT):
        (place / label / "pg_data").mkdir(parents=True)
        (place / label / "pg_data" / "1.zst").write_bytes(b"x" * 100000)
    (place / FULL / "backup.manifest").touch()
    (place / "latest").symlink_to(FULL)
    (place / NEXT / "backup.manifest.copy").touch()
    assert 100000 <= left_bytes(place) < 200000
    assert left_bytes(tmp_path / "gone") == 0
    room(tmp_path, monkeypatch, f"repo1-path={tmp_path}")
    none_free = SimpleNamespace(f_bavail=0, f_frsize=4096)
    monkeypatch.setattr(os, "statvfs", lambda _place: none_free)
    refuse_without_room(replace(WISH, expected_bytes=100000), Take("full", "full"), look())
    with pytest.raises(Refused, match="make room"):
        refuse_without_room(replace(WISH, expected_bytes=200000), Take("full", "full"), look())
