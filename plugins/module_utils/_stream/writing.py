# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From rows to a file: each portion passes the compression and the encryption and is never whole in memory.

What is written is counted and hashed on both ends: as the server said it, and
as the file holds it. Nothing plain touches the disk when there are recipients.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import threading
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from ansible_collections.runbook.postgres.plugins.module_utils._command import Program, ProgramFailed, find
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._stream.compression import GZIP, LZ4, ZSTD

PORTION = 1 << 16
# How long a program may take for what it still holds when there is no more to come.
FLUSH_SECONDS = 600.0


class Sink(Protocol):
    """Takes portions; close() says that all came, and raises if not all went through."""

    def write(self, data: bytes) -> None: ...
    def close(self) -> None: ...


class Tally:
    """Counts and hashes what passes, and hands it on."""

    def __init__(self, onward: Sink | None = None) -> None:
        self._onward = onward
        self._hash = hashlib.sha256()
        self.bytes = 0

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def write(self, data: bytes) -> None:
        self.bytes += len(data)
        self._hash.update(data)
        if self._onward is not None:
            self._onward.write(data)

    def close(self) -> None:
        if self._onward is not None:
            self._onward.close()


class FileSink:
    """A new file that only its owner may read; on disk when closed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # O_EXCL and O_NOFOLLOW: never through a link that somebody else laid here.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            raise unwritable(path, error) from error

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError as error:
            raise unwritable(self.path, error) from error

    def close(self) -> None:
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise unwritable(self.path, error) from error

    def release(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._descriptor)


def unwritable(path: Path, error: OSError) -> Problem:
    return Problem(f"{path.parent} does not take the file: {error.strerror}; nothing half-written is left there.")


class Gzip:
    """Python's own, without the time of day: the same rows make the same file."""

    def __init__(self, onward: Sink, level: int | None = None) -> None:
        self._onward = onward
        self._engine = zlib.compressobj(6 if level is None else level, zlib.DEFLATED, 16 + zlib.MAX_WBITS)

    def write(self, data: bytes) -> None:
        packed = self._engine.compress(data)
        if packed:
            self._onward.write(packed)

    def close(self) -> None:
        self._onward.write(self._engine.flush())
        self._onward.close()


class Through:
    """A program that reads what is written here; what it says goes on."""

    def __init__(self, argv: list[str], onward: Sink) -> None:
        self._onward = onward
        self._error: BaseException | None = None
        self._program = Program(argv, stdin=subprocess.PIPE)
        self._pump = threading.Thread(target=self._carry, daemon=True)
        self._pump.start()

    def _carry(self) -> None:
        try:
            while True:
                data = os.read(self._program.stdout.fileno(), PORTION)
                if not data:
                    return
                self._onward.write(data)
        except BaseException as error:  # noqa: BLE001 - raised again where somebody listens
            self._error = error
            # Otherwise it would wait for a reader for ever, and we for it.
            self._program.kill()

    def write(self, data: bytes) -> None:
        try:
            self._program.stdin.write(data)
        except OSError:
            self._end()
            raise ProgramFailed(f"{self._program.name} stopped reading before the end.") from None

    def close(self) -> None:
        self._end()
        self._onward.close()

    def _end(self) -> None:
        """All it said has gone on, and it ended well; or the reason why not."""
        with contextlib.suppress(OSError):
            self._program.stdin.close()
        self._pump.join(FLUSH_SECONDS)
        if self._pump.is_alive():
            self._program.kill()
            self._pump.join()
        try:
            self._program.finish(FLUSH_SECONDS)
        finally:
            # Why the reader gave up comes before what this did to the program.
            if self._error is not None:
                raise self._error

    def abort(self) -> None:
        """From another thread: what is stuck in write() ends with an error."""
        self._program.kill()

    def discard(self) -> None:
        self._program.kill()
        self._pump.join()
        self._program.end()


class Pipeline:
    """What rows are written to: `plain` counts what the server said, `packed` what the file holds."""

    def __init__(
        self, file: FileSink, compression: str, recipients: Sequence[str], level: int | None = None, threads: int = 1
    ) -> None:
        self._programs: list[Through] = []
        self.packed = Tally(file)
        head: Sink = self.packed
        if recipients:
            keys = [word for key in recipients for word in ("--recipient", key)]
            head = self._through(["age", "--encrypt", *keys], head)
        if compression == ZSTD:
            head = self._through(["zstd", "--quiet", "--stdout", f"--threads={threads}", *_level(level)], head)
        elif compression == LZ4:
            head = self._through(["lz4", "-z", "-q", "-c", *_level(level)], head)
        elif compression == GZIP:
            head = Gzip(head, level)
        # What nothing is done to is hashed once.
        self.plain = self.packed if head is self.packed else Tally(head)

    def _through(self, argv: list[str], onward: Sink) -> Sink:
        program = Through([find(argv[0], argv[0]), *argv[1:]], onward)
        self._programs.append(program)
        return program

    def abort(self) -> None:
        for program in self._programs:
            program.abort()

    def discard(self) -> None:
        for program in reversed(self._programs):
            program.discard()


def _level(level: int | None) -> list[str]:
    return [] if level is None else [f"-{level}"]


@contextlib.contextmanager
def pipeline(
    path: Path, compression: str, recipients: Sequence[str], level: int | None = None, threads: int = 1
) -> Iterator[Pipeline]:
    """Rows written inside are in the file, on disk, once plain.close() returned; after an error there is no file."""
    file = FileSink(path)
    running: Pipeline | None = None
    try:
        running = Pipeline(file, compression, recipients, level, threads)
        yield running
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise
    finally:
        if running is not None:
            running.discard()
        file.release()
