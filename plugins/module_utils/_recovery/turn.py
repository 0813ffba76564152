# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One recovery, or drill, at a time. A second one is told what the first is at, and does not wait for hours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._host_lock import Busy, alone, holder
from ansible_collections.runbook.postgres.plugins.module_utils._progress import HOST, told_in

# A dry run that asks holds the lock while it does.
_SECONDS = 5.0


@contextmanager
def turn(name: str, title: str, *, check: bool) -> Iterator[None]:
    """`title` says what runs are at of which only one may be; a dry run looks and takes nothing."""
    with ExitStack() as held:
        if check:
            process = holder(name)
            if process is not None:
                raise Refused(_busy(title, process))
        else:
            try:
                held.enter_context(alone(name, _SECONDS))
            except Busy as busy:
                raise Refused(_busy(title, holder(name) or "unknown")) from busy
        yield


def _busy(title: str, process: str) -> str:
    told = next((each for each in told_in(HOST) if str(each.get("process")) == process), {})
    words = [f"process {process}"]
    if told:
        words.append(f"{told.get('work')} of stanza {told.get('stanza')}")
        words += [f"to {told['target']}"] if told.get("target") else []
        words += [f"at {told['phase']}"] if told.get("phase") else []
        words += [f"{told['percent']:.0f} % of it"] if told.get("percent") is not None else []
    return f"Another run is at work on {title} of this host ({', '.join(words)}): run this again when it is through."
