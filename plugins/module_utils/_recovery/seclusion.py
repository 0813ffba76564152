# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The settings under which restored data is tried: the instance's own, and over them what lets nobody in or out.

Those stand on the server's command line. In a file they would not be the last word: the data brings its own
postgresql.auto.conf, in which somebody may have said where to listen and what to archive with.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from ansible_collections.runbook.postgres.plugins.module_utils import _debian
from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed
from ansible_collections.runbook.postgres.plugins.module_utils._controldata import parsed, printed
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.place import Place

PORT = 5432


def settings_text(place: Place) -> str:
    """The file: the instance's own."""
    own = _debian.config_directory(place.version, place.instance) / "postgresql.conf"
    return f"include_if_exists {quoted(str(own))}\n"


def arguments(
    place: Place, recovery: Mapping[str, str], limits: Mapping[str, int], more: Mapping[str, str]
) -> list[str]:
    """The command line's, which no file overrides and no ALTER SYSTEM; `more` is what somebody wants besides."""
    settings = {
        **more,
        "config_file": str(place.settings),
        "data_directory": str(place.restored),
        "hba_file": str(place.hba),
        "external_pid_file": "",
        "port": str(PORT),
        "listen_addresses": "",
        "unix_socket_directories": str(place.sockets),
        "unix_socket_permissions": "0700",
        "ssl": "off",
        "hot_standby": "on",
        # What is to be archived stays marked for it.
        "archive_mode": "on",
        "archive_command": "/bin/false",
        **({"archive_library": ""} if place.version >= 15 else {}),
        # Of a standby: one removes files from the archive, the next acts elsewhere, the last waits.
        "archive_cleanup_command": "",
        "recovery_end_command": "",
        "recovery_min_apply_delay": "0",
        "synchronous_standby_names": "",
        "primary_conninfo": "",
        "max_logical_replication_workers": "0",
        "cron.launch_active_jobs": "off",
        "autovacuum": "off",
        "logging_collector": "off",
        "log_destination": "stderr",
        "log_line_prefix": "",
        "log_min_messages": "warning",
        **{name: str(value) for name, value in limits.items()},
        **recovery,
    }
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def limits_of(place: Place) -> dict[str, int]:
    """A server in recovery must not have less of these than the one that wrote the WAL."""
    found = [parsed(printed(place.version, place.restored))]
    with contextlib.suppress(ProgramFailed):
        found.append(parsed(printed(place.version, place.data)))
    limits: dict[str, int] = {}
    for control in found:
        for name, value in (control.settings if control is not None else {}).items():
            limits[name] = max(value, limits.get(name, 0))
    return limits
