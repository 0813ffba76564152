# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a failure says of the backup: that it is damaged, or nothing, as where a disk was full or time was over."""

from __future__ import annotations

import re

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem

# Of pgBackRest: a checksum that differs, a file or its form that is invalid, one that is missing, one that does not
# decrypt.
_CODES = (26, 28, 29, 55, 95)
_OF_THE_WAL = re.compile(
    r"WAL ends before|checkpoint record|WAL contains references to invalid pages|requested timeline \d+ does not"
)
_OF_PAGES = re.compile(r"checksum verification failed in file")


class Damaged(Problem):
    """The backup, or the WAL that it is brought up to date with, is not what was written."""


def of_pgbackrest(code: int | None) -> bool:
    return code in _CODES


def of_replay(words: str) -> bool:
    """What the server says when it gives up."""
    return _OF_THE_WAL.search(words) is not None


def of_pages(words: str) -> bool:
    """What pg_checksums says."""
    return _OF_PAGES.search(words) is not None
