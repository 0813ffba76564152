"""pgbench through a pooler as many applications would use it, each by itself: who is told off connects anew."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from lab.errors import LabError
from lab.nodes import Node

UNIT, PROGRAM, PLACE = "bench-clients", "/usr/local/bin/bench-clients", "/var/tmp/bench-clients"
BOUND = 600  # seconds after which they end by themselves, whoever forgot them
SCALE = 10
# Transactions that each begins in a second: enough to see a moment without any, and not so many that a small machine,
# on which all of it runs, has no time left for whoever hands over.
RATE = 5
# A process for each, since those of one pgbench would not connect again before all of them have failed.
LOOPS = f"""\
#!/bin/sh
for number in $(seq "$1"); do
  while :; do
    "$2" --no-vacuum --client=1 --rate={RATE} --time={BOUND} --log --log-prefix={PLACE}/commits "$3" \\
      >>{PLACE}/told.$number 2>&1
    sleep 0.1
  done &
done
wait
"""
_ABORTED = re.compile(r"client \d+ .*aborted")
_FAILED = re.compile(r"number of failed transactions: (\d+)")


@dataclass(frozen=True)
class Told:
    """When each commit was acknowledged, in order and in seconds since the epoch, and how many transactions failed."""

    commits: tuple[float, ...]
    failed: int
    # One of the complaints, for a person.
    complaint: str = ""

    def longest_gap(self, since: float) -> float:
        """The longest time in which nobody was told of a commit, of what ended after that moment."""
        pairs = itertools.pairwise(self.commits)
        return max((later - earlier for earlier, later in pairs if later >= since), default=0.0)

    def first_after(self, moment: float) -> float:
        found = next((commit for commit in self.commits if commit > moment), None)
        if found is None:
            raise LabError("Nobody was told of a commit afterwards, so there is nothing to compare.")
        return found


@dataclass(frozen=True)
class Clients:
    node: Node
    target: str
    count: int

    @property
    def pgbench(self) -> str:
        return f"/usr/lib/postgresql/{self.node.postgresql}/bin/pgbench"

    def prepare(self, passfile: str) -> None:
        self.node.write("/root/.pgpass", passfile, mode="0600")
        self.node.write(PROGRAM, LOOPS, mode="0755")
        self.node.exec([self.pgbench, "--initialize", "--quiet", f"--scale={SCALE}", self.target], timeout=300)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Until the block ends; what they were told is asked for afterwards."""
        self.node.exec(["rm", "-rf", PLACE])
        self.node.exec(["mkdir", PLACE])
        # pgbench ends well at that signal, as when its time is over, and writes down what it has not yet; a shell dies.
        options = ["--property=KillSignal=SIGALRM", "--property=TimeoutStopSec=20", f"--property=RuntimeMaxSec={BOUND}"]
        options += ["--quiet", "--collect", f"--unit={UNIT}", "--setenv=HOME=/root"]
        self.node.exec(["systemd-run", *options, PROGRAM, str(self.count), self.pgbench, self.target])
        try:
            yield
        finally:
            self.node.exec(["systemctl", "stop", UNIT], check=False)

    def told(self) -> Told:
        commits = self.node.exec(["sh", "-c", f"cat {PLACE}/commits.*"], check=False).stdout
        return told(commits, self.node.exec(["sh", "-c", f"cat {PLACE}/told.*"], check=False).stdout)


def told(log: str, complaints: str) -> Told:
    """pgbench writes the time of each commit in seconds and microseconds, and complains of what went wrong."""
    words = (line.split() for line in log.splitlines())
    commits = sorted(int(each[4]) + int(each[5]) / 1e6 for each in words if len(each) >= 6 and each[2] != "failed")
    aborted = [line for line in complaints.splitlines() if _ABORTED.search(line)]
    failed = len(aborted) + sum(map(int, _FAILED.findall(complaints)))
    return Told(tuple(commits), failed, aborted[0] if aborted else "")
