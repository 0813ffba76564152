# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From a file back to rows: decrypted, unpacked and hashed on the way, never whole in memory or plain on disk."""

from __future__ import annotations

import contextlib
import hashlib
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Callable, Protocol

from ansible_collections.runbook.postgres.plugins.module_utils._command import Program, find
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._stream.compression import GZIP, UNPACKERS

PORTION = 1 << 18
END_SECONDS = 60.0


class Unreadable(Problem):
    """The file cannot be read back as what it should be."""


class Source(Protocol):
    """read() gives at most so many bytes and none at the end; finish() raises if the end came too early."""

    def read(self, size: int) -> bytes: ...
    def finish(self) -> None: ...
    def abort(self) -> None: ...


class Pipe:
    """A file, or what the last of some programs makes of it; all of them must end well."""

    def __init__(self, descriptor: int, programs: Sequence[Program]) -> None:
        self._descriptor = descriptor
        self._programs = programs

    def read(self, size: int) -> bytes:
        return os.read(self._descriptor, size)

    def finish(self) -> None:
        for program in self._programs:
            program.finish(END_SECONDS)

    def abort(self) -> None:
        for program in self._programs:
            program.kill()


class Gunzip:
    """Python's own; a stream that stops short or goes on after its end is no whole file."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._engine = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._ended = False

    def read(self, size: int) -> bytes:
        try:
            while not self._engine.eof:
                packed = self._engine.unconsumed_tail or self._source.read(PORTION)
                if not packed:
                    break
                data = self._engine.decompress(packed, size)
                if data:
                    return data
        except zlib.error as error:
            raise Unreadable(f"the compression is damaged ({error})") from error
        return b""

    def finish(self) -> None:
        self._source.finish()
        if not self._engine.eof or self._engine.unused_data:
            raise Unreadable("the compressed file does not end where it should")

    def abort(self) -> None:
        self._source.abort()


class Hashed:
    """Counts and hashes what is read through it."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._hash = hashlib.sha256()
        self.bytes = 0

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def read(self, size: int) -> bytes:
        data = self._source.read(size)
        self._hash.update(data)
        self.bytes += len(data)
        return data

    def finish(self) -> None:
        self._source.finish()

    def abort(self) -> None:
        self._source.abort()

    def drain(self) -> None:
        while self.read(PORTION):
            pass


@contextlib.contextmanager
def opened(path: Path, compression: str, identity: Path | None) -> Iterator[Hashed]:
    """The plain content of an archive; identity is the file with the key, whose content we never touch."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    programs: list[Program] = []
    try:
        end = descriptor
        commands = [["age", "--decrypt", "--identity", str(identity)]] if identity is not None else []
        commands += [UNPACKERS[compression]] if compression in UNPACKERS else []
        for argv in commands:
            program = Program([find(argv[0], argv[0]), *argv[1:]], stdin=end)
            if programs:
                # The next program is its only reader, or the first would not notice when that one ends.
                programs[-1].stdout.close()
            programs.append(program)
            end = program.stdout.fileno()
        source = Pipe(end, programs)
        yield Hashed(Gunzip(source) if compression == GZIP else source)
    finally:
        for program in programs:
            program.end()
        os.close(descriptor)


def hash_of(
    path: Path, name: str = "sha256", moved: Callable[[int], None] = lambda _: None, *, from_disk: bool = True
) -> tuple[int, str]:
    """Bytes and hash of a file as the disk holds it, as far as the system lets us ask for that, or as memory may."""
    digest, size = hashlib.new(name, usedforsecurity=False), 0
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        if from_disk:
            with contextlib.suppress(OSError, AttributeError):
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        while True:
            data = os.read(descriptor, PORTION)
            if not data:
                return size, digest.hexdigest()
            digest.update(data)
            size += len(data)
            moved(len(data))
    finally:
        os.close(descriptor)
