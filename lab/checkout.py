"""Where this checkout is, and the id that keeps its containers apart from other clones'."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".lab"
LABEL = "runbook.postgres.lab"  # of containers and networks
# Of images. It is another one, because containers inherit their image's labels.
BUILT_BY = "runbook.postgres.built-by"


def lab_id_of(path: Path) -> str:
    """Six hex digits that differ between checkouts."""
    return hashlib.sha256(str(path).encode()).hexdigest()[:6]


def subnet_of(lab_id: str) -> str:
    """The first three bytes of this lab's /24 network, from the part of 10/8 that few use."""
    digest = hashlib.sha256(lab_id.encode()).digest()
    return f"10.{192 + digest[0] % 56}.{digest[1]}"


LAB_ID = os.environ.get("LAB_ID") or lab_id_of(ROOT)


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """One process of this checkout at a time; a killed one leaves nothing behind."""
    STATE.mkdir(exist_ok=True)
    with (STATE / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
