"""What others bear while a hundred partitions leave: inserts in the node itself, each of them timed."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from lab.errors import LabError
from lab.nodes import Node
from lab.waiting import wait_until

from .measure import Pair, timed

CLIENT = "/usr/local/bin/bench-inserts"
STOP = "/tmp/bench-inserts.stop"
READY = "/tmp/bench-inserts.ready"
BOUND = 300.0

# Four clients of the driver that the node has, each with a pause so that the machine is not full of them.
SCRIPT = """
import json, os, sys, threading, time
import psycopg2
database, statement, stop, ready = sys.argv[1:]
taken, failed, lock = [], [], threading.Lock()
def client():
    connection = psycopg2.connect(dbname=database)
    connection.autocommit = True
    cursor = connection.cursor()
    mine, begun = [], False
    while not os.path.exists(stop):
        began = time.perf_counter()
        try:
            cursor.execute(statement)
        except Exception as error:
            with lock:
                failed.append(str(error))
        mine.append(time.perf_counter() - began)
        if len(mine) == 50 and not begun:
            # What it took to begin is no part of what is measured.
            mine, begun = [], True
            with open(ready, "a") as file:
                file.write("x")
        time.sleep(0.002)
    with lock:
        taken.extend(mine)
clients = [threading.Thread(target=client) for _ in range(4)]
[each.start() for each in clients]
[each.join() for each in clients]
taken.sort()
print(json.dumps({"p99": taken[int(len(taken) * 0.99)], "longest": taken[-1], "count": len(taken), "failed": failed}))
"""


@dataclass
class Toll:
    p99: float = 0.0
    longest: float = 0.0
    seconds: float = 0.0


@contextlib.contextmanager
def inserts(node: Node, database: str, statement: str, toll: Toll) -> Iterator[None]:
    """Until the block ends; what they took is then in the toll."""
    node.write(CLIENT, SCRIPT)
    node.exec(["rm", "-f", STOP, READY])
    said: list[str] = []

    def run() -> None:
        argv = ["python3", CLIENT, database, statement, STOP, READY]
        said.append(node.exec(argv, user="postgres", timeout=BOUND).stdout)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_until("the clients insert", lambda: node.exec(["cat", READY], check=False).stdout == "xxxx", bound=60.0)
        yield
    finally:
        node.exec(["touch", STOP])
        thread.join(60)
    told: dict[str, Any] = json.loads(said[0]) if said else {"failed": ["no client answered"]}
    if told["failed"]:
        raise LabError(f"Inserts failed meanwhile, so there is nothing to compare: {told['failed'][0]}")
    toll.p99, toll.longest = told["p99"], told["longest"]


@dataclass
class Side:
    """Each run yields several figures: whoever asks for one of the same run gets it without another."""

    prepare: Callable[[], None]
    act: Callable[[], object]
    load: Callable[[Toll], contextlib.AbstractContextManager[None]]
    tolls: list[Toll] = field(default_factory=list)

    def sampler(self, figure: str) -> Callable[[], float]:
        asked = 0

        def sample() -> float:
            nonlocal asked
            if asked == len(self.tolls):
                self._run()
            asked += 1
            return float(getattr(self.tolls[asked - 1], figure))

        return sample

    def _run(self) -> None:
        self.prepare()
        toll = Toll()
        with self.load(toll):
            toll.seconds = timed(self.act)
        self.tolls.append(toll)


def pairs(ours: Side, theirs: Side) -> dict[str, Pair]:
    names = {"stall": "longest", "p99": "p99", "seconds": "seconds"}
    return {
        f"partition_expire_{name}": Pair(ours.sampler(figure), theirs.sampler(figure)) for name, figure in names.items()
    }
