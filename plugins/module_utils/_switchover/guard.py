# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A process beside ours that does what has to be done in the end, should ours be killed before it could."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator

_DONE = b"."


@contextlib.contextmanager
def guarded(act: Callable[[], object]) -> Iterator[None]:
    """Whatever happens inside is ours to end, except a kill: then `act` is done by the process that outlives us.

    Locks that we hold are its own as well, so that nobody takes us for gone before it has ended.
    """
    watched, ours = os.pipe()
    child = os.fork()
    if child == 0:
        _watch(watched, ours, act)
    os.close(watched)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.write(ours, _DONE)
        os.close(ours)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child, 0)


def _watch(watched: int, ours: int, act: Callable[[], object]) -> None:
    """Never returns. It keeps none of the ends by which others notice that a program is over."""
    try:
        os.setsid()
        os.close(ours)
        nothing = os.open(os.devnull, os.O_RDWR)
        for end in (0, 1, 2):
            os.dup2(nothing, end)
        if os.read(watched, 1) != _DONE:
            act()
    finally:
        os._exit(0)
