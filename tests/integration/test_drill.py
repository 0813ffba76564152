"""pg_drill on a host of its own: what it measures is what happened, and nothing of it stays."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Any

import pytest

from lab.nodes import Node
from tests.integration import inside
from tests.integration.inside import Interrupt
from tests.integration.recoveries import STANZA, Backed, share
from tests.integration.standbys import made, refused

STATE = f"/var/lib/runbook-postgres/drill-{STANZA}.json"
BEAT: dict[str, Any] = {"heartbeat": {"database": "postgres", "query": "SELECT max(at) FROM beat"}}


def drill(node: Node, *, check: bool = False, die: Interrupt | None = None, **more: Any) -> inside.Ended:
    arguments = {"version": node.postgresql, "stanza": STANZA, **more}
    return inside.run(node, "pg_drill", arguments, check=check, die=die, user="root")


def clean(node: Node) -> bool:
    """Neither a file nor a server of it is there."""
    places = ["/var/lib/postgresql/drill", "/run/postgresql"]
    there = node.exec(["find", *places, "-mindepth", "1"], check=False).stdout
    return not there and node.exec(["pgrep", "postgres"], check=False).returncode == 1


@pytest.fixture
def shared(ledger: Backed, scratch: Node) -> Backed:
    """A cluster whose repository the scratch host reaches, last written to a while ago."""
    scratch.exec(["rm", "-rf", "/var/lib/runbook-postgres", "/var/lib/postgresql/drill"])
    ledger.cluster.psql("CREATE TABLE beat (at timestamptz)")
    ledger.backup()
    ledger.cluster.psql("INSERT INTO beat VALUES (clock_timestamp())")
    ledger.archived()
    share(ledger, scratch)
    return ledger


def test_a_drill_measures_proves_and_leaves_nothing(shared: Backed, scratch: Node) -> None:
    beat = float(shared.cluster.psql("SELECT extract(epoch FROM max(at)) FROM beat"))
    checks = [{"name": "rows <are> there", "query": "SELECT count(*) = 100 FROM ledger"}]
    foreseen = made(drill(scratch, check=True, checks=checks, **BEAT))
    assert clean(scratch)
    began = time.time()
    done = made(drill(scratch, checks=checks, **BEAT))
    assert foreseen["steps"] == done["steps"]
    assert done["passed"]
    assert 0 < done["rto_seconds"] <= time.time() - began
    assert began - beat - 1 <= done["rpo_seconds"] <= time.time() - beat
    assert [each["passed"] for each in done["checks"]] == [True] * 4
    assert {"restore", "replay", "checksums"} <= set(done["took"])
    assert clean(scratch)
    page = scratch.exec(["cat", done["page_file"]]).stdout
    assert "rows &lt;are&gt; there" in page
    state = json.loads(scratch.exec(["cat", STATE]).stdout)
    assert state["passed"]
    assert datetime.fromisoformat(state["passed_at"]).timestamp() >= began - 1
    # An objective that is missed fails it, is written down, and the last one that passed is remembered.
    sentence = drill(scratch, rpo_minutes=0, **BEAT).failure
    assert "RPO was" in sentence
    assert "objective is 0.0 s" in sentence
    failed = json.loads(scratch.exec(["cat", STATE]).stdout)
    assert (failed["passed"], failed["passed_at"]) == (False, state["passed_at"])
    # So does a check, and so does WAL that is missing.
    false = [{"name": "no rows", "query": "SELECT count(*) = 0 FROM ledger"}]
    assert "'no rows' did not pass: the answer is 'f'" in drill(scratch, checks=false, **BEAT).failure
    assert clean(scratch)


def test_a_production_node_is_no_scratch(shared: Backed, scratch: Node) -> None:
    assert "same cluster" in refused(drill(shared.node))
    shared.cluster.stop()
    assert "same cluster" in refused(drill(shared.node, check=True))
    machine = scratch.exec(["cat", "/etc/machine-id"]).stdout.strip()
    assert "machine-id says so" in refused(drill(scratch, production_machine_ids=["x", machine]))
    assert "12345 is meant" in refused(drill(scratch, system_identifier="12345"))
    assert clean(scratch)


def test_a_broken_page_in_the_backup_fails_it(shared: Backed, scratch: Node) -> None:
    cluster = shared.cluster
    path = cluster.psql("CHECKPOINT; SELECT pg_relation_filepath('ledger')")
    cluster.stop()
    damage = "printf 'broken' | dd of=FILE bs=1 seek=5000 conv=notrunc status=none"
    shared.node.exec(["sh", "-c", damage.replace("FILE", f"{cluster.data_directory}/{path}")])
    cluster.start()
    shared.backup()
    shared.archived()
    share(shared, scratch)
    sentence = drill(scratch).failure
    assert "checksums of all pages" in sentence
    assert clean(scratch)


@pytest.mark.parametrize("place", ["._recovery.repository:Repository.restore", "._recovery.trial:Trial.stop"])
def test_a_drill_that_was_killed_is_cleaned_up_by_the_next(shared: Backed, scratch: Node, place: str) -> None:
    assert shared.node != scratch
    assert drill(scratch, die=Interrupt((place,))).killed
    assert not clean(scratch)
    assert made(drill(scratch, **BEAT))["passed"]
    assert clean(scratch)
