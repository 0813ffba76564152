# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A copy elsewhere, by rclone and its own configuration, believed once a hash from the far end is ours."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._command import Program, ProgramFailed, find, run
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._stream.reading import hash_of

# rclone gives a transfer up by itself that does not move; this is for what it does not notice.
SLOWEST_BYTES_PER_SECOND = 250_000
LEAST_SECONDS = 600.0
PATIENCE = ("--timeout=2m", "--contimeout=30s", "--retries=2", "--low-level-retries=3")
PORTION = 1 << 18

# What remotes offer, the strongest first, as rclone and as Python call them.
HASHES = {"sha256": "sha256", "sha-256": "sha256", "sha1": "sha1", "sha-1": "sha1", "md5": "md5"}


class NotOffsite(Problem):
    """The copy is not where it should be, or not what it should be."""


def copied(file: Path, remote: str) -> str:
    """Copy a file below the remote path and compare; returns how it was compared. Copying again copies nothing."""
    rclone = find("rclone", "rclone")
    place = f"{remote if remote.endswith((':', '/')) else remote + '/'}{file.name}"
    seconds = LEAST_SECONDS + file.stat().st_size / SLOWEST_BYTES_PER_SECOND
    try:
        # Times say nothing about content, so that a file of the same size and age is still compared.
        run([rclone, "copyto", "--checksum", *PATIENCE, str(file), place], seconds)
        far = _far_hashes(run([rclone, "lsjson", "--hash", "--files-only", *PATIENCE, place], seconds))
        for theirs, ours in HASHES.items():
            if far.get(theirs):
                return _compared(theirs, far[theirs], hash_of(file, ours)[1], place)
        # The remote keeps no hashes, as encrypting ones do not: read it all.
        return _compared("sha256 of what was read back", _read_back(rclone, place, seconds), hash_of(file)[1], place)
    except ProgramFailed as error:
        raise NotOffsite(f"{place} did not take the copy: {error.sentence}") from error


def _far_hashes(listing: str) -> dict[str, str]:
    try:
        entries = json.loads(listing)
        hashes = entries[0].get("Hashes") or {}
    except (ValueError, IndexError, AttributeError, TypeError):
        return {}
    return {str(name).lower(): str(value).lower() for name, value in hashes.items()}


def _compared(how: str, theirs: str, ours: str, place: str) -> str:
    if theirs != ours:
        raise NotOffsite(f"{place} holds something else than what was copied there (its {how} differs).")
    return how


def _read_back(rclone: str, place: str, seconds: float) -> str:
    digest = hashlib.sha256()
    program = Program([rclone, "cat", *PATIENCE, place], stdin=subprocess.DEVNULL)
    try:
        while True:
            data = program.stdout.read(PORTION)
            if not data:
                break
            digest.update(data)
        program.finish(seconds)
    finally:
        program.end()
    return digest.hexdigest()
