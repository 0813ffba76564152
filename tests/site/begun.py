"""A playbook that is played in the background, so that something can happen meanwhile."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.checkout import ROOT
from lab.waiting import wait_until
from tests.site.conftest import Site
from tests.site.playing import command, environment


@contextmanager
def begun(site: Site, playbook: str, **variables: object) -> Iterator[subprocess.Popen[str]]:
    """A run in the background, which ends with the block at the latest."""
    with _log(site).open("w") as output:
        process = subprocess.Popen(
            command(site.inventory, playbook, variables=variables),
            cwd=ROOT,
            env=environment(ANSIBLE_STDOUT_CALLBACK="default", ANSIBLE_NOCOLOR="1"),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def comes_to(site: Site, run: subprocess.Popen[str], task: str, bound: float) -> None:
    """The run that was begun is at that task; one that ends before says why."""
    header = re.compile(rf"^TASK \[(?:[\w.]+ : )?{re.escape(task)}\]", re.MULTILINE)

    def there() -> bool:
        return header.search(_log(site).read_text()) is not None

    wait_until(f"it comes to {task}", lambda: there() or run.poll() is not None, bound)
    assert there(), _log(site).read_text()[-4000:]


def _log(site: Site) -> Path:
    return site.directory / "begun.log"
