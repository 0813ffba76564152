"""Run the checks of this collection, one part or all, and say how each went.

    .venv/bin/python tools/check.py lint unit
    .venv/bin/python tools/check.py all

A part is a list of steps and a step is one command. A passing step is one
line; a failing one shows everything it said and the command that repeats it.
The last line, `N passed, N failed, N skipped`, counts each test that pytest
ran, and each other step as one.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
# Ansible's tools find a collection by this path, not by where the checkout lies.
COLLECTION = Path(".lab/collections/ansible_collections/runbook/postgres")
REPORTS = Path("build/reports")
RELEASES = ("11", "12", "13")
# A step that takes this long hangs; the slowest, Molecule on a cold machine, needs a third of it.
MINUTES = 30


@dataclass(frozen=True)
class Step:
    """One command, and where the figures that it leaves behind are read."""

    title: str
    argv: tuple[str, ...]
    cwd: Path = Path()
    env: tuple[tuple[str, str], ...] = ()
    junit: Path | None = None
    coverage: Path | None = None
    # Lines of a passing step's output that start with this are worth a reader's time.
    tell: tuple[str, ...] = ()

    def command(self) -> str:
        """What to type at the top of the checkout to run exactly this again."""
        words = " ".join([*(f"{key}={shlex.quote(value)}" for key, value in self.env), shlex.join(self.argv)])
        return words if self.cwd == Path() else f"(cd {shlex.quote(str(self.cwd))} && {words})"


@dataclass(frozen=True)
class Part:
    """What one `make` target checks."""

    name: str
    steps: tuple[Step, ...]
    needs_lab: bool = False


@dataclass(frozen=True)
class Count:
    """Tests by outcome."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


@dataclass(frozen=True)
class Outcome:
    """How one step went."""

    part: str
    step: Step
    state: str  # ok, failed, not run
    seconds: float = 0.0
    count: Count = field(default_factory=Count)
    note: str = ""


# What there is to run


def tool(name: str) -> str:
    """A program of the virtualenv, by the path that works from any directory."""
    return str(ROOT / ".venv" / "bin" / name)


def pytest(title: str, path: str, *options: str, coverage: Path | None = None) -> Step:
    junit = REPORTS / f"{Path(path).name}.xml"
    argv = (".venv/bin/pytest", path, f"--junitxml={junit}", *options)
    return Step(title, argv, junit=junit, coverage=coverage)


def existing(*paths: str) -> tuple[str, ...]:
    """Those of the paths that this checkout has: a part of the house may not be built yet."""
    return tuple(path for path in paths if (ROOT / path).exists())


def shell_scripts() -> list[str]:
    places = (*(ROOT / "tools").glob("*"), ROOT / ".ci/run")
    return sorted(str(path.relative_to(ROOT)) for path in places if path.is_file() and speaks_bash(path))


def speaks_bash(path: Path) -> bool:
    with path.open("rb") as file:
        return file.readline().rstrip().endswith(b"bash")


def lint() -> Part:
    own_tools = existing("tools", "lab", "bench", "tests")
    return Part(
        "lint",
        (
            Step("ruff format", (".venv/bin/ruff", "format", "--check", "--diff", ".")),
            Step("ruff", (".venv/bin/ruff", "check", ".")),
            Step(
                "vermin: the modules run on Python 3.9",
                (".venv/bin/vermin", "--target=3.9-", "--violations", "--no-tips", *existing("plugins")),
            ),
            Step("mypy plugins", (".venv/bin/mypy", "-p", "ansible_collections.runbook.postgres.plugins")),
            Step("mypy tools and tests", (".venv/bin/mypy", *own_tools)),
            Step("yamllint", (".venv/bin/yamllint", "--strict", ".")),
            Step("ansible-lint", (tool("ansible-lint"), "--offline", "--profile", "production"), cwd=COLLECTION),
            *(Step(f"bash -n {name}", ("bash", "-n", name)) for name in shell_scripts()),
            Step("changelog", (".venv/bin/antsibull-changelog", "lint")),
        ),
    )


