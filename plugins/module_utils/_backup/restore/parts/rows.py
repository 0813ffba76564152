# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Rows out of what pg_restore prints: one table after the other, never whole in memory."""

from __future__ import annotations

from typing import Callable

from ansible_collections.runbook.postgres.plugins.module_utils._stream.reading import PORTION, Unreadable

_END = b"\n\\.\n"


class Blocks:
    """begin() goes on to a table's rows; read() gives them and nothing at their end."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        # A line break in front of everything makes each line begin after one.
        self._held = b"\n"
        self._over = True

    def begin(self, header: str, title: str) -> None:
        wanted = b"\n" + header.encode() + b"\n"
        while True:
            at = self._held.find(wanted)
            if at >= 0:
                # With the line break before the first row: an empty table's end is found like any other's.
                self._held = self._held[at + len(wanted) - 1 :]
                self._over, self._first = False, True
                return
            self._held = self._held[-len(wanted) :]
            if not self._more():
                raise Unreadable(f"the rows of {title} are not where they should be, or are told in other columns")

    def read(self, size: int) -> bytes:  # noqa: ARG002 - as large as they come
        while not self._over:
            at = self._held.find(_END)
            if at >= 0:
                rows, self._held = self._held[: at + 1], self._held[at + len(_END) - 1 :]
                self._over = True
            else:
                # The end may have come in part.
                keep = len(_END) - 1
                rows, self._held = self._held[:-keep], self._held[-keep:]
            if self._first and rows:
                rows, self._first = rows[1:], False
            if rows:
                return rows
            if not self._over and not self._more():
                raise Unreadable("the rows end before their end")
        return b""

    def _more(self) -> bool:
        data = self._read(PORTION)
        self._held += data
        return bool(data)
