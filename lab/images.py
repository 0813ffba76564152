"""The images nodes boot from: one per Debian release, tagged by a hash of their recipe."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from . import rootfs
from .checkout import BUILT_BY, LAB_ID, locked
from .docker import docker, has_image
from .errors import LabError

RECIPE = Path(__file__).parent / "image"
REPOSITORY = "runbook-lab"

# What roles and tests find installed already; a role still installs on a bare host.
PACKAGES = (
    "acl",
    "age",
    "ca-certificates",
    "iproute2",
    "iptables",
    "locales",
    "lz4",
    "openssl",
    "pgbackrest",
    "pgbouncer",
    "postgresql",
    "procps",
    "python3",
    "python3-apt",
    "python3-psycopg2",
    "rclone",
    "sudo",
    "zstd",
)


@dataclass(frozen=True)
class Release:
    """A Debian release and the PostgreSQL that comes with it."""

    debian: int
    suite: str
    postgresql: int


RELEASES = {
    11: Release(11, "bullseye", 13),
    12: Release(12, "bookworm", 15),
    13: Release(13, "trixie", 17),
}


def release(debian: int) -> Release:
    """The release by its number; an unknown one is refused."""
    if debian not in RELEASES:
        known = ", ".join(map(str, RELEASES))
        raise LabError(f"There is no lab image for Debian {debian}; choose one of {known}.")
    return RELEASES[debian]


def recipe_hash(parts: Iterable[str]) -> str:
    """Twelve hex digits over everything that decides what an image contains."""
    digest = hashlib.sha256()
    for part in parts:
        # The length keeps ("ab", "c") and ("a", "bc") apart.
        digest.update(f"{len(part)}:{part}".encode())
    return digest.hexdigest()[:12]


def base_name(suite: str) -> str:
    return f"{suite}-base-{recipe_hash([suite, *rootfs.PACKAGES])}"


def tag(debian: int, *, bare: bool = False) -> str:
    """The image for a release: the user's own (LAB_IMAGE_12=...), else ours by its recipe.

    A `bare` one has systemd and Python, and nothing of a database.
    """
    wanted = release(debian)
    own = os.environ.get(f"LAB_BARE_IMAGE_{debian}" if bare else f"LAB_IMAGE_{debian}")
    if own:
        return own
    files = (path.read_text() for path in sorted(RECIPE.iterdir()) if path.is_file())
    packages = () if bare else PACKAGES
    kind = "-bare" if bare else ""
    return f"{REPOSITORY}:{wanted.suite}{kind}-{recipe_hash([base_name(wanted.suite), *packages, *files])}"


def ensure(debian: int, say: Callable[[str], None] = lambda _: None, *, bare: bool = False) -> str:
    """The tag of an image that is there now: found, pulled (the user's own) or built."""
    wanted = tag(debian, bare=bare)
    if has_image(wanted):
        return wanted
    if not wanted.startswith(f"{REPOSITORY}:"):
        say(f"Pulling {wanted}")
        docker("pull", "--quiet", wanted)
        return wanted
    with locked(f"image-{debian}"):
        if not has_image(wanted):
            build(release(debian), wanted, say, bare=bare)
    return wanted


def missing(debians: Iterable[int]) -> list[int]:
    """The releases of which an image is not there yet."""
    return [number for number in debians if not (has_image(tag(number)) and has_image(tag(number, bare=True)))]


def ensure_all(debians: Iterable[int], say: Callable[[str], None]) -> list[str]:
    """Both images of several releases, side by side: while one waits for the network another unpacks."""
    wanted = list(debians)
    if any(tag(number).startswith(f"{REPOSITORY}:") for number in missing(wanted)) and rootfs.available():
        rootfs.install_mmdebstrap()  # once, before threads would race for dpkg's lock
    with ThreadPoolExecutor(max_workers=3) as pool:
        return list(pool.map(lambda number: both(number, say), wanted))


def both(debian: int, say: Callable[[str], None]) -> str:
    """The bare one first: it is what the other is built on."""
    ensure(debian, say, bare=True)
    return ensure(debian, say)


def build(wanted: Release, name: str, say: Callable[[str], None], *, bare: bool = False) -> None:
    content = "without a database" if bare else f"with PostgreSQL {wanted.postgresql}"
    say(f"Building the lab image of Debian {wanted.debian} {content}")
    # The label tells `make clean` what this checkout made, whenever it is killed.
    docker(
        "build",
        "--quiet",
        "--force-rm",
        f"--target={'bare' if bare else 'node'}",
        f"--tag={name}",
        f"--label={BUILT_BY}={LAB_ID}",
        f"--build-arg=BASE={base_image(wanted)}",
        f"--build-arg=BASICS={' '.join(rootfs.PACKAGES)}",
        *([] if bare else [f"--build-arg=PACKAGES={' '.join(PACKAGES)}"]),
        str(RECIPE),
    )


def base_image(wanted: Release) -> str:
    """Debian without the database: made here, or the registry's own where that is not possible."""
    if not rootfs.available():
        return official_image(wanted)
    name = f"{REPOSITORY}:{base_name(wanted.suite)}"
    if not has_image(name):
        rootfs.install_mmdebstrap()
        tar = rootfs.build(wanted.suite, base_name(wanted.suite))
        docker("import", f"--change=LABEL {BUILT_BY}={LAB_ID}", str(tar), name)
    return name


def official_image(wanted: Release) -> str:
    """Debian's own image, for a user without root but with a registry in reach."""
    name = f"debian:{wanted.suite}"
    if not has_image(name) and docker("pull", "--quiet", name, check=False).returncode:
        raise LabError(
            f"The image of Debian {wanted.debian} needs root (or sudo) to be made by mmdebstrap, or a "
            f"registry to pull {name} from; with neither, name your own in LAB_IMAGE_{wanted.debian}."
        )
    return name
