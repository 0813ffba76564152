# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is asked of a part, and for how long each thing is waited for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils import _debian
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._patroni_api import PORT, Api, Keys

_TOKEN = re.compile(r"[0-9a-f]{8,32}")

OPTIONS: dict[str, dict[str, Any]] = {
    "part": {"type": "str", "choices": ["candidate", "primary", "pooler"], "required": True},
    "settle": {"type": "bool", "default": False},
    # A name for one switchover, which is no secret.
    "token": {"type": "str", "no_log": False},
    "version": {"type": "int"},
    "instance": {"type": "str", "default": "main"},
    "data_directory": {"type": "path"},
    "candidate": {"type": "str"},
    "poolers": {"type": "int", "default": 0},
    "max_lag_bytes": {"type": "int", "default": 16777216},
    "primary_elsewhere": {"type": "bool"},
    "number": {"type": "int", "default": 1},
    "primary_address": {"type": "str"},
    "candidate_address": {"type": "str"},
    "server_port": {"type": "int", "default": 5432},
    "auth_user": {"type": "str", "default": "pgbouncer"},
    "assembly_limit": {"type": "int", "default": 60},
    "pause_limit": {"type": "int", "default": 5},
    "stop_limit": {"type": "int", "default": 10},
    "promote_limit": {"type": "int", "default": 10},
    "api_address": {"type": "str"},
    "api_port": {"type": "int", "default": PORT},
    "tls_directory": {"type": "path", "default": "/etc/ssl/postgres"},
}
# How much longer than the candidate a pooler waits: for the old primary to be started again.
_WAY_BACK = 60.0


@dataclass(frozen=True)
class Limits:
    """Seconds."""

    assembly: float
    pause: float
    stop: float
    promote: float

    @property
    def candidate(self) -> float:
        """From its beginning until it does not promote any more."""
        return self.assembly + self.pause + self.stop + self.promote

    @property
    def pooler(self) -> float:
        """From the pause until clients go on, whatever has become of the servers."""
        return self.pause + self.stop + self.promote + _WAY_BACK


@dataclass(frozen=True)
class Place:
    """The instance of this host."""

    version: int
    instance: str
    data: Path

    @property
    def title(self) -> str:
        return f"{self.version}/{self.instance}"

    @property
    def unit(self) -> str:
        return _debian.unit(self.version, self.instance)

    @property
    def signal(self) -> Path:
        return self.data / "standby.signal"


def limits(options: Mapping[str, Any]) -> Limits:
    given = [options[f"{name}_limit"] for name in ("assembly", "pause", "stop", "promote")]
    if min(given) < 1:
        raise Refused("A limit of a switchover is a number of seconds, 1 or more.")
    return Limits(*(float(each) for each in given))


def place(options: Mapping[str, Any]) -> Place:
    version, instance = int(options["version"]), str(options["instance"])
    _debian.refuse_unfit_name(instance)
    return Place(version, instance, Path(options["data_directory"] or _debian.data_directory(version, instance)))


def token(options: Mapping[str, Any]) -> str:
    given = str(options["token"] or "")
    if not _TOKEN.fullmatch(given):
        raise Refused(
            "token names one switchover for all of its parts: give 8 to 32 hexadecimal digits, the same to each."
        )
    return given


def keeper(options: Mapping[str, Any], seconds: float) -> Api | None:
    """Patroni of this host, where it is to be asked."""
    if not options["api_address"]:
        return None
    keys = Keys.of_node(str(options["tls_directory"]))
    return Api(str(options["api_address"]), keys, int(options["api_port"]), seconds)
