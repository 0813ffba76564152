"""Waiting for something to become true, with a bound."""

from __future__ import annotations

import time
from collections.abc import Callable

from .errors import LabError


def wait_until(what: str, predicate: Callable[[], object], bound: float = 30.0, pause: float = 0.1) -> None:
    """Return when `predicate()` is true; `what` completes the sentence of the failure."""
    deadline = time.monotonic() + bound
    while not predicate():
        if time.monotonic() > deadline:
            raise LabError(f"Waited {bound:.0f} s in vain until {what}.")
        time.sleep(pause)
