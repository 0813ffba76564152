"""Clients that work while a cluster is changed, and what they say of it afterwards."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from lab.nodes import Node

ROUND_SECONDS = 8
_FAILED = re.compile(r"number of failed transactions: (\d+)")
_DONE = re.compile(r"number of transactions actually processed: (\d+)")


@dataclass
class Told:
    """Of all rounds on one way to the database."""

    done: int = 0
    failed: int = 0
    # What was said by rounds that did not end well.
    complaints: list[str] = field(default_factory=list)


@dataclass
class Load:
    """pgbench on `node`, again and again until it is stopped, on each of some ways at once."""

    node: Node
    ways: Mapping[str, str]
    told: dict[str, Told] = field(default_factory=dict)

    def initialise(self, way: str) -> None:
        self._pgbench(way, ["--initialize", "--quiet", "--scale=1"])

    @contextmanager
    def running(self) -> Iterator[None]:
        self.told = {way: Told() for way in self.ways}
        enough = threading.Event()
        threads = [threading.Thread(target=self._go_on, args=(way, enough)) for way in self.ways]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            enough.set()
            for thread in threads:
                thread.join()

    def _go_on(self, way: str, enough: threading.Event) -> None:
        told = self.told[way]
        while not enough.is_set():
            code, said = self._pgbench(way, ["--no-vacuum", f"--time={ROUND_SECONDS}", "--client=2", "--rate=40"])
            failed, done = _FAILED.search(said), _DONE.search(said)
            told.done += int(done.group(1)) if done else 0
            told.failed += int(failed.group(1)) if failed else 0
            if code or done is None:
                told.complaints.append(said)

    def _pgbench(self, way: str, words: list[str]) -> tuple[int, str]:
        program = f"/usr/lib/postgresql/{self.node.postgresql}/bin/pgbench"
        done = self.node.exec([program, *words, self.ways[way]], check=False)
        return done.returncode, done.stdout + done.stderr

    def nothing_failed(self) -> bool:
        return all(told.done and not told.failed and not told.complaints for told in self.told.values())
