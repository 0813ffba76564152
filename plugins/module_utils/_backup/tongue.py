# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The language in which a server says what is wrong: pg_restore prints that, and no SQLSTATE under any option."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._session import Session

ENGLISH = "C"

# The parameter is a superuser's, who can let others set it from this version on.
_PARAMETERS_ARE_GRANTED = 15
_IS_SUPERUSER = "current_setting('is_superuser') = 'on'"
_IS_GRANTED = "has_parameter_privilege('lc_messages', 'SET')"
_ASKED = "SELECT {may} AS may, current_setting('lc_messages') AS spoken"


@dataclass(frozen=True)
class Tongue:
    """Startup options for a program that is to be understood, and the language where the role may not choose it."""

    options: str = ""
    foreign: str | None = None


UNDERSTOOD = Tongue()


def tongue(session: Session) -> Tongue:
    """Of that database and its role, which may both have a language of their own."""
    may = _IS_GRANTED if session.major >= _PARAMETERS_ARE_GRANTED else _IS_SUPERUSER
    row = session.fetch(_ASKED.format(may=may))[0]
    if row["may"]:
        return Tongue(f"-c lc_messages={ENGLISH}")
    spoken = row["spoken"]
    if spoken in (ENGLISH, "POSIX") or spoken.startswith(("C.", "en")):
        return UNDERSTOOD
    # An empty one is that of the environment which the server was started with.
    return Tongue(foreign=spoken or "the language of its host")
