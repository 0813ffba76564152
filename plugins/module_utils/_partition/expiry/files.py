# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The files of parts: where one may be written, and what becomes of it when its rows are gone or stay."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.store import Store, manifest_of
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.part import (
    DELETED,
    Part,
    Serial,
    file_of,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.expiry.state import NotExpired
from ansible_collections.runbook.postgres.plugins.module_utils._stream.offsite import copied
from ansible_collections.runbook.postgres.plugins.module_utils._stream.placing import partial_of, write_text


def free(store: Store, stem: str, serial: Serial) -> Path:
    """Where that part is to be."""
    file = file_of(store, stem, serial)
    if file.exists() or manifest_of(file).exists():
        raise NotExpired(f"{file} is there already, and no file is written over")
    _make_directory(store.destination)
    return file


def discard(file: Path) -> None:
    """The file first: one without a manifest would look like an archive whose manifest was lost."""
    for path in (file, manifest_of(file)):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def confirm(file: Path, part: Part, state: str = DELETED) -> Part:
    told = replace(part, state=state)
    write_text(manifest_of(file), partial_of(manifest_of(file)), told.to_json())
    return told


def publish(file: Path, part: Part) -> None:
    """The manifest follows its file elsewhere once it says what became of the rows; again, it copies nothing."""
    if part.offsite is not None:
        copied(manifest_of(file), part.offsite)


def _make_directory(destination: Path) -> None:
    for place in [*reversed(destination.parents), destination]:
        if not place.exists():
            place.mkdir(mode=0o700)
