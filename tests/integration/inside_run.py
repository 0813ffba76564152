"""Runs one module on a node, where the programs and the small disks are, and dies there when told to.

Copied to the node with ansible's module_utils and this collection's plugins; the request comes on standard input.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable

from ansible.module_utils.testing import patch_module_args

PLUGINS = "ansible_collections.runbook.postgres.plugins"


# A run that is held waits for as long as this file is there.
HELD = Path("/tmp/inside-held")
LONGEST_HOLD = 60.0


def interrupt(places: list[str], call: int, uncounted: list[str], act: Callable[[], None]) -> Callable[[], int]:
    """Do something right before the so-many-th call of any of these functions; returns how many there were."""
    left = call
    within = threading.local()

    def watch(real: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            if not getattr(within, "uncounted", False):
                left -= 1
                if left == 0:
                    act()
            return real(*args, **kwargs)

        return wrapped

    def pass_over(real: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            within.uncounted = True
            try:
                return real(*args, **kwargs)
            finally:
                within.uncounted = False

        return wrapped

    for kind, names in ((watch, places), (pass_over, uncounted)):
        for place in names:
            owner, name = named(place)
            setattr(owner, name, kind(getattr(owner, name)))
    return lambda: call - left


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hold() -> None:
    HELD.touch()
    ends = time.monotonic() + LONGEST_HOLD
    while HELD.exists() and time.monotonic() < ends:
        time.sleep(0.02)


def named(path: str) -> tuple[Any, str]:
    """`module:attribute` or `module:Class.method`, a module of ours by its name below module_utils."""
    place, _, attribute = path.partition(":")
    module: Any = importlib.import_module(f"{PLUGINS}.module_utils.{place[1:]}" if place.startswith(".") else place)
    *owners, last = attribute.split(".")
    for each in owners:
        module = getattr(module, each)
    return module, last


def main() -> None:
    request = json.load(sys.stdin)
    watched = [
        interrupt(request[what]["at"], request[what]["call"], request[what]["uncounted"], act)
        for what, act in (("die", die), ("hold", hold))
        if request.get(what)
    ]
    try:
        with patch_module_args(request["arguments"]):
            importlib.import_module(f"{PLUGINS}.modules.{request['module']}").main()
    finally:
        print(f"calls {sum(calls() for calls in watched)}", file=sys.stderr)
        print(f"maxrss {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}", file=sys.stderr)


if __name__ == "__main__":
    main()
