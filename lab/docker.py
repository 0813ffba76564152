"""The only place of the lab that talks to Docker: its command line, as lists of words."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

from .errors import LabError

Completed = subprocess.CompletedProcess[str]


def docker(
    *argv: str,
    input: str | None = None,  # noqa: A002 - the name subprocess.run uses
    check: bool = True,
    timeout: float | None = None,
) -> Completed:
    """Run `docker argv...`; a failure becomes a LabError with Docker's own last words."""
    return run(["docker", *argv], input=input, check=check, timeout=timeout)


def run(
    argv: Sequence[str],
    *,
    input: str | None = None,  # noqa: A002
    check: bool = True,
    timeout: float | None = None,
) -> Completed:
    """Run a program and keep what it says."""
    # Images are built by the classic builder: it needs no plugin and no registry.
    environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
    try:
        done = subprocess.run(
            list(argv),
            input=input or "",  # never the terminal's
            text=True,
            errors="replace",
            capture_output=True,
            timeout=timeout,
            env=environment,
            check=False,  # a failure is told in our own words below
        )
    except FileNotFoundError:
        raise LabError(f"{argv[0]} is missing; run 'make lab', which installs what it can.") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"'{' '.join(argv[:3])}' did not finish within {timeout:.0f} s.") from None
    if check and done.returncode:
        raise LabError(failure(argv, done))
    return done


def failure(argv: Sequence[str], done: Completed) -> str:
    """One sentence about a program that failed, without its arguments' values."""
    words = (done.stderr or done.stdout or "").strip().splitlines() or ["no message"]
    return f"'{' '.join(argv[:2])}' failed with exit code {done.returncode}: {words[-1]}"


def answers() -> bool:
    """Whether an engine answers this user."""
    return shutil.which("docker") is not None and docker("info", check=False).returncode == 0


def has_image(reference: str) -> bool:
    if docker("image", "inspect", reference, check=False).returncode == 0:
        return True
    if not answers():  # not the same as an image that is missing
        raise LabError("The Docker engine does not answer; run tools/engine, which starts one or says why not.")
    return False
