"""Which images this checkout made, so that cleaning removes those and no others."""

from __future__ import annotations

from pathlib import Path

from .checkout import STATE, locked

LEDGER = STATE / "images"


def add(image: str) -> None:
    with locked("ledger"):
        if image not in read(LEDGER):
            with LEDGER.open("a") as handle:
                handle.write(f"{image}\n")


def read(path: Path = LEDGER) -> list[str]:
    """Image ids, oldest first; a line that a killed writer left unfinished is skipped."""
    if not path.exists():
        return []
    lines = path.read_text().splitlines()
    return [line for line in lines if line.startswith("sha256:") and len(line) == len("sha256:") + 64]
