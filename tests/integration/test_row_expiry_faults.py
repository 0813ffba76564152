"""Whatever happens while rows leave: each is in the table or in a verified file, and at the end in one of them once."""

from __future__ import annotations

import csv
import io
import itertools
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab.clusters import Cluster
from lab.nodes import Node
from tests.integration import inside
from tests.integration.archive_tables import DATABASE
from tests.integration.archives import HOME, LIST
from tests.integration.expiries import Expiries
from tests.integration.partitions import Partitions
from tests.integration.servers import Server

# Each statement, each call that changes a file, each portion and each program.
POINTS = (
    "._session:Session.fetch",
    "._copy:CopyConnection.fetch",
    "._copy:CopyConnection.copy_out",
    "._stream.writing:FileSink.write",
    "._stream.writing:FileSink.close",
    "._command:Program.__init__",
    "os:fsync",
    "pathlib:Path.rename",
    "pathlib:Path.unlink",
    "pathlib:Path.mkdir",
)
ALL = Counter(range(1, 41))
FAR = f"{HOME}/far"


@dataclass
class Scene:
    """A table of forty rows on the node, thirty of which are past their time, and what became of them."""

    node: Node
    cluster: Cluster
    destination: str = f"{HOME}/rows"
    options: dict[str, Any] = field(default_factory=dict)

    def clear(self) -> None:
        self.node.exec(["rm", "-rf", f"{HOME}/rows", FAR, "/small/rows", inside.HELD])
        self.cluster.psql(
            "DROP TABLE IF EXISTS t; CREATE TABLE t (k int PRIMARY KEY, v text); "
            "INSERT INTO t SELECT n, repeat('x', n) FROM generate_series(1, 40) n",
            DATABASE,
        )

    def arguments(self, **archive: Any) -> dict[str, Any]:
        kept = {"destination": self.destination, "compression": "none", **self.options, **archive}
        wish = {"table": "t", "column": "k", "retention": "31", "on_expiry": "archive", "batch_rows": 12}
        return {"login_db": DATABASE, "tables": [{**wish, "archive": kept}], "retries": 3}

    def run(self, **archive: Any) -> inside.Ended:
        return inside.run(self.node, "pg_row_expiry", self.arguments(**archive))

    def finished(self, **archive: Any) -> dict[str, Any]:
        done = self.run(**archive)
        assert not done.result.get("failed"), done.text
        [told] = done.result["tables"]
        assert told["finished"], done.text
        return dict(told)

    def stored(self) -> Counter[int]:
        return Counter(int(word) for word in self.cluster.psql("SELECT k FROM t", DATABASE).split())

    def files(self, place: str | None = None) -> dict[str, dict[str, Any]]:
        where = place or self.destination
        if self.node.exec(["test", "-d", where], check=False).returncode:
            return {}
        return dict(json.loads(self.node.exec(["python3", "-c", LIST, where]).stdout))

    def archived(self) -> tuple[Counter[int], Counter[str]]:
        """The rows of all files that bear their name, and what their manifests say became of them."""
        rows, states = Counter[int](), Counter[str]()
        files = self.files()
        for name in files:
            if name.startswith(".") or name.endswith(".manifest.json"):
                continue
            told = json.loads(self.node.exec(["cat", f"{self.destination}/{name}.manifest.json"]).stdout)
            assert (files[name]["sha256"], files[name]["size"]) == (told["file_sha256"], told["file_bytes"])
            content = self.node.exec(["cat", f"{self.destination}/{name}"]).stdout
            rows += Counter(int(row["k"]) for row in csv.DictReader(io.StringIO(content)))
            states[told["state"]] += 1
        return rows, states

    def assert_nothing_is_lost(self) -> None:
        rows, states = self.archived()
        together = self.stored() + rows
        assert set(together) == set(ALL), "a row is nowhere"
        # Only what nobody knows the end of can be in both.
        twice = sum((together - ALL).values())
        assert twice <= 12
        assert states["pending"] == 1 or not twice

    def assert_each_is_somewhere_once(self) -> None:
        rows, states = self.archived()
        assert self.stored() + rows == ALL
        assert set(states) == {"deleted"}
        assert sorted(self.stored()) == list(range(31, 41))
        assert [name for name in self.files() if name.endswith(".partial")] == []


@pytest.fixture
def scene(installed: Server) -> Scene:
    scene = Scene(installed.node, installed.primary)
    scene.clear()
    return scene


