"""What there is to check: parts, each a list of steps, each one command."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Ansible's tools find a collection by this path, not by where the checkout lies.
COLLECTION = Path(".lab/collections/ansible_collections/runbook/postgres")
REPORTS = Path("build/reports")
RELEASES = ("11", "12", "13")


@dataclass(frozen=True)
class Step:
    """One command, and where the figures that it leaves behind are read."""

    title: str
    argv: tuple[str, ...]
    cwd: Path = Path()
    env: tuple[tuple[str, str], ...] = ()
    junit: Path | None = None
    coverage: Path | None = None
    # Coverage's data, beside its figures.
    data: Path | None = None
    # Lines of a passing step's output that start with this are worth a reader's time.
    tell: tuple[str, ...] = ()

    def written(self) -> list[Path]:
        """The files that a run leaves behind; those of an earlier run must not be taken for its own."""
        return [path for path in (self.junit, self.coverage, self.data) if path]

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
    # Beside whom it runs of those that need the lab: "lab", "servers" or "clusters".
    lane: str = "servers"
    # It judges what the others left behind.
    comes_last: bool = False
    # Each step builds on the one before.
    chained: bool = False
    # How to run it again, when that is not the target of its name.
    repeat: str = ""

    def command(self) -> str:
        return self.repeat or f"make {self.name}"


def tool(name: str) -> str:
    """A program of the virtualenv, by the path that works from any directory."""
    return str(ROOT / ".venv" / "bin" / name)


def pytest(title: str, path: str) -> Step:
    junit = REPORTS / f"{Path(path).name}.xml"
    return Step(title, (".venv/bin/pytest", path, f"--junitxml={junit}"), junit=junit)


def covered_pytest(title: str, path: str) -> Step:
    """Tests that run plugins/ in their own process, and what of it they reached.

    The bound is for all tests together: what a decision does is the unit tests'
    to show, what a server answers is the integration tests'.
    """
    plain = pytest(title, path)
    report = REPORTS / f"coverage-{Path(path).name}.json"
    options = ("--cov", "--cov-report=term", f"--cov-report=json:{report}", "--cov-fail-under=0")
    data = coverage_data(Path(path).name)
    environment = (("COVERAGE_FILE", str(data)),)
    return replace(plain, argv=(*plain.argv, *options), env=environment, coverage=report, data=data)


def coverage_data(name: str) -> Path:
    return REPORTS / f"{name}.coverage"


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
            # It refuses a directory that others may write to, or that is missing.
            Step("pages directory", ("install", "-d", "-m", "755", pages)),
            Step(
                "antsibull-docs lint",
                (".venv/bin/antsibull-docs", "lint-collection-docs", "--plugin-docs", "."),
                env=(("HOME", "build/docs"),),
            ),
            # It keeps a log in the home directory, which is not ours to write to.
            Step("pages of the modules", (f".venv/bin/{render[0]}", *render[1:]), env=(("HOME", "build/docs"),)),
            # -E: pages it did not read again would keep their warnings to themselves.
            Step(
                "documentation site",
                (".venv/bin/sphinx-build", "-M", "html", pages, site, "-c", "docs", "-E", "-W", "--keep-going"),
            ),
        ),
    )


def unit() -> Part:
    return Part("unit", (covered_pytest("unit tests", "tests/unit"),))


def package() -> Part:
    return Part(
        "package",
        (
            Step("the lowest supported ansible-core", ("tools/oldest-core",)),
            pytest("package tests", "tests/package"),
        ),
    )


def integration() -> Part:
    return Part("integration", (covered_pytest("integration tests", "tests/integration"),), needs_lab=True)


def site() -> Part:
    return Part("site", (pytest("a cluster from bare hosts", "tests/site"),), needs_lab=True, lane="clusters")


def molecule() -> Part:
    scenarios = sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))
    return Part(
        "molecule",
        tuple(Step(f"scenario {name}", ("tools/molecule", name)) for name in scenarios),
        needs_lab=True,
        lane="clusters",
    )


def coverage() -> Part:
    """The bound of pyproject.toml, held against both kinds of tests together."""
    whole, report = coverage_data("all"), REPORTS / "coverage.json"
    both = (str(coverage_data("unit")), str(coverage_data("integration")))
    tool, data = ".venv/bin/coverage", f"--data-file={whole}"
    return Part(
        "coverage",
        (
            Step("unit and integration together", (tool, "combine", "--keep", data, *both)),
            Step("figures", (tool, "json", data, "-o", str(report), "--fail-under=0"), coverage=report),
            Step("the bound", (tool, "report", data)),
        ),
        chained=True,
        comes_last=True,
        repeat=".venv/bin/python tools/check.py unit integration",
    )


def lab() -> Part:
    return Part(
        "lab",
        (
            Step("Docker engine", ("tools/engine",)),
            Step("images", (".venv/bin/python", "-m", "lab", "image", *RELEASES)),
        ),
        needs_lab=True,
        lane="lab",
        chained=True,
    )


PARTS = {maker.__name__: maker for maker in (lint, sanity, docs, unit, package, integration, site, molecule)}


def chosen(names: Sequence[str]) -> list[Part]:
    """The parts to run, in order and once each, with the lab in front of the first that needs it.

    Coverage is judged, last, when both kinds of tests that count towards it run.
    """
    wanted = list(PARTS) if "all" in names else list(dict.fromkeys(names))
    parts = [PARTS[name]() for name in wanted]
    first = next((index for index, part in enumerate(parts) if part.needs_lab), None)
    if first is not None:
        parts.insert(first, lab())
    if {"unit", "integration"} <= set(wanted):
        parts.append(coverage())
    return parts


def lanes(parts: Sequence[Part]) -> list[list[Part]]:
    """What may run side by side: what computes, and two that wait for containers most of the time.

    The lab is a lane of its own, which those two wait for: servers that tests share, and clusters that are built anew.
    """
    computing = [part for part in parts if not part.needs_lab]
    sides = [
        [part for part in parts if part.needs_lab and part.lane == lane] for lane in ("lab", "servers", "clusters")
    ]
    return [side for side in (computing, *sides) if side]
