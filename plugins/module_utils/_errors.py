# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can go wrong, each as one sentence that an operator can act on."""

from __future__ import annotations


class Problem(Exception):
    """A condition that ends the module: what was found, where, what to do next."""

    @property
    def sentence(self) -> str:
        # Names may hold line breaks; a sentence does not.
        return " ".join(str(self).split())


def said(error: Problem | OSError) -> str:
    """What failed, also where it was the operating system that said no: a disk that is full, or gone."""
    if isinstance(error, Problem):
        return error.sentence
    return f"{error.filename or 'A file'} cannot be used ({error.strerror or error}): look at its disk and its rights."


class Refused(Problem):
    """What was asked for cannot be done as asked; nothing was changed."""


class Unreachable(Problem):
    """The server does not take connections, or stopped answering on one."""


class Silent(Unreachable):
    """The server keeps a connection open without answering: it hangs, and asking again would too."""


class QueryFailed(Problem):
    """The server answered a query with an error; the session is still usable."""


class TookTooLong(QueryFailed):
    """The server gave a query up because its time limit or lock limit passed."""


class NotPermitted(QueryFailed):
    """The role lacks a privilege for the query."""
