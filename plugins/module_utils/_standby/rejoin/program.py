# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Programs of PostgreSQL whose every word counts, whichever way they say it and however they end."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence

from ansible_collections.runbook.postgres.plugins.module_utils._command import Program, ProgramFailed, account
from ansible_collections.runbook.postgres.plugins.module_utils._debian import SUPERUSER


def said(argv: Sequence[str], seconds: float, *, fails: bool = False) -> str:
    """What it said, run as postgres; with `fails` its ending with an error code is part of what it has to say."""
    with tempfile.TemporaryFile() as printed:
        # What libpq would take from whoever runs us must not lead it elsewhere.
        others = {name: None for name in os.environ if name.startswith("PG")}
        become = account(SUPERUSER, "postgresql")
        program = Program(argv, stdout=printed.fileno(), become=become, environment=others)
        try:
            program.finish(seconds)
        except ProgramFailed as error:
            if not fails or error.code is None:
                raise
        finally:
            words = program.words()
            program.end()
        printed.seek(0)
        return printed.read().decode(errors="replace") + words
