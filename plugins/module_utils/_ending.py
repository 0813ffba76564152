# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A run that is asked to end, by a shutdown, a job that is cancelled or a session that is gone, ends in order."""

from __future__ import annotations

import signal
import threading
from types import FrameType

_ASKING = (signal.SIGTERM, signal.SIGHUP)


class Ended(BaseException):
    """Not an Exception: nobody who goes on after an error is to go on after this."""

    def __init__(self, number: int) -> None:
        self.sentence = (
            f"The run was ended by {signal.Signals(number).name} before it was through: what it had begun was cleaned "
            "up, or is gone on with by the next run."
        )
        super().__init__(self.sentence)


class Ending:
    """Has the first such signal raised where the run is at; what it then cleans up later ones do not disturb."""

    def __init__(self) -> None:
        self._taken: list[signal.Signals] = []

    def begin(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        # Whoever had one of them ignored, as nohup does, meant it.
        self._taken = [each for each in _ASKING if signal.getsignal(each) == signal.SIG_DFL]
        for each in self._taken:
            signal.signal(each, self._end)

    def give_back(self) -> None:
        for each in self._taken:
            signal.signal(each, signal.SIG_DFL)
        self._taken = []

    def _end(self, number: int, _frame: FrameType | None) -> None:
        for each in self._taken:
            # And not SIG_IGN, which programs that are started from here on would have as well.
            signal.signal(each, lambda *_: None)
        raise Ended(number)
