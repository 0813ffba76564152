# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A copy elsewhere, by rclone and its own configuration, believed once a hash from the far end is ours."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._command import Program, ProgramFailed, find, run
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._stream.reading import hash_of

# rclone gives a transfer up by itself that does not move; this is for what it does not notice.
SLOWEST_BYTES_PER_SECOND = 250_000
LEAST_SECONDS = 600.0
PATIENCE = ("--timeout=2m", "--contimeout=30s", "--retries=2", "--low-level-retries=3")
PORTION = 1 << 18
# rclone's exit code for a directory that is not there.
_NO_DIRECTORY = 3

# What remotes offer, the strongest first, as rclone and as Python call them.
HASHES = {"sha256": "sha256", "sha-256": "sha256", "sha1": "sha1", "sha-1": "sha1", "md5": "md5"}


class NotOffsite(Problem):
    """The copy is not where it should be, or not what it should be."""


# At the far end: this directory is on its way out, whatever else is still in it.
TOMBSTONE = "removing"


def copied(file: Path, remote: str) -> str:
    """Copy a file below the remote path and compare; returns how it was compared. Copying again copies nothing."""
    rclone = find("rclone", "rclone")
    place = below(remote, file.name)
    seconds = _seconds(file.stat().st_size)
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


def below(remote: str, name: str) -> str:
    return f"{remote if remote.endswith((':', '/')) else remote + '/'}{name}"


def _seconds(size: int) -> float:
    return LEAST_SECONDS + size / SLOWEST_BYTES_PER_SECOND


def tree_copied(directory: Path, sizes: Mapping[str, int], sums: Mapping[str, str], last: str, remote: str) -> str:
    """The same for files below a directory, to a directory of that name below the remote path.

    `last` goes when all the others are there as they should be, which `sums` say (sha256): where it is found, they are
    as well. A file that was altered here since is copied, and its copy believed by nobody.
    """
    rclone, place = find("rclone", "rclone"), below(remote, directory.name)
    first = [path for path in sizes if path != last]
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as names:
            names.write("".join(f"{path}\n" for path in first))
            names.flush()
            argv = [rclone, "copy", "--checksum", "--no-traverse", f"--files-from-raw={names.name}", *PATIENCE]
            run([*argv, str(directory), place], _seconds(sum(sizes.values())))
        ways = _compared_tree(rclone, directory, first, sizes, sums, place)
        copied(directory / last, place)
    except ProgramFailed as error:
        raise NotOffsite(f"{place} did not take the copy: {error.sentence}") from error
    return ways


def _compared_tree(
    rclone: str, directory: Path, names: list[str], sizes: Mapping[str, int], sums: Mapping[str, str], place: str
) -> str:
    listing = run(
        [rclone, "lsjson", "--hash", "--recursive", "--files-only", *PATIENCE, place], _seconds(sum(sizes.values()))
    )
    far = {str(entry.get("Path")): _hashes(entry) for entry in _entries(listing)}
    ways = set()
    for name in names:
        here, there = directory / name, below(place, name)
        if name not in far:
            raise NotOffsite(f"{there} is not there although it was copied.")
        for theirs, ours in HASHES.items():
            if far[name].get(theirs):
                how, algorithm, told = theirs, ours, far[name][theirs]
                break
        else:
            told = _read_back(rclone, there, _seconds(sizes[name]))
            how, algorithm = "sha256 of what was read back", "sha256"
        expected = sums[name] if algorithm == "sha256" else hash_of(here, algorithm)[1]
        if (algorithm != "sha256" or told != expected) and hash_of(here)[1] != sums[name]:
            raise NotOffsite(
                f"{here} is not what was backed up any more, so that its copy is none: verify that backup."
            )
        ways.add(_compared(how, told, expected, there))
    return ", ".join(sorted(ways))


@dataclass(frozen=True)
class FarDirectory:
    """What two of its files say; the second may be missing."""

    text: str
    beside: str | None = None


def far_directories(remote: str, name: str, beside: str) -> tuple[dict[str, FarDirectory], list[str]]:
    """Each directory below the remote path that has a file of this name, and those on their way out."""
    rclone = find("rclone", "rclone")
    with tempfile.TemporaryDirectory() as place:
        filters = [f"--include=/*/{each}" for each in (name, beside, TOMBSTONE)]
        try:
            run([rclone, "copy", *filters, *PATIENCE, remote, place], LEAST_SECONDS)
        except ProgramFailed as error:
            if error.code == _NO_DIRECTORY:
                return {}, []
            raise NotOffsite(f"{remote} cannot be listed: {error.sentence}") from error
        found = sorted(Path(place).iterdir())
        leaving = [each.name for each in found if (each / TOMBSTONE).exists()]
        there = [each for each in found if each.name not in leaving and (each / name).exists()]
        return {each.name: FarDirectory(_text(each / name) or "", _text(each / beside)) for each in there}, leaving


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else None


def told_far(remote: str, directory: str, name: str, text: str | None) -> None:
    """A word about a directory that is there, in a file of that name in it; None takes it back."""
    rclone, place = find("rclone", "rclone"), below(remote, directory)
    try:
        if text is None:
            run([rclone, "delete", f"--include=/{name}", *PATIENCE, place], LEAST_SECONDS)
        else:
            run([rclone, "rcat", *PATIENCE, below(place, name)], LEAST_SECONDS, text=text)
    except ProgramFailed as error:
        raise NotOffsite(f"{place} could not be told what came of a proof: {error.sentence}") from error


def far_sizes(remote: str) -> dict[str, int]:
    """Of all files below the remote path, by their paths."""
    argv = [find("rclone", "rclone"), "lsjson", "--recursive", "--files-only", "--no-modtime", "--no-mimetype"]
    try:
        listing = run([*argv, *PATIENCE, remote], LEAST_SECONDS)
    except ProgramFailed as error:
        if error.code == _NO_DIRECTORY:
            return {}
        raise NotOffsite(f"{remote} cannot be listed: {error.sentence}") from error
    return {str(each.get("Path")): int(each.get("Size", -1)) for each in _entries(listing)}


def remove_far(remote: str, directory: str, last: str) -> None:
    """Interrupted anywhere, it bears the mark that lets the next run finish."""
    rclone, place = find("rclone", "rclone"), below(remote, directory)
    try:
        run([rclone, "rcat", *PATIENCE, below(place, TOMBSTONE)], LEAST_SECONDS, text="This is being removed.\n")
        for argv in (
            ["delete", f"--include=/{last}", place],
            ["delete", f"--exclude=/{TOMBSTONE}", place],
            ["delete", place],
            ["rmdirs", place],
        ):
            run([rclone, argv[0], *PATIENCE, *argv[1:]], LEAST_SECONDS)
    except ProgramFailed as error:
        if error.code != _NO_DIRECTORY:
            raise NotOffsite(f"{place} could not be removed: {error.sentence}") from error


def _entries(listing: str) -> list[dict[str, Any]]:
    try:
        told = json.loads(listing)
    except ValueError:
        return []
    return [each for each in told if isinstance(each, dict)] if isinstance(told, list) else []


def _hashes(entry: Mapping[str, Any]) -> dict[str, str]:
    told = entry.get("Hashes")
    return {str(name).lower(): str(value).lower() for name, value in told.items()} if isinstance(told, dict) else {}


def _far_hashes(listing: str) -> dict[str, str]:
    entries = _entries(listing)
    return _hashes(entries[0]) if entries else {}


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
