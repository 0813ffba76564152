# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is said of a table that is about to be detached: what becomes of it, should we not get there.

A mark is the first line of its comment; what it was commented with before
follows in lines of its own, in case it stays after all.
"""

from __future__ import annotations

_MARK = "runbook.postgres: detached from {title}, to be dropped"
# The bounds follow on the same line: they are forgotten with the detaching.
_AWAITING = "runbook.postgres: detached from {title}, to be archived, "


def mark_of(title: str) -> str:
    """In one line, whatever the name holds."""
    return _MARK.format(title=_one_line(title))


def awaiting_of(title: str) -> str:
    return _AWAITING.format(title=_one_line(title))


def _one_line(title: str) -> str:
    return title.replace("\\", "\\\\").replace("\n", "\\n")


def awaited_bound(said: str, title: str) -> str | None:
    """The bounds that a mark of the second kind tells, or None where there is none."""
    start = awaiting_of(title)
    return said[len(start) :].partition("\n")[0] if said.startswith(start) else None


def own_comment(said: str | None, title: str) -> str | None:
    """What a table is commented with beside our marks."""
    mark, awaiting = mark_of(title), awaiting_of(title)
    lines = [each for each in (said or "").split("\n") if each != mark and not each.startswith(awaiting)]
    return "\n".join(lines) or None


def marked(mark: str, said: str | None, title: str) -> str:
    comment = own_comment(said, title)
    return mark if comment is None else f"{mark}\n{comment}"
