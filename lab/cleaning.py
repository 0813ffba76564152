"""Which things on this machine were made by this checkout, and their removal."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from .checkout import BUILT_BY, LAB_ID, LABEL, ROOT
from .docker import answers, docker
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


def ours(rows: Iterable[str], lab_id: str) -> dict[str, str]:
    """Id and name of the rows "id name label" that belong to `lab_id`, by label or by name.

    The name counts because Molecule's own networks carry no label of ours.
    """
    found = {}
    for row in rows:
        identity, name, label = (*row.split("\t"), "", "")[:3]
        if label == lab_id or name.startswith(f"runbook-{lab_id}-"):
            found[identity] = name
    return found


def made_files(root: Path) -> list[Path]:
    """What to remove below the checkout; links are never followed."""
    found = [path for pattern in MADE for path in sorted(root.glob(pattern))]
    skipped = {root / ".git", *found}
    caches = (path for path in sorted(root.rglob("__pycache__")) if not skipped & set(path.parents))
    return [*found, *caches]


def clean(say: Say) -> None:
    """Containers before networks and images, which they hold."""
    reachable = answers()
    if reachable:
        remove_containers(say)
        remove_networks(say)
        remove_images(say)
    remove_files(made_files(ROOT), say)
    if not reachable and shutil.which("docker"):
        raise LabError(
            "The Docker engine does not answer, so what it may hold of this checkout stays; "
            "start it (tools/engine) and repeat."
        )
    say("Nothing of this checkout is left; the Docker engine and Debian packages stay.")


def remove_containers(say: Say) -> None:
    shape = f'{{{{.ID}}}}\t{{{{.Names}}}}\t{{{{.Label "{LABEL}"}}}}'
    for identity, name in ours(lines("ps", "--all", "--no-trunc", "--format", shape), LAB_ID).items():
        docker("rm", "--force", "--volumes", identity)
        say(f"Removed container {name}")


def remove_networks(say: Say) -> None:
    shape = f'{{{{.ID}}}}\t{{{{.Name}}}}\t{{{{.Label "{LABEL}"}}}}'
    for identity, name in ours(lines("network", "ls", "--no-trunc", "--format", shape), LAB_ID).items():
        docker("network", "rm", identity)
        say(f"Removed network {name}")


def remove_images(say: Say) -> None:
    """The newest first, as older ones are their bases; one that something else uses stays."""
    label = f"label={BUILT_BY}={LAB_ID}"
    for identity in dict.fromkeys(lines("image", "ls", "--no-trunc", "--quiet", "--filter", label)):
        tags = lines("image", "inspect", "--format", '{{join .RepoTags " "}}', identity)
        name = "".join(tags) or identity
        done = docker("image", "rm", identity, check=False)
        last = (done.stderr.strip().splitlines() or [""])[-1]
        say(f"Removed image {name}" if done.returncode == 0 else f"Image {name} stays: {last}")


def lines(*argv: str) -> list[str]:
    return docker(*argv).stdout.splitlines()


def remove_files(paths: Iterable[Path], say: Say) -> None:
    for path in paths:
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            why = f"{path} cannot be removed ({error.strerror}); remove it as its owner and repeat."
            raise LabError(why) from None
        if path.name != "__pycache__":
            say(f"Removed {path.name}")