@pytest.mark.parametrize("offsite", [False, True])
def test_killed_anywhere_the_next_run_goes_on(scene: Scene, offsite: bool) -> None:
    if offsite:
        scene.options["offsite"] = FAR
    settled: Counter[str] = Counter()
    # The releases share the points: together they take each one, until a run gets through.
    for call in itertools.count(2 + scene.node.release % 3, 9 if offsite else 3):
        scene.clear()
        ended = inside.run(scene.node, "pg_row_expiry", scene.arguments(), die=inside.Interrupt(POINTS, call))
        if not ended.killed:
            break
        scene.assert_nothing_is_lost()
        told = scene.finished()
        settled.update(each.split()[0] for each in told["settled"])
        scene.assert_each_is_somewhere_once()
        if offsite:
            here, there = scene.files(), scene.files(FAR)
            assert here.items() <= there.items()
            # What was copied and did not leave has no manifest there.
            assert not any(name.endswith(".manifest.json") for name in there.keys() - here.keys())
        assert scene.run().result["changed"] is False
    assert not ended.result.get("failed"), ended.text
    scene.assert_each_is_somewhere_once()
    assert call > 60
    if not offsite:
        # Both ends of a commit that nobody saw were met.
        assert settled["remove"] > 0


@pytest.mark.parametrize(
    "place",
    [
        "._partition.expiry.batch:Batcher._delete",
        "._partition.expiry.batch:Batcher._commit",
        "._partition.expiry.run:_confirm",
    ],
)
def test_the_server_crashes(scene: Scene, place: str) -> None:
    with inside.held(scene.node, "pg_row_expiry", scene.arguments(), inside.Interrupt((place,))) as held:
        scene.cluster.stop("immediate")
        scene.cluster.start()
        ended = held.finish()
    assert ended.result.get("failed"), ended.text
    assert ended.failure.count("\n") == 0
    scene.assert_nothing_is_lost()
    told = scene.finished()
    assert len(told["settled"]) <= 1
    scene.assert_each_is_somewhere_once()


def test_a_session_that_is_ended(scene: Scene) -> None:
    with inside.held(
        scene.node, "pg_row_expiry", scene.arguments(), inside.Interrupt(("._partition.expiry.batch:Batcher._commit",))
    ) as held:
        scene.cluster.psql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'runbook.postgres'",
            DATABASE,
        )
        ended = held.finish()
    assert "closed the connection" in ended.failure
    scene.assert_nothing_is_lost()
    scene.finished()
    scene.assert_each_is_somewhere_once()


def test_a_disk_that_fills_up(scene: Scene) -> None:
    scene.destination = "/small/rows"
    # Small as a table and large as a file: what is too large as a table is refused beforehand.
    scene.cluster.psql("UPDATE t SET v = repeat('compressible', 400000) WHERE k BETWEEN 13 AND 24", DATABASE)
    ended = scene.run()
    assert "No space left on device" in ended.failure
    assert ended.result["tables"][0]["rows"] == 12
    rows, states = scene.archived()
    assert (sum(rows.values()), states) == (12, Counter({"deleted": 1}))
    assert len(scene.files()) == 2
    scene.assert_nothing_is_lost()
    told = scene.finished(compression="gzip")
    assert told["rows"] == 18
    assert sorted(scene.stored()) == list(range(31, 41))


def test_a_disk_without_room_is_refused(scene: Scene) -> None:
    scene.destination = "/small/rows"
    scene.cluster.psql(
        "UPDATE t SET v = (SELECT string_agg(md5(n || '-' || k), '') FROM generate_series(1, 40000) n); ANALYZE t",
        DATABASE,
    )
    ended = scene.run()
    assert "make room" in ended.failure
    assert scene.stored() == ALL


def bits_flipped(scene: Scene) -> None:
    done = "import sys; f = open(sys.argv[1], 'r+b'); f.seek(9); b = f.read(1); f.seek(9); f.write(bytes([b[0] ^ 1]))"
    [name] = [each for each in scene.files() if each.endswith(".partial")]
    scene.node.exec(["python3", "-c", done, f"{scene.destination}/{name}"])


def test_what_is_read_back_is_compared(scene: Scene) -> None:
    at = inside.Interrupt(("._partition.expiry.writing:verify",))
    with inside.held(scene.node, "pg_row_expiry", scene.arguments(), at) as held:
        bits_flipped(scene)
        ended = held.finish()
    assert "is not what was written" in ended.failure
    assert scene.files() == {}
    assert scene.stored() == ALL
    scene.finished()
    scene.assert_each_is_somewhere_once()


def test_a_remote_that_fails_keeps_the_rows(scene: Scene) -> None:
    ended = scene.run(offsite="nowhere:at/all")
    assert "nowhere:at/all" in ended.failure
    assert scene.stored() == ALL
    assert scene.files() == {}
    told = scene.finished(offsite=FAR)
    assert all(each["offsite"].startswith(FAR) for each in told["files"])
    assert scene.files(FAR) == scene.files()


