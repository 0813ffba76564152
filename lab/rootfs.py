"""The root file system that an image starts from, made by mmdebstrap from Debian's packages."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from .checkout import STATE
from .docker import run

# Enough to boot, to be managed by Ansible and to install the rest.
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "python3",
    "python3-apt",
    "sudo",
    "iproute2",
    "ca-certificates",
    "locales",
)


def available() -> bool:
    """Whether one can be made here: mmdebstrap wants root, and apt-get where it is not installed."""
    return bool(shutil.which("mmdebstrap") or shutil.which("apt-get")) and as_root() is not None


def as_root() -> list[str] | None:
    """The words that put a command into root's hands, or None."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and run(["sudo", "-n", "true"], check=False).returncode == 0:
        return ["sudo", "-n"]
    return None


def install_mmdebstrap() -> None:
    if shutil.which("mmdebstrap"):
        return
    prefix = as_root() or []
    install = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y"]
    install += ["--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", "mmdebstrap"]
    if run(install, check=False).returncode:
        run([*prefix, "apt-get", "update"])
        run(install)


def build(suite: str, name: str) -> Path:
    """The tar file of `suite`, from the cache or made now."""
    cached = STATE / "cache" / f"{name}.tar"
    if cached.exists():
        return cached
    cached.parent.mkdir(parents=True, exist_ok=True)
    part = cached.with_name(f"{name}.part.tar")
    part.unlink(missing_ok=True)  # of a call that was killed; the caller holds the lock
    try:
        run(
            [
                *(as_root() or []),
                "mmdebstrap",
                "--quiet",
                "--variant=minbase",
                f"--include={','.join(PACKAGES)}",
                "--components=main",
                # Without a mirror named it takes Debian's own: the suite, its updates and its security fixes.
                suite,
                str(part),
            ]
        )
        part.rename(cached)  # a half-written file never has the name that counts
    finally:
        part.unlink(missing_ok=True)
    return cached
