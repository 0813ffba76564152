# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A service file that others write as well: our block in it, and what they have outside of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

# What libpq takes off both ends of a line.
_BLANK = " \t\n\v\f\r"


def refusals(path: str, there: str, block: str, names: Sequence[str]) -> Iterator[str]:
    """Why our services cannot be put into a file; libpq takes the first of a name."""
    lines = there.splitlines()
    begin, end = f"# BEGIN {block}", f"# END {block}"
    begins, ends = ([at for at, line in enumerate(lines) if line == mark] for mark in (begin, end))
    if begins or ends:
        if len(begins) != 1 or len(ends) != 1 or ends < begins:
            yield (
                f"{path} does not have the lines {begin!a} and {end!a} once each and in this order: remove what is "
                "left of that block by hand."
            )
            return
        del lines[begins[0] : ends[0] + 1]
    theirs = [line.strip(_BLANK) for line in lines]
    for name in names:
        if any(line.startswith(f"[{name}]") for line in theirs):
            yield (
                f"{path} has a service {name!a} already that somebody else wrote, and libpq takes the first of a name: "
                "give yours another name, or remove theirs."
            )