@pytest.mark.parametrize(("how", "compression"), [("csv", "zstd"), ("binary", "gzip")])
def test_encrypted_there_and_back(scene: Scene, how: str, compression: str) -> None:
    scene.node.exec(["rm", "-f", "/tmp/rows-identity"])
    scene.node.exec(["age-keygen", "-o", "/tmp/rows-identity"], user="postgres")
    lines = scene.node.exec(["cat", "/tmp/rows-identity"]).stdout.splitlines()
    public = next(line.split(": ")[1] for line in lines if "public key" in line)
    before = scene.cluster.psql("SELECT md5(string_agg(t::text, '|' ORDER BY k)) FROM t", DATABASE)
    told = scene.finished(format=how, compression=compression, recipients=[public])
    assert {each["verified"] for each in told["files"]} == {"file"}
    unpack = {"zstd": "zstd -d", "gzip": "gzip -d"}[compression]
    for each in told["files"]:
        copy = json.loads(scene.node.exec(["cat", f"{each['file']}.manifest.json"]).stdout)["copy"]
        scene.node.write("/tmp/rows-copy", copy.replace("FROM STDIN", "FROM PSTDIN"))
        back = (
            f"set -e -o pipefail; age --decrypt --identity /tmp/rows-identity {each['file']} | {unpack} "
            f"| psql -X -v ON_ERROR_STOP=1 -d {DATABASE} -c \"$(sed 's/PSTDIN/STDIN/' /tmp/rows-copy)\""
        )
        scene.node.exec(["bash", "-c", back], user="postgres")
    assert scene.cluster.psql("SELECT md5(string_agg(t::text, '|' ORDER BY k)) FROM t", DATABASE) == before


def test_memory_stays_flat(scene: Scene) -> None:
    scene.cluster.psql(
        "TRUNCATE t; INSERT INTO t SELECT -n, repeat(md5(n::text), 300) FROM generate_series(1, 20000) n", DATABASE
    )
    arguments = scene.arguments(compression="zstd")
    arguments["tables"][0]["batch_rows"] = 5000
    done = inside.run(scene.node, "pg_row_expiry", arguments)
    [told] = done.result["tables"]
    assert sum(each["bytes"] for each in told["files"]) > 190_000_000
    assert done.kilobytes < 100_000


# -- traffic -----------------------------------------------------------------------


@dataclass
class Clients:
    """Some add one to old rows, some insert old and new ones; what was acknowledged to them is counted."""

    partitions: Partitions
    added: int = 0
    inserted: int = 0
    longest_seconds: float = 0.0
    failures: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def update(self) -> None:
        self._work("UPDATE t SET v = v + 1 WHERE k = {} RETURNING 1", "added")

    def insert(self) -> None:
        self._work("INSERT INTO t (k) VALUES ({}) RETURNING 1", "inserted")

    def _work(self, statement: str, counter: str) -> None:
        chance = random.Random(threading.get_ident())
        with self.partitions.connect() as cursor:
            while not self.stop.is_set():
                started = time.monotonic()
                try:
                    cursor.execute(statement.format(chance.randrange(1, 21_000)))
                    done = cursor.rowcount
                except Exception as error:  # noqa: BLE001 - whatever went wrong is what this is to tell
                    self.failures.append(str(error))
                    continue
                with self.lock:
                    setattr(self, counter, getattr(self, counter) + done)
                    self.longest_seconds = max(self.longest_seconds, time.monotonic() - started)


@pytest.fixture
def clients(partitions: Partitions) -> Iterator[Clients]:
    partitions.run(
        "CREATE TABLE t (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, k int, v int NOT NULL DEFAULT 0)",
        "CREATE INDEX ON t (k)",
        "INSERT INTO t (k) SELECT n FROM generate_series(1, 21000) n",
    )
    clients = Clients(partitions)
    threads = [threading.Thread(target=act) for act in (clients.update, clients.update, clients.insert)]
    for each in threads:
        each.start()
    try:
        yield clients
    finally:
        clients.stop.set()
        for each in threads:
            each.join(60)


def test_rows_that_change_while_they_leave(clients: Clients, tmp_path: Path) -> None:
    expiries = Expiries(clients.partitions, tmp_path / "archive")
    wish = expiries.wish(retention="20000", batch_rows=700)
    for _ in range(3):
        result = expiries(wish)
        assert not result.get("failed"), result
    clients.stop.set()
    time.sleep(0.5)
    result = expiries(wish)
    assert result["tables"][0]["finished"], result
    assert clients.failures == []
    assert clients.added > 100
    assert clients.longest_seconds < 3
    content = Expiries(clients.partitions, expiries.place)
    for file in content.files():
        # With their ids, so that one that is there twice is refused by the server.
        content.put_back(file)
    assert clients.partitions.value("SELECT count(*) FROM t") == 21_000 + clients.inserted
    assert clients.partitions.value("SELECT sum(v) FROM t") == clients.added
