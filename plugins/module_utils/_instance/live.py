# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a running server says of its settings, and how it is told to read them again."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._debian import Socket, identifier, literal
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem
from ansible_collections.runbook.postgres.plugins.module_utils._instance.settings import FileEntry, Live, Running

_RELOAD_SECONDS = 15.0

# One question for all of it. The files are read as they are at this moment, not as they were loaded.
_ASK = """
SELECT json_build_object(
  'pending', (SELECT coalesce(json_agg(name ORDER BY name), '[]') FROM pg_settings WHERE pending_restart),
  'live', (SELECT coalesce(json_object_agg(lower(name), json_build_array(setting, context, source)), '{{}}')
           FROM pg_settings WHERE lower(name) IN (SELECT json_array_elements_text({names}))),
  'files', (SELECT coalesce(json_agg(json_build_array(sourcefile, sourceline, lower(name), setting, error)
                                     ORDER BY seqno), '[]') FROM pg_file_settings),
  'loaded', extract(epoch FROM pg_conf_load_time()))
"""


def ask(socket: Socket, names: Iterable[str], path: Path) -> Running:
    """`names` are the settings that this is about, `path` is the file that they are in."""
    return read(socket.json(_ASK.format(names=literal(_json_list(names)))), _written(path))


def read(answer: Mapping[str, Any], written: float | None) -> Running:
    return Running(
        {name: Live(*row) for name, row in answer["live"].items()},
        [FileEntry(row[0] or "", row[1] or 0, row[2] or "", row[3] or "", row[4]) for row in answer["files"]],
        tuple(answer["pending"]),
        stale=written is not None and written > float(answer["loaded"]),
    )


def reset(socket: Socket, names: Iterable[str]) -> None:
    """Take these out of postgresql.auto.conf, which a standby allows as well."""
    statements = [f"ALTER SYSTEM RESET {_setting_name(name)};\n" for name in names]
    if statements:
        socket.psql("".join(statements))


def reload(socket: Socket, path: Path) -> None:
    """Have the files read again, and return when that is done."""
    before = socket.json("SELECT json_build_array(extract(epoch FROM pg_conf_load_time()), pg_reload_conf())")
    deadline = Deadline(_RELOAD_SECONDS)
    # A new session has what its postmaster has read.
    while socket.json("SELECT to_json(extract(epoch FROM pg_conf_load_time()))") == before[0]:
        if deadline.passed():
            raise Problem(
                f"{socket.place} was told to read {path} and did not within {_RELOAD_SECONDS:.0f} s: look at its log."
            )
        time.sleep(0.05)


def _setting_name(name: str) -> str:
    """Each part quoted by itself: ALTER SYSTEM takes the dot of an extension's setting as punctuation."""
    return ".".join(identifier(part) for part in name.split("."))


def _json_list(names: Iterable[str]) -> str:
    # Names of settings, which hold no quote; read_settings saw to that, and the server named the others.
    return "[" + ", ".join(f'"{name}"' for name in sorted(set(names))) + "]"


def _written(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return None
