"""Clients that insert and read while something is done to their table, and tell what that cost them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.integration.partitions import Partitions


@dataclass
class Toll:
    """What the clients had to bear."""

    transactions: int = 0
    failures: list[str] = field(default_factory=list)
    longest_seconds: float = 0.0
    inserted: int = 0


@contextlib.contextmanager
def traffic(partitions: Partitions, insert: str, read: str, *, writers: int = 2, readers: int = 2) -> Iterator[Toll]:
    """Until the block ends; it begins when each client has done its first transaction."""
    toll, lock, stop = Toll(), threading.Lock(), threading.Event()
    begun = threading.Barrier(writers + readers + 1)

    def client(statement: str, rows: int) -> None:
        first = True
        with partitions.connect() as cursor:
            while not stop.is_set():
                started = time.monotonic()
                failure = None
                try:
                    cursor.execute(statement)
                except Exception as error:  # noqa: BLE001 - whatever went wrong is what this is to tell
                    failure = str(error)
                took = time.monotonic() - started
                with lock:
                    toll.transactions += 1
                    toll.longest_seconds = max(toll.longest_seconds, took)
                    toll.failures += [failure] if failure else []
                    toll.inserted += 0 if failure else rows
                if first:
                    first = False
                    begun.wait(30)
                # Busy, and not the whole machine.
                stop.wait(0.002)

    clients = [threading.Thread(target=client, args=(insert, 1)) for _ in range(writers)]
    clients += [threading.Thread(target=client, args=(read, 0)) for _ in range(readers)]
    for each in clients:
        each.start()
    try:
        begun.wait(30)
        yield toll
    finally:
        stop.set()
        for each in clients:
            each.join(60)
