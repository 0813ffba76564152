"""Run `ansible-test sanity`, and name the tests that cannot run here and why.

It looks at what the tarball will hold: rules for a collection's content do not
suit the workshop around it, which ruff and mypy look after.

ansible-test wants a directory `.../ansible_collections/runbook/postgres` with
a git repository of its own, and resolves symlinks, so it gets a copy. Its
virtualenvs stay in that copy and in a home directory of its own under .lab,
where `make clean` finds them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path, PurePath

import yaml
from ansible_test._util.target.common import constants

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".lab/home"
COPY = ROOT / ".lab/sanity/ansible_collections/runbook/postgres"
# ansible-test's own in the copy: its repository, and where it caches and reports.
KEPT = {".git", "tests/output"}
# Not in the tarball, and yet part of what ansible-test reads.
READ_BY_IT = (".gitignore", "tests/sanity/")
PIP_SCRIPT = re.compile(r"Download failed: .*?saved to: (?P<path>\S+)", re.DOTALL)


def looked_at(names: Iterable[str], build_ignore: Collection[str]) -> set[str]:
    """Those files that are published, or read by ansible-test."""

    def published(name: str) -> bool:
        path = PurePath(name)
        return not any(fnmatch(str(part), entry) for part in (path, *path.parents) for entry in build_ignore)

    return {name for name in names if published(name) or name.startswith(READ_BY_IT)}


def refresh_copy() -> None:
    """Make the copy equal to what git knows, or would take, of the files to look at."""
    listed = subprocess.run(
        ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"),
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    ignored = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["build_ignore"]
    present = (name for name in listed.split("\0") if name and (ROOT / name).is_file())
    wanted = looked_at(present, ignored)
    COPY.mkdir(parents=True, exist_ok=True)
    if not (COPY / ".git").exists():
        subprocess.run(("git", "init", "--quiet"), cwd=COPY, check=True)
    for path in sorted(COPY.rglob("*"), reverse=True):
        name = path.relative_to(COPY).as_posix()
        if any(name == kept or name.startswith(f"{kept}/") or kept.startswith(f"{name}/") for kept in KEPT):
            continue
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif name not in wanted:
            path.unlink()
    for name in wanted:
        target = COPY / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)


def sanity() -> subprocess.CompletedProcess[str]:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    # Verbose, because only then it says which tests found nothing to look at.
    command = ("ansible-test", "sanity", "-v", "--color", "no", "--venv", "--python", version)
    return subprocess.run(
        command,
        cwd=COPY,
        env=os.environ | {"HOME": str(HOME)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def put_stand_in(output: str) -> bool:
    """Where ansible-test could not fetch its pip installer, leave one that uses Python's own.

    It fetches a script from its project's server to fill its virtualenvs. A
    network that only has a package index lacks that server; ensurepip does
    the same from what Python brings along.
    """
    missing = PIP_SCRIPT.search(output)
    if not missing:
        return False
    path = Path(missing["path"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("import ensurepip\n\nensurepip.bootstrap()\n")
    return True


def not_run(output: str, pythons: Sequence[str], own: str) -> list[str]:
    """The tests that did not run, each with its reason."""
    idle = idle_tests(output)
    found = [f"{', '.join(idle)}: the collection has no file of that kind"] if idle else []
    found += [line.split("WARNING: ", 1)[-1] for line in output.splitlines() if "Skipping sanity test" in line]
    others = [version for version in pythons if version != own]
    if others:
        found.append(f"compile and import on Python {', '.join(others)}: they run on {own}, the one of .venv")
    return list(dict.fromkeys(found))


def findings(output: str) -> list[str]:
    """The output without what `-v` adds for debugging ansible-test itself."""
    return [line for line in output.splitlines() if not line.startswith(("Run command", "Stream command"))]


def idle_tests(output: str) -> list[str]:
    pattern = re.compile(r'Running sanity test "(?P<name>[^"]+)".*\nNo tests applicable')
    return [match["name"] for match in pattern.finditer(output)]


def ran(output: str) -> list[str]:
    started = re.findall(r'Running sanity test "([^"]+)"', output)
    idle = idle_tests(output)
    return [name for name in dict.fromkeys(started) if name not in idle]


def main() -> int:
    refresh_copy()
    result = sanity()
    if result.returncode != 0 and put_stand_in(result.stdout):
        result = sanity()
    if result.returncode != 0:
        print("\n".join(findings(result.stdout)))
        return 1
    names = ran(result.stdout)
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    pythons = (*constants.REMOTE_ONLY_PYTHON_VERSIONS, *constants.CONTROLLER_PYTHON_VERSIONS)
    print(f"ran: {len(names)} tests: {', '.join(names)}")
    for reason in not_run(result.stdout, pythons, own):
        print(f"not run here: {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
