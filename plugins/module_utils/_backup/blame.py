# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether a restore that failed tells something of its backup, or of where it was restored.

Only what is known to be the backup's is held against it: a good one that is called bad is missing in the night in which
it is needed, while a bad one that is not called so fails its proof again, and its restore before anything is replaced.
"""

from __future__ import annotations

import re

from ansible_collections.runbook.postgres.plugins.module_utils._backup.tongue import Tongue
from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed

# What PostgreSQL's programs say of a dump, and those that unpack or decrypt it; they speak English, as all do that we
# start. What they say of the disk that it lies on is not meant.
_PROGRAMS = (
    r"could not read from input file(?!: Input/output)|could not uncompress|did not find magic string"
    r"|(?:possibly|perhaps a) corrupt|corrupt tar header|incomplete tar header|[Cc]orruption detected"
    r"|(?:does not appear|appears) to be a|input file is too short|unexpected section code|found unexpected block"
    r"|unrecognized data block type|could not find (?:block|entry|header|file)|entry ID -?\d+ out of range"
    r"|invalid (?:command|OID|line|ENCODING|STDSTRINGS|creation date|compression code)|[Uu]nexpected end of file"
    r"|premature end|Decoding error|Decompression error|unsupported format|failed to decrypt and authenticate"
)
# What a server says of statements and rows, which is of SQLSTATE's classes 22, 23 and 42. Of a role, an extension, a
# library, a collation, a right or room that is missing there, nothing is said here: another server may have it.
_SERVERS = (
    r"violates [\w-]+(?: [\w-]+)? constraint|is violated by some row|contains null values|no partition of relation"
    r"|could not create (?:unique index|exclusion constraint)|there is no unique constraint matching"
    r"|multiple primary keys|invalid input (?:syntax|value)|value too long|out of range|invalid byte sequence"
    r"|malformed \w+ literal|missing data for column|extra data after last expected column|syntax error at"
    r"|ERROR: +(?:relation|table|column|type|function|procedure|operator|aggregate|schema|constraint|index|sequence"
    r"|view|domain) .+ (?:does not exist|already exists)"
)
_OF_THE_CONTENT = re.compile(f"{_PROGRAMS}|{_SERVERS}")


def blamed(error: ProgramFailed) -> str | None:
    """What it says against the backup; a program that was killed, or did not end in time, tells nothing of it."""
    if error.code is None:
        return None
    line = next((each for each in error.told.splitlines() if _OF_THE_CONTENT.search(each)), None)
    if line is None:
        return None
    said = " ".join(line.split())
    # Its last words may be of what came of it.
    return error.sentence if said in error.sentence else said


def unheard(tongue: Tongue) -> str:
    """What makes the next failure of this kind a word that counts; nothing where it would have."""
    if tongue.foreign is None:
        return ""
    return (
        f" What the server says in {tongue.foreign} is not understood here: ALTER ROLE ... SET lc_messages = 'C' "
        "for the role that logs in, which takes a superuser, has it say the same in English."
    )
