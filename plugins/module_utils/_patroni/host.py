# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What of Patroni can be seen on a host without asking it."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils._postmaster import postmaster

CONFIGURATION = Path("/etc/patroni/config.yml")


def runs_server(data_directory: Path, proc: Path = Path("/proc")) -> bool:
    """A server that Patroni started has the configuration that Patroni writes, beside its data."""
    found = postmaster(data_directory)
    if found is None:
        return False
    try:
        words = (proc / str(found.pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        # It ended while it was looked at.
        return False
    # Versions of it spell the option in two ways.
    return any(f"--config{sign}file={data_directory}/postgresql.conf".encode() in words for sign in "-_")
