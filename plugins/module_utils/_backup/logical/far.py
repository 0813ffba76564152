# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the far end holds of a series, as far as listing it tells."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._backup.entry import Entry, Series, Verified
from ansible_collections.runbook.postgres.plugins.module_utils._backup.manifest import NAME, Manifest, parse
from ansible_collections.runbook.postgres.plugins.module_utils._backup.repository import Backup, series_of
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._stream.offsite import below, far_directories, far_sizes


def copies(remote: str, series: Series) -> tuple[list[Entry], list[str]]:
    """A manifest goes there last, when the rest was compared; what was lost since is a problem. And what is leaving."""
    texts, going = far_directories(remote, NAME)
    sizes = far_sizes(remote) if texts else {}
    entries = []
    for name, text in sorted(texts.items()):
        with contextlib.suppress(Refused):
            told = parse(text, Path(below(remote, name)) / NAME)
            if told.id == name and series_of(told) == series:
                # Its files are there, not here.
                entry = Backup(Path(below(remote, name)), replace(told, files=())).entry()
                lost = tuple(f"{below(remote, name)} lacks its file {each}." for each in _lost(told, sizes))
                entries.append(replace(entry, verified=Verified("checksum", entry.stopped), problems=lost))
    return entries, going


def _lost(told: Manifest, sizes: Mapping[str, int]) -> list[str]:
    """Not there, or cut; a remote that knows no sizes says -1."""
    return [each.path for each in told.files if sizes.get(f"{told.id}/{each.path}") not in (each.bytes, -1)]
