# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How far pgBackRest is, in its own words: it names each file that is through, its size, and the share until then."""

from __future__ import annotations

import os
import re

from ansible_collections.runbook.postgres.plugins.module_utils._command import MOST_WORDS
from ansible_collections.runbook.postgres.plugins.module_utils._progress import Measured

# Besides what it tells at level info, all releases then tell of each file.
LEVEL = "detail"
# "(19.5MB, 46.90%)", in bundles "(bundle 1/3, 8KB, 12.34%)", and whole percents before 2.38.
_FILE = re.compile(r" file .*\((?:bundle [\d/]+, )?([\d.]+)([KMGTP]?B), (\d+(?:\.\d+)?)%\)")
_UNITS = {"B": 0, "KB": 10, "MB": 20, "GB": 30, "TB": 40, "PB": 50}


class Said:
    """What it prints into a file that only grows; sizes are rounded there, and not where the total is known."""

    def __init__(self, descriptor: int, total: int | None = None) -> None:
        self._descriptor = descriptor
        self._total = total
        self._position = 0
        self._bytes = self._share = 0.0

    def measure(self) -> Measured:
        """Bytes of the files that are through, and of how many."""
        while True:
            # The place in the file is shared with the program, which writes there.
            data = os.pread(self._descriptor, MOST_WORDS, self._position)
            whole = data[: data.rfind(b"\n") + 1]
            if not whole:
                break
            self._position += len(whole)
            self.hear(whole.decode(errors="replace"))
        if self._total is not None:
            return self._share * self._total, self._total
        # Before the first one is through it is not known how many there are.
        return self._bytes, self._bytes / self._share if self._share else None

    def hear(self, text: str) -> None:
        for size, unit, percent in _FILE.findall(text):
            self._bytes += float(size) * (1 << _UNITS[unit])
            self._share = max(self._share, float(percent) / 100)
