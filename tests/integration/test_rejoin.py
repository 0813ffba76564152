"""pg_rejoin on two nodes that take turns at being the primary: what only one had is kept, and it follows again."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from lab.waiting import wait_until
from tests.integration import inside, rejoining, standbys
from tests.integration.inside import Interrupt
from tests.integration.rejoining import Pair
from tests.integration.standbys import NAMES, made, refused


@pytest.fixture(scope="session")
def turns(request: pytest.FixtureRequest) -> Iterator[Pair]:
    trio = standbys.build(request.param, NAMES[:2])
    try:
        yield rejoining.build(trio)
    finally:
        for node in trio.nodes:
            node.stop()


@pytest.fixture
def pair(turns: Pair) -> Pair:
    """A primary, and a standby that streams."""
    assert turns.primary.psql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == "1"
    turns.primary.psql("DELETE FROM kept WHERE n >= 1000")
    turns.in_step()
    return turns


def test_an_old_primary_with_writes_of_its_own_comes_back(pair: Pair) -> None:
    pair.primary.psql("ALTER SYSTEM SET work_mem = '5MB'")
    pair.promote()
    pair.part()
    node, config = pair.other.node, pair.other.config_directory
    node.exec(["sh", "-c", f"echo manual > {config}/start.conf"])

    foreseen = made(pair.rejoin(check=True))
    assert not [name for name in pair.beside if "diverged" in name]
    assert "warnings" not in foreseen
    done = made(pair.rejoin())
    assert (done["changed"], done["rewound"], done["only_here"], done["diff"]) == (
        foreseen["changed"],
        foreseen["rewound"],
        foreseen["only_here"],
        foreseen["diff"],
    )
    assert len(done["steps"]) == len(foreseen["steps"]) == 3
    assert done["only_here"]["commits"] == 3
    # Nothing is kept from starting that was not before, and nothing was started.
    assert pair.start == "manual"
    assert not pair.other.accepts_connections()
    assert not [name for name in pair.beside if "rewinding" in name]
    for check in (True, False):
        assert not made(pair.rejoin(check=check))["changed"]

    pair.stream()
    assert pair.rows == ""
    assert pair.other.psql("SELECT max(n) FROM kept") == "100"
    # Its own settings came back with it, and not those of the new primary.
    assert pair.other.psql("SHOW work_mem") == "5MB"
    assert pair.primary.psql("SHOW work_mem") == "4MB"
    assert not made(pair.rejoin())["changed"]

    told = json.loads(node.exec(["cat", f"{done['kept']}/manifest.json"]).stdout)
    assert told["system_identifier"] == pair.primary.psql("SELECT system_identifier FROM pg_control_system()")
    assert node.exec(["stat", "-c", "%a %U", done["kept"]]).stdout.split() == ["700", "postgres"]
    dump = [
        f"/usr/lib/postgresql/{pair.other.version}/bin/pg_waldump",
        "-p",
        f"{done['kept']}/wal",
        "-r",
        "Transaction",
    ]
    read = node.exec([*dump, "-t", str(told["timeline"]), "-s", told["from"]], check=False).stdout
    assert read.count("COMMIT") == 3
    node.exec(["sh", "-c", f"echo auto > {config}/start.conf"])


def test_one_that_has_nothing_of_its_own_only_follows(pair: Pair) -> None:
    pair.promote(how="immediate")
    foreseen, done = made(pair.rejoin(check=True)), made(pair.rejoin())
    assert foreseen["steps"] == done["steps"] == [f"make {pair.other.data_directory} a standby"]
    assert (done["rewound"], done["kept"], done["only_here"]) == (False, None, None)
    pair.stream()


def test_one_that_was_killed_with_writes_of_its_own_is_recovered_first(pair: Pair) -> None:
    pair.promote()
    pair.part(how="immediate")
    foreseen = made(pair.rejoin(check=True))
    assert "the data is not at rest" in str(foreseen["warnings"])
    done = made(pair.rejoin())
    assert [step.replace(done["kept"], "") for step in done["steps"]] == [
        step.replace(foreseen["kept"], "") for step in foreseen["steps"]
    ]
    assert "recovered" in done["steps"][1]
    pair.stream()
    assert pair.rows == ""


def test_a_primary_beside_the_primary_is_refused(pair: Pair) -> None:
    pair.promote()
    pair.other.start()
    pair.other.psql("INSERT INTO kept VALUES (1000)")
    sentence = refused(pair.rejoin(check=True))
    assert refused(pair.rejoin()) == sentence
    assert "takes writes" in sentence
    assert "stop instance" in sentence
    assert pair.other.accepts_connections()
    pair.other.stop()

    # Nor is anything begun that pg_rewind could not do.
    pair.primary.psql("REVOKE EXECUTE ON FUNCTION pg_ls_dir(text, boolean, boolean) FROM replicator")
    before = pair.beside
    assert "permission denied" in refused(pair.rejoin())
    assert "permission denied" in str(made(pair.rejoin(check=True))["warnings"])
    assert pair.beside == before
    assert pair.start == "auto"
    pair.primary.psql(rejoining.FUNCTIONS)
    made(pair.rejoin())
    pair.stream()


def test_one_killed_in_the_middle_of_it_does_not_start_and_is_finished(pair: Pair) -> None:
    pair.promote()
    pair.part()
    # Long enough to be met at it.
    pair.primary.psql("CREATE TABLE large AS SELECT n, repeat(md5(n::text), 30) AS t FROM generate_series(1, 60000) n")
    relation = pair.primary.psql("SELECT pg_relation_filepath('large')")
    node, argv = pair.other.node, inside.command(None)
    argv = ["docker", "exec", "--interactive", "--user=root", node.container, *argv]
    text = inside.request("pg_rejoin", pair.options())
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdin is not None
        run.stdin.write(text)
        run.stdin.close()
        run.stdin = None
        # On the node itself, so that it is met in the middle.
        until = f"until [ -s {pair.other.data_directory}/{relation} ]; do sleep 0.02; done"
        kill = f"pkill -KILL -f {inside.PLACE}/[r]un.py; pkill -KILL pg_rewind"
        node.exec(["timeout", "300", "sh", "-c", f"{until}; {kill}"])
        run.communicate(timeout=60)

    assert "main.rewinding" in pair.beside
    assert pair.start == "disabled"
    assert node.exec(["systemctl", "start", pair.other.unit], check=False).returncode != 0
    assert not pair.other.accepts_connections()
    facts = pair.facts()
    assert (facts["state"], facts["unfinished_rewind"]) == ("broken", True)
    assert "being rewound" in facts["problem"]

    assert "again" in made(pair.rejoin(check=True))["steps"][0]
    assert pair.start == "disabled"
    done = made(pair.rejoin())
    assert done["only_here"]["commits"] == 3
    assert (pair.start, "main.rewinding" in pair.beside) == ("auto", False)
    pair.stream()
    assert pair.rows == ""
    assert pair.other.psql("SELECT count(*) FROM large") == "60000"
    pair.primary.psql("DROP TABLE large")


PLACES = (
    "._standby.rejoin.mark:keep_from_starting",
    "._standby.rejoin.keep:begin",
    "._standby.rejoin.keep:wal",
    "._standby.rejoin.keep:manifest",
    "._standby.rejoin.rewind:recover",
    "._standby.rejoin.rewind:rewind",
    "._standby.rejoin.apply:rewound",
    "._standby.rejoin.keep:settings_back",
    "._standby.rejoin.mark:let_start",
    "._standby.rejoin.mark:remove",
)


@pytest.mark.parametrize("place", PLACES)
def test_a_run_that_ends_anywhere_is_finished_by_the_next(pair: Pair, place: str) -> None:
    pair.promote()
    pair.part(how="immediate" if place.endswith(":recover") else "fast")
    assert pair.rejoin(die=Interrupt((place,))).killed
    finished = place.endswith(":remove")
    assert pair.start == ("auto" if finished or place.endswith(":keep_from_starting") else "disabled")
    assert pair.facts()["unfinished_rewind"]
    done = made(pair.rejoin())
    assert done["changed"]
    assert done["only_here"]["commits"] == 3
    assert not made(pair.rejoin())["changed"]
    assert (pair.start, "main.rewinding" in pair.beside) == ("auto", False)
    pair.stream()
    assert pair.rows == ""


def test_wal_that_is_gone_comes_from_an_archive_or_a_copy_is_asked_for(pair: Pair) -> None:
    pair.promote()
    pair.part()
    node, data = pair.other.node, pair.other.data_directory
    node.exec(["install", "-d", "-o", "postgres", "/srv/archive"])
    pair.other.start()
    pair.other.psql("SELECT pg_switch_wal()")
    # Before the checkpoint that comes with the stop removes it.
    node.exec(["sh", "-c", f"cp -p {data}/pg_wal/[0-9A-F]*[0-9A-F] /srv/archive/"])
    pair.other.psql("INSERT INTO kept VALUES (1009)")
    pair.other.stop()
    gone = f"find {data}/pg_wal -maxdepth 1 -type f ! -name {pair.last_wal()} ! -name '*.history'"
    node.exec(["sh", "-c", f"{gone} -exec cp -n {{}} /srv/archive/ ';' -delete"])
    sentence = refused(pair.rejoin())
    assert "reinit" in sentence
    assert pair.start == "auto"
    if pair.other.version < 15:
        node.exec(["sh", "-c", f"mv -n /srv/archive/* {data}/pg_wal/"])
    else:
        path = f"{pair.other.config_directory}/conf.d/archive.conf"
        node.write(path, "restore_command = 'cp /srv/archive/%f %p'\n", owner="postgres:postgres")
    assert made(pair.rejoin())["rewound"]
    pair.stream()
    assert pair.rows == ""
    node.exec(["rm", "-rf", "/srv/archive", f"{pair.other.config_directory}/conf.d/archive.conf"])


def test_it_comes_back_late_and_without_an_archive(pair: Pair) -> None:
    """The primary has written for long, and kept for it what it is to go on from."""
    late = NAMES[pair.trio.nodes.index(pair.primary.node)]
    done = pair.take_over(slots=[late])
    assert done["keeps_wal_for"] == [late]
    assert f"keep the WAL from which {late} can come back, 512 MiB at most" in done["steps"]
    pair.go_on()
    pair.part(how="immediate")
    pair.go_on()
    rejoined = made(pair.rejoin())
    assert (rejoined["rewound"], rejoined["only_here"]["commits"]) == (True, 3)
    pair.stream()
    assert pair.rows == ""
    # Nor is it kept any longer than that.
    kept = "SELECT pg_current_wal_lsn() - restart_lsn < 16 * 1024 * 1024 FROM pg_replication_slots WHERE slot_name = "
    wait_until("its slot goes along with it", lambda: pair.primary.psql(f"{kept}'{late}'") == "t")


def test_a_standby_that_went_another_way_comes_back(pair: Pair) -> None:
    """Promoted by mistake for a moment, and made a standby again by hand."""
    pair.in_step()
    stray = pair.other
    stray.promote()
    stray.psql("INSERT INTO kept VALUES (1000)")
    stray.stop()
    # The primary is on the timeline before, and whose promotion counts is for a person to say.
    assert "find out which one the clients use" in refused(pair.rejoin())
    stray.node.exec(["install", "-o", "postgres", "/dev/null", f"{stray.data_directory}/standby.signal"])
    assert "find out which one the clients use" in refused(pair.rejoin())
    stray.node.exec(["rm", f"{stray.data_directory}/standby.signal"])
    stray.start()
    pair.primary.stop()
    pair.primary, pair.other = stray, pair.primary
    made(pair.rejoin())
    pair.stream()
