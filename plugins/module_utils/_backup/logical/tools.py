# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""PostgreSQL's own programs: which ones to use for a server, how they are let in, and what they can pack."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import CUSTOM, DIRECTORY
from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed, run
from ansible_collections.runbook.postgres.plugins.module_utils._debian import bin_directory
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._stream.compression import (
    ENDINGS,
    GZIP,
    LZ4,
    PLAIN,
    ZSTD,
)

VERSION_SECONDS = 30.0
_NEWER = 6
_MAJOR = re.compile(r"\(PostgreSQL\) (\d+)")
# From this version on pg_dump packs by lz4 and zstd itself.
_PACKS_ALL = 16
_GZIP_LEVEL = 6


@dataclass(frozen=True)
class Tools:
    """The directory of the programs, and what pg_dump says of itself."""

    directory: Path
    version: str
    major: int

    def path(self, program: str) -> str:
        path = self.directory / program
        if not os.access(path, os.X_OK):
            raise Refused(f"{path} is not there: install the whole of package postgresql-client-{self.major}.")
        return str(path)


def find_tools(major: int) -> Tools:
    """Those of the server's version, or the next newer: an older pg_dump refuses, and an older pg_restore may fail."""
    for version in range(major, major + _NEWER):
        for directory in (bin_directory(version), Path(f"/usr/pgsql-{version}/bin")):
            if os.access(directory / "pg_dump", os.X_OK):
                return _tools(directory)
    found = shutil.which("pg_dump")
    if found is not None:
        tools = _tools(Path(found).parent)
        if tools.major >= major:
            return tools
    raise Refused(
        f"The server is PostgreSQL {major} and no pg_dump of that version or a later one is on this host: "
        f"install package postgresql-client-{major}."
    )


def _tools(directory: Path) -> Tools:
    try:
        said = run([str(directory / "pg_dump"), "--version"], VERSION_SECONDS).strip()
    except ProgramFailed as error:
        raise Refused(f"pg_dump in {directory} does not run: {error.sentence}") from error
    found = _MAJOR.search(said)
    return Tools(directory, said, int(found[1]) if found else 0)


@contextlib.contextmanager
def let_in(password: str | None) -> Iterator[dict[str, str]]:
    """The environment in which a program logs in; a password is in a file of this process's memory, on no disk."""
    if not password:
        yield {}
        return
    if "\n" in password:
        raise Refused("login_password holds a line break, which PostgreSQL's programs cannot be given: change it.")
    descriptor = os.memfd_create("passfile")
    try:
        os.fchmod(descriptor, 0o600)
        escaped = password.replace("\\", "\\\\").replace(":", "\\:")
        os.write(descriptor, f"*:*:*:*:{escaped}\n".encode())
        yield {"PGPASSFILE": f"/proc/{os.getpid()}/fd/{descriptor}"}
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class Packing:
    """Who packs: pg_dump as its arguments say, or a program that its output is piped through; and what a reader has
    to undo before it is a dump."""

    arguments: tuple[str, ...]
    piped: str
    wrapped: str

    def name(self, form: str, encrypted: bool) -> str:
        if form == DIRECTORY:
            return "dump"
        ending = ".pgdump" if form == CUSTOM else ".sql"
        return f"dump{ending}{ENDINGS[self.wrapped]}{'.age' if encrypted else ''}"


def packing(form: str, method: str, level: int | None, major: int) -> Packing:
    """By the server's own program where that can, else by a pipe."""
    # What pg_dump packs inside of an archive of its own pg_restore unpacks by itself.
    inside = form in (CUSTOM, DIRECTORY)
    if method == PLAIN:
        return Packing(("--compress=0",), PLAIN, PLAIN)
    if method == GZIP:
        return Packing((f"--compress={_GZIP_LEVEL if level is None else level}",), PLAIN, PLAIN if inside else GZIP)
    if major >= _PACKS_ALL:
        detail = "" if level is None else f":{level}"
        return Packing((f"--compress={method}{detail}",), PLAIN, PLAIN if inside else method)
    if form == DIRECTORY:
        raise Refused(
            f"pg_dump {major} packs the files of format directory by gzip alone, {method} came with {_PACKS_ALL}: "
            f"use compression gzip, or format custom, which is piped through {method}."
        )
    return Packing(("--compress=0",), method, method)


def programs(methods: list[str], encrypted: bool) -> list[tuple[str, str]]:
    """The programs besides PostgreSQL's that have to be there, with their packages."""
    wanted = [(each, each) for each in (ZSTD, LZ4) if each in methods]
    return wanted + ([("age", "age")] if encrypted else [])
