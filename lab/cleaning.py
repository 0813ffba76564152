"""Which things on this machine were made by this checkout, and their removal."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from . import ledger
from .checkout import LAB_ID, LABEL, ROOT
from .docker import docker
from .errors import LabError

# Directories and files below the checkout that its commands make. Nothing that
# git tracks is among them.
MADE = (
    ".venv",
    ".lab",
    "build",
    ".ansible",
    ".hypothesis",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".coverage",
    ".coverage.*",
    "tests/output",
    "runbook-postgres-*.tar.gz",
)

Say = Callable[[str], None]


def ours(rows: Iterable[str], lab_id: str) -> list[str]:
    """Ids of the rows "id name label" that belong to `lab_id`, by label or by name.

    The name counts because Molecule's own networks carry no label of ours.
    """
    found = []
    for row in rows:
        identity, name, label = (*row.split("\t"), "", "")[:3]
        if label == lab_id or name.startswith(f"runbook-{lab_id}-"):
            found.append(identity)
    return found


def made_files(root: Path) -> list[Path]:
    """What to remove below the checkout; links are never followed."""
    found = [path for pattern in MADE for path in sorted(root.glob(pattern))]
    gone = {root / ".venv", root / ".lab", root / "build", root / ".git"}
    caches = (path for path in root.rglob("__pycache__") if not gone & set(path.parents))
    return [*found, *sorted(caches)]


def clean(say: Say) -> None:
    """Containers before networks and images, which they hold; the ledger before its directory."""
    if engine_answers():
        say(f"Containers removed: {remove_containers()}")
        say(f"Networks removed: {remove_networks()}")
        say(f"Images removed: {remove_images(ledger.read(), say)}")
    elif ledger.read():
        raise LabError(
            f"{len(ledger.read())} images of this checkout are in a Docker engine that does not answer; "
            "start it (tools/engine) and repeat, or remove .lab/images to forget them."
        )
    say(f"Files and directories removed: {remove_files(made_files(ROOT))}")


def engine_answers() -> bool:
    return shutil.which("docker") is not None and docker("info", check=False).returncode == 0


def remove_containers() -> int:
    shape = f'{{{{.ID}}}}\t{{{{.Names}}}}\t{{{{.Label "{LABEL}"}}}}'
    found = ours(docker("ps", "--all", "--no-trunc", "--format", shape).stdout.splitlines(), LAB_ID)
    if found:
        docker("rm", "--force", "--volumes", *found)
    return len(found)


def remove_networks() -> int:
    shape = f'{{{{.ID}}}}\t{{{{.Name}}}}\t{{{{.Label "{LABEL}"}}}}'
    found = ours(docker("network", "ls", "--no-trunc", "--format", shape).stdout.splitlines(), LAB_ID)
    if found:
        docker("network", "rm", *found)
    return len(found)


def remove_images(recorded: list[str], say: Say) -> int:
    """The newest first, as older ones are their bases; one in use by someone else stays."""
    removed = 0
    present = set(docker("image", "ls", "--all", "--no-trunc", "--quiet").stdout.split())
    for image in reversed(recorded):
        if image not in present:
            continue
        done = docker("image", "rm", image, check=False)
        if done.returncode == 0:
            removed += 1
        else:
            say(f"Image {image[:19]} stays: {done.stderr.strip().splitlines()[-1]}")
    return removed


def remove_files(paths: Iterable[Path]) -> int:
    removed = 0
    for path in paths:
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise LabError(f"{path} cannot be removed ({error.strerror}); remove it as its owner and repeat.") from None
        removed += 1
    return removed
