"""Runs the steps, says how each went, and goes on after a failure."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from checks.outcomes import Count, Outcome, duration, figures, read_coverage, read_junit, tally
from checks.parts import REPORTS, ROOT, Part, Step

# A step that takes this long hangs; the slowest, Molecule on a cold machine, needs a third of it.
MINUTES = 30


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


def run(step: Step, log: Path) -> tuple[int, str | None]:
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
        process = subprocess.Popen(
            step.argv,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return process.wait(timeout=MINUTES * 60), None
        except subprocess.TimeoutExpired:
            stop(process)
            return 124, f"{step.title} was stopped after {MINUTES} minutes without an end."
        except BaseException:
            stop(process)
            raise


def perform(part: Part, step: Step) -> Outcome:
    """Run one step, saying so; what it printed is shown when it failed."""
    print(f"  {step.title} ... ", end="", flush=True)
    log = ROOT / REPORTS / f"{part.name}-{step.title.replace(' ', '-').replace(':', '')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    for path in step.written():
        (ROOT / path).unlink(missing_ok=True)
    started = time.monotonic()
    code, trouble = run(step, log)
    seconds = time.monotonic() - started
    said = log.read_text(errors="replace").rstrip()
    tests = figures(step.junit and ROOT / step.junit, read_junit)
    coverage = figures(step.coverage and ROOT / step.coverage, read_coverage)
    notes = [str(found) for found in (tests, coverage) if found]
    state = "ok" if code == 0 else "failed"
    print(f"{state if code == 0 else 'FAILED'}  {duration(seconds)}{''.join(f'  ({note})' for note in notes)}")
    if code != 0:
        if said:
            print(f"\n{said}\n")
        print(f"  {trouble or f'{step.title} ended with exit code {code}.'}")
        print(f"  To repeat: {part.command()}   or exactly: {step.command()}\n")
    elif step.tell:
        for line in said.splitlines():
            if line.startswith(step.tell):
                print(f"    {line}")
    return Outcome(part, step, state, seconds, tally(code, tests), "; ".join(notes))


def perform_all(parts: Iterable[Part]) -> list[Outcome]:
    """Every part, whatever failed before it; what cannot succeed any more is not tried."""
    outcomes: list[Outcome] = []
    for part in parts:
        print(f"\n{part.name}", flush=True)
        if not part.steps:
            print(f"  Nothing to run was found for {part.name}, which is not a pass.")
            step = Step("nothing to run", ("make", part.name))
            outcomes.append(Outcome(part, step, "failed", count=Count(failed=1)))
        for step in part.steps:
            hindrance = hindered(part, outcomes)
            if hindrance:
                print(f"  {step.title} ... not run, because {hindrance}")
                outcomes.append(Outcome(part, step, "not run", count=Count(skipped=1)))
            else:
                outcomes.append(perform(part, step))
    return outcomes


def hindered(part: Part, outcomes: Sequence[Outcome]) -> str:
    """Why the next step of this part need not be tried, or nothing."""
    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    if part.needs_lab and any(outcome.part.name == "lab" for outcome in failed):
        return "the lab did not come up"
    before = [outcome.step.title for outcome in failed if outcome.part is part]
    return f"{before[0]} failed" if part.chained and before else ""
