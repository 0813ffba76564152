"""The only place of the lab that talks to Docker: its command line, as lists of words."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from typing import IO

from .errors import LabError

Completed = subprocess.CompletedProcess[str]


def docker(
    *argv: str,
    input: str | None = None,  # noqa: A002 - the name subprocess.run uses
    stdin: IO[bytes] | None = None,
    check: bool = True,
    timeout: float | None = None,
) -> Completed:
    """Run `docker argv...`; a failure becomes a LabError with Docker's own last words."""
    return run(["docker", *argv], input=input, stdin=stdin, check=check, timeout=timeout)


def run(
    argv: Sequence[str],
    *,
    input: str | None = None,  # noqa: A002
    stdin: IO[bytes] | None = None,
    check: bool = True,
    timeout: float | None = None,
) -> Completed:
    """Run a program and keep what it says."""
    # Images are built by the classic builder: it needs no plugin and no registry.
    environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
    source = {"input": input} if stdin is None and input is not None else {"stdin": stdin or subprocess.DEVNULL}
    try:
        done = subprocess.run(  # type: ignore[call-overload]
            list(argv),
            text=True,
            errors="replace",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=timeout,
            env=environment,
            **source,
        )
    except FileNotFoundError:
        raise LabError(f"The program {argv[0]} is missing; run 'make lab', which installs what it can.") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"'{' '.join(argv[:3])}' did not finish within {timeout:.0f} s.") from None
    if check and done.returncode:
        raise LabError(failure(argv, done))
    return done


def failure(argv: Sequence[str], done: Completed) -> str:
    """One sentence about a program that failed, without its arguments' values."""
    words = (done.stderr or done.stdout or "").strip().splitlines() or ["no message"]
    return f"'{' '.join(argv[:2])}' failed with exit code {done.returncode}: {words[-1]}"


def has_image(reference: str) -> bool:
    return docker("image", "inspect", reference, check=False).returncode == 0


def image_id(reference: str) -> str:
    return docker("image", "inspect", "--format", "{{.Id}}", reference).stdout.strip()
