"""Runs the steps, side by side where they do not need each other, says how each went, and goes on after a failure."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO

from checks.outcomes import Count, Outcome, duration, figures, read_coverage, read_junit, tally
from checks.parts import REPORTS, ROOT, Part, Step, lanes

# A step that takes this long hangs; the slowest, the integration tests beside clusters, needs some half of it.
MINUTES = 80


class Stopped(Exception):
    """The whole run was ended from outside."""


class Running:
    """The commands that run now, so that all of them end when the run is stopped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def start(self, step: Step, cwd: Path, environment: dict[str, str], output: IO[bytes]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._stopped:
                raise Stopped
            process = subprocess.Popen(
                step.argv,
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._processes.add(process)
            return process

    def forget(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._processes.discard(process)

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            left = list(self._processes)
        for process in left:
            stop(process)


def missing_tool(step: Step, cwd: Path) -> str | None:
    program = step.argv[0]
    found = (cwd / program).exists() if "/" in program else shutil.which(program)
    if found:
        return None
    return f"{program} is not there, which {step.title} needs: run `make setup` and repeat."


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a command and everything it started: each step leads its own process group."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    except ProcessLookupError:
        pass


def run(step: Step, log: Path, running: Running) -> tuple[int, str | None]:
    """Exit code of the step, and a sentence when it did not end by itself."""
    cwd = ROOT / step.cwd
    if missing := missing_tool(step, cwd):
        log.write_text("")
        return 127, missing
    environment = os.environ | {
        "PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "NO_COLOR": "1",
        # Tools that ask the shell where they are get the path with the collection's name in it.
        "PWD": str(cwd),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".lab" / "collections"),
        **dict(step.env),
    }
    with log.open("wb") as output:
        process = running.start(step, cwd, environment, output)
        try:
            return process.wait(timeout=MINUTES * 60), None
        except subprocess.TimeoutExpired:
            stop(process)
            return 124, f"{step.title} was stopped after {MINUTES} minutes without an end."
        finally:
            running.forget(process)


def perform(part: Part, step: Step, running: Running) -> Outcome:
    """Run one step, saying how it went; what it printed is shown when it failed."""
    log = ROOT / REPORTS / f"{part.name}-{step.title.replace(' ', '-').replace(':', '')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    for path in step.written():
        (ROOT / path).unlink(missing_ok=True)
    started = time.monotonic()
    code, trouble = run(step, log, running)
    seconds = time.monotonic() - started
    said = log.read_text(errors="replace").rstrip()
    tests = figures(step.junit and ROOT / step.junit, read_junit)
    coverage = figures(step.coverage and ROOT / step.coverage, read_coverage)
    notes = [str(found) for found in (tests, coverage) if found]
    state = "ok" if code == 0 else "failed"
    lines = [f"{head(part, step)} {state if code == 0 else 'FAILED'}  {duration(seconds)}"]
    lines[0] += "".join(f"  ({note})" for note in notes)
    if code != 0:
        lines += [f"\n{said}\n"] if said else []
        lines.append(f"  {trouble or f'{step.title} ended with exit code {code}.'}")
        lines.append(f"  To repeat: {part.command()}   or exactly: {step.command()}\n")
    elif step.tell:
        lines += [f"  {line}" for line in said.splitlines() if line.startswith(step.tell)]
    say(*lines)
    return Outcome(part, step, state, seconds, tally(code, tests), "; ".join(notes))


def head(part: Part, step: Step) -> str:
    return f"{part.name}: {step.title} ..."


def say(*lines: str) -> None:
    """Whole, so that what two lanes say is not mixed."""
    print("\n".join(lines) + "\n", end="", flush=True)


def perform_all(parts: Sequence[Part]) -> list[Outcome]:
    """Every part, whatever failed before it; what cannot succeed any more is not tried."""
    first = [part for part in parts if not part.comes_last]
    sides = lanes(first) if (os.cpu_count() or 1) > 1 else [first]
    running = Running()
    with ThreadPoolExecutor(max_workers=max(1, len(sides))) as pool:
        futures: list[Future[list[Outcome]]] = []
        lab: Future[list[Outcome]] | None = None
        for side in sides:
            futures.append(pool.submit(perform_lane, side, running, lab if side[0].needs_lab else None))
            lab = futures[-1] if side[0].lane == "lab" else lab
        try:
            outcomes = [outcome for future in futures for outcome in future.result()]
        except BaseException:
            running.stop()
            raise
    return outcomes + perform_lane([part for part in parts if part.comes_last], running)


def perform_lane(parts: Sequence[Part], running: Running, lab: Future[list[Outcome]] | None = None) -> list[Outcome]:
    """One part after the other, once the lab is there that they need."""
    before = lab.result() if lab is not None else []
    outcomes: list[Outcome] = []
    for part in parts:
        if not part.steps:
            say(f"{part.name}: nothing to run was found, which is not a pass.")
            step = Step("nothing to run", ("make", part.name))
            outcomes.append(Outcome(part, step, "failed", count=Count(failed=1)))
        for step in part.steps:
            hindrance = hindered(part, [*before, *outcomes])
            if hindrance:
                say(f"{head(part, step)} not run, because {hindrance}")
                outcomes.append(Outcome(part, step, "not run", count=Count(skipped=1)))
            else:
                outcomes.append(perform(part, step, running))
    return outcomes


def hindered(part: Part, outcomes: Sequence[Outcome]) -> str:
    """Why the next step of this part need not be tried, or nothing."""
    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    if part.needs_lab and any(outcome.part.name == "lab" for outcome in failed):
        return "the lab did not come up"
    before = [outcome.step.title for outcome in failed if outcome.part is part]
    return f"{before[0]} failed" if part.chained and before else ""
