"""Others insert, change and delete while a table is converted: no row is lost, nobody fails, nobody waits for long."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.integration.conversions import WISH
from tests.integration.partitions import Partitions

LOCK_TIMEOUT = 0.5
ROWS = 20_000


@dataclass
class Ledger:
    """What the clients did, and what it cost them."""

    rows: dict[int, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    longest_seconds: float = 0.0
    transactions: int = 0


@contextlib.contextmanager
def changes(partitions: Partitions, writers: int = 3) -> Iterator[Ledger]:
    """Each client writes rows of its own, so that what there should be is known for each of them."""
    ledger, lock, stop = Ledger(), threading.Lock(), threading.Event()
    begun = threading.Barrier(writers + 1)

    def client(number: int) -> None:
        chance = random.Random(number)
        mine: dict[int, int] = dict.fromkeys(range(number, ROWS, writers), 0)
        fresh = ROWS + number
        with partitions.connect() as cursor:
            first = True
            while not stop.is_set():
                what = chance.random()
                started = time.monotonic()
                try:
                    if what < 0.4:
                        cursor.execute("INSERT INTO t (id, k, x) VALUES (%s, %s, 1)", [fresh, chance.randrange(1000)])
                        mine[fresh] = 1
                        fresh += writers
                    elif what < 0.8:
                        chosen = chance.choice(list(mine))
                        moves = ", k = (k + 137) %% 1000" if what < 0.6 else ""
                        cursor.execute(f"UPDATE t SET x = x + 1{moves} WHERE id = %s", [chosen])  # noqa: S608
                        mine[chosen] += 1
                    else:
                        chosen = chance.choice(list(mine))
                        cursor.execute("DELETE FROM t WHERE id = %s", [chosen])
                        del mine[chosen]
                except Exception as error:  # noqa: BLE001 - whatever went wrong is what this is to tell
                    with lock:
                        ledger.failures.append(str(error))
                with lock:
                    ledger.transactions += 1
                    ledger.longest_seconds = max(ledger.longest_seconds, time.monotonic() - started)
                if first:
                    first = False
                    begun.wait(30)
                stop.wait(0.001)
        with lock:
            ledger.rows |= mine

    clients = [threading.Thread(target=client, args=(number,)) for number in range(writers)]
    for each in clients:
        each.start()
    try:
        begun.wait(30)
        yield ledger
    finally:
        stop.set()
        for each in clients:
            each.join(60)


@pytest.mark.parametrize("how", ["attach", "copy"])
@pytest.mark.parametrize("key", ["id, k", "id"], ids=["wide key", "narrow key"])
def test_traffic_goes_on(partitions: Partitions, how: str, key: str) -> None:
    """With a foreign key each way, so that the locks are more than one."""
    both = "" if key == "id, k" else ", CONSTRAINT wide UNIQUE (id, k)"
    partitions.run(
        "CREATE TABLE target (id int PRIMARY KEY)",
        "INSERT INTO target VALUES (1)",
        f"CREATE TABLE t (id bigint, k bigint NOT NULL, x int, target int DEFAULT 1 REFERENCES target,"
        f" PRIMARY KEY ({key}){both})",
        "INSERT INTO t SELECT n, n % 1000, 0 FROM generate_series(0, 19999) n",
        "CREATE INDEX ON t (id)",
        "CREATE TABLE source (id bigint, k bigint, FOREIGN KEY (id, k) REFERENCES t (id, k))",
        "ANALYZE t",
    )
    wish: dict[str, Any] = {**WISH, "convert": how, "convert_keys": "widen", "convert_until": None}
    with changes(partitions) as ledger:
        result = partitions(wish, lock_timeout=LOCK_TIMEOUT, retries=40, drain_batch=2000)
        time.sleep(0.2)
    assert not result.get("failed"), result
    assert ledger.failures == []
    assert ledger.longest_seconds <= LOCK_TIMEOUT + 1
    assert ledger.transactions > 100
    assert dict(partitions.rows("SELECT id, x FROM t")) == ledger.rows
    assert partitions.value("SELECT count(*) FROM t") == len(ledger.rows)
    assert partitions.value("SELECT relkind::text FROM pg_class WHERE relname = 't'") == "p"
    # What the server notes of each partition that is referred to is not proved by itself.
    assert partitions.value("SELECT count(*) FROM pg_constraint WHERE NOT convalidated AND conparentid = 0") == 0
    with pytest.raises(Exception, match="violates foreign key"):
        partitions.run("INSERT INTO source VALUES (-1, 5)")
    # As an empty partition leaves: who refers to the table does not stand in its way.
    partitions.run("ALTER TABLE t DETACH PARTITION t_p1100", "DROP TABLE t_p1100")