def sanity() -> Part:
    return Part(
        "sanity",
        (
            Step(
                "ansible-test sanity",
                (".venv/bin/python", "tools/sanity.py"),
                tell=("ran: ", "not run here: "),
            ),
        ),
    )


def docs() -> Part:
    pages, site = "build/docs/rst", "build/docs/site"
    render = (
        *("antsibull-docs", "--config-file", "docs/antsibull-docs.cfg", "collection", "--use-current"),
        *("--squash-hierarchy", "--cleanup", "everything", "--fail-on-error", "--dest-dir", pages),
        "runbook.postgres",
    )
    return Part(
        "docs",
        (
            Step(
                "antsibull-docs lint",
                (".venv/bin/antsibull-docs", "lint-collection-docs", "--plugin-docs", "."),
            ),
            # It refuses a directory that others may write to, or that is missing.
            Step("pages directory", ("install", "-d", "-m", "755", pages)),
            Step("pages of the modules", (f".venv/bin/{render[0]}", *render[1:])),
            Step(
                "documentation site",
                (".venv/bin/sphinx-build", "-M", "html", pages, site, "-c", "docs", "-W", "--keep-going"),
            ),
        ),
    )


def unit() -> Part:
    coverage = REPORTS / "coverage.json"
    options = ("--cov", "--cov-report=term", f"--cov-report=json:{coverage}")
    return Part("unit", (pytest("unit tests", "tests/unit", *options, coverage=coverage),))


def package() -> Part:
    return Part(
        "package",
        (
            Step("the lowest supported ansible-core", ("tools/oldest-core",)),
            pytest("package tests", "tests/package"),
        ),
    )


def integration() -> Part:
    return Part("integration", (pytest("integration tests", "tests/integration"),), needs_lab=True)


def molecule() -> Part:
    scenarios = sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))
    return Part(
        "molecule",
        tuple(Step(f"scenario {name}", ("tools/molecule", name)) for name in scenarios),
        needs_lab=True,
    )


def lab() -> Part:
    return Part(
        "lab",
        (
            Step("Docker engine", ("tools/engine",)),
            Step("images", (".venv/bin/python", "-m", "lab", "image", *RELEASES)),
        ),
    )


PARTS = {maker.__name__: maker for maker in (lint, sanity, docs, unit, package, integration, molecule)}


def chosen(names: Sequence[str]) -> list[Part]:
    """The parts to run, in order and once each, with the lab in front of the first that needs it."""
    wanted = list(PARTS) if "all" in names else list(dict.fromkeys(names))
    parts = [PARTS[name]() for name in wanted]
    first = next((index for index, part in enumerate(parts) if part.needs_lab), None)
    if first is not None:
        parts.insert(first, lab())
    return parts


# What came of it


def read_junit(text: str) -> Count:
    """The tests of a pytest run; an error in a fixture or a file is a failure."""
    suites = list(ElementTree.fromstring(text).iter("testsuite"))
    total, failed, skipped = (
        sum(int(suite.get(name, "0")) for suite in suites for name in names)
        for names in (("tests",), ("failures", "errors"), ("skipped",))
    )
    return Count(total - failed - skipped, failed, skipped)


def read_coverage(text: str) -> str:
    """Line and branch coverage in words."""
    totals = json.loads(text)["totals"]
    branches = totals["num_branches"]
    share = 100 * totals["covered_branches"] / branches if branches else 100
    return f"coverage {totals['percent_covered']:.1f}%, branches {share:.1f}%"


def tally(exit_code: int, tests: Count | None) -> Count:
    """What a step adds to the totals.

    A step without tests counts as one. So does a pytest run that failed though
    its tests did not, or before it had any: an exit code is never lost.
    """
    if tests is None:
        return Count(passed=1) if exit_code == 0 else Count(failed=1)
    if exit_code != 0 and tests.failed == 0:
        return tests + Count(failed=1)
    return tests


def duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """Parts and their steps with times, one line each."""
    rows: list[tuple[str, str, str, str]] = []
    for part in dict.fromkeys(outcome.part for outcome in outcomes):
        mine = [outcome for outcome in outcomes if outcome.part == part]
        seconds = duration(sum(outcome.seconds for outcome in mine))
        rows.append((part, seconds, "ok" if all(outcome.state == "ok" for outcome in mine) else "FAILED", ""))
        rows.extend(
            (f"  {outcome.step.title}", duration(outcome.seconds), outcome.state, outcome.note) for outcome in mine
        )
    title_width = max((len(row[0]) for row in rows), default=0)
    time_width = max((len(row[1]) for row in rows), default=0)
    return [
        f"{title:<{title_width}}  {seconds:>{time_width}}  {state:<7}  {note}".rstrip()
        for title, seconds, state, note in rows
    ]


def summary(outcomes: Sequence[Outcome]) -> list[str]:
    """The end of the output: the table, what to repeat, and the totals alone in the last line."""
    lines = ["", *table(outcomes)]
    for outcome in outcomes:
        if outcome.state == "failed":
            lines.append("")
            lines.append(f"To repeat {outcome.step.title}: make {outcome.part}")
            lines.append(f"  or exactly: {outcome.step.command()}")
    return [*lines, "", str(sum((outcome.count for outcome in outcomes), Count()))]


# Running it


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
    for report in (step.junit, step.coverage):
        if report:
            (ROOT / report).unlink(missing_ok=True)
    started = time.monotonic()
    code, trouble = run(step, log)
    seconds = time.monotonic() - started
    said = log.read_text(errors="replace").rstrip()
    tests = read_junit((ROOT / step.junit).read_text()) if step.junit and (ROOT / step.junit).exists() else None
    notes = [str(tests)] if tests else []
    if step.coverage and (ROOT / step.coverage).exists():
        notes.append(read_coverage((ROOT / step.coverage).read_text()))
    state = "ok" if code == 0 else "failed"
    print(f"{state if code == 0 else 'FAILED'}  {duration(seconds)}{''.join(f'  ({note})' for note in notes)}")
    if code != 0:
        if said:
            print(f"\n{said}\n")
        print(f"  {trouble or f'{step.title} ended with exit code {code}.'}")
        print(f"  To repeat: make {part.name}   or exactly: {step.command()}\n")
    elif step.tell:
        for line in said.splitlines():
            if line.startswith(step.tell):
                print(f"    {line}")
    return Outcome(part.name, step, state, seconds, tally(code, tests), "; ".join(notes))


def perform_all(parts: Iterable[Part]) -> list[Outcome]:
    """Every part to its end, whatever failed before; without a lab, what needs it is not tried."""
    outcomes: list[Outcome] = []
    lab_failed = False
    for part in parts:
        print(f"\n{part.name}", flush=True)
        if not part.steps:
            step = Step(f"{part.name}: nothing to run", ("make", part.name))
            print(f"  Nothing to run was found for {part.name}, which is not a pass.")
            outcomes.append(Outcome(part.name, step, "failed", count=Count(failed=1)))
            continue
        for step in part.steps:
            if lab_failed and (part.needs_lab or part.name == "lab"):
                print(f"  {step.title} not run: the lab did not come up")
                outcomes.append(Outcome(part.name, step, "not run", count=Count(skipped=1)))
                continue
            outcome = perform(part, step)
            outcomes.append(outcome)
            lab_failed |= part.name == "lab" and outcome.state != "ok"
    return outcomes


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="tools/check.py", description="Run the checks of this collection.")
    parser.add_argument("parts", nargs="+", choices=[*PARTS, "all"], help="what to check", metavar="PART")
    names = parser.parse_args(arguments).parts
    # A scheduler ends a job with SIGTERM; the running step must not outlive us.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        outcomes = perform_all(chosen(names))
    except KeyboardInterrupt:
        print("\nStopped; the step that ran was ended. `make clean` removes containers it may have left.")
        return 130
    print("\n".join(summary(outcomes)))
    return 0 if all(outcome.state == "ok" for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
