"""Clients that insert values through a pooler, each once, and keep what they were told: a set that must be there."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg2


@dataclass
class Writers:
    """`clients` connections that each insert one value after the other, as fast as they are answered."""

    where: Mapping[str, Any]
    clients: int = 8
    # By value: when it was acknowledged.
    acknowledged: dict[int, float] = field(default_factory=dict)
    # What clients were told instead. Such a value may be there or not.
    complaints: list[str] = field(default_factory=list)
    begun: set[int] = field(default_factory=set)

    @contextmanager
    def running(self) -> Iterator[None]:
        self.acknowledged, self.complaints, self.begun = {}, [], set()
        enough = threading.Event()
        threads = [threading.Thread(target=self._go_on, args=(number, enough)) for number in range(self.clients)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            enough.set()
            for thread in threads:
                thread.join()

    def _go_on(self, number: int, enough: threading.Event) -> None:
        # No value twice, also not of an earlier use.
        value, connection = number + time.time_ns() // 1_000_000 * 1000, None
        while not enough.is_set():
            value += 1000
            self.begun.add(value)
            try:
                if connection is None:
                    connection = psycopg2.connect(**self.where, connect_timeout=60)
                    connection.autocommit = True
                with connection.cursor() as cursor:
                    cursor.execute("INSERT INTO kept VALUES (%s)", [value])
                self.acknowledged[value] = time.monotonic()
            except psycopg2.Error as error:
                self.complaints.append(" ".join(str(error).split()))
                connection = None
                time.sleep(0.05)
            time.sleep(0.002)
        if connection is not None:
            connection.close()

    @property
    def longest_gap_ms(self) -> int:
        """The longest time in which nobody was told of a commit."""
        moments = sorted(self.acknowledged.values())
        return round(1000 * max((later - earlier for earlier, later in zip(moments, moments[1:])), default=0.0))
