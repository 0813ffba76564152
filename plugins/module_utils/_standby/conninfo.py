# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How a standby reaches its upstream, as libpq reads it. A password has no place in it: it lies in a passfile."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused

_PLAIN = re.compile(r"[A-Za-z0-9_./:,@%+-]+")
# Which instance, and how its upstream is reached; documented in doc_fragments/upstream.py.
UPSTREAM_OPTIONS: dict[str, dict[str, object]] = {
    "version": {"type": "int", "required": True},
    "instance": {"type": "str", "default": "main"},
    "port": {"type": "int", "default": 5432},
    "upstream_port": {"type": "int", "default": 5432},
    "user": {"type": "str", "default": "replicator"},
    "sslmode": {
        "type": "str",
        "choices": ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"],
        "default": "verify-full",
    },
    "sslrootcert": {"type": "path"},
    "sslcert": {"type": "path"},
    # Names of files: what is in them is secret, and is not read here.
    "sslkey": {"type": "path", "no_log": False},
    "passfile": {"type": "path", "no_log": False},
    "system_identifier": {"type": "str"},
    "connect_timeout": {"type": "int", "default": 10},
}
# Options of the module that are keywords of libpq under the same name.
_SAME_NAME = ("sslmode", "sslrootcert", "sslcert", "sslkey", "passfile")


@dataclass(frozen=True)
class Conninfo:
    """Keywords and values in the order in which they are written."""

    parts: tuple[tuple[str, str], ...]

    def text(self, **more: str) -> str:
        """One line for libpq, with these keywords added."""
        return " ".join(f"{name}={quoted(value)}" for name, value in {**dict(self.parts), **more}.items())

    @property
    def place(self) -> str:
        """How a sentence names where this leads."""
        known = dict(self.parts)
        return f"{known['host']} port {known['port']}"


def quoted(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def conninfo(options: Mapping[str, object], *, seconds: int = 10) -> Conninfo:
    """From the module's options; whoever accepts writes is asked for when there are several hosts."""
    hosts = [str(host) for host in options["upstream_hosts"]]  # type: ignore[attr-defined]
    if not hosts or any("," in host or not host for host in hosts):
        raise Refused("upstream_hosts names no host that can be connected to: give addresses or names, one per entry.")
    parts = {"host": ",".join(hosts), "port": str(options["upstream_port"]), "user": str(options["user"])}
    parts.update({name: str(options[name]) for name in _SAME_NAME if options.get(name)})
    parts["connect_timeout"] = str(seconds)
    if len(hosts) > 1:
        parts["target_session_attrs"] = "read-write"
    return Conninfo(tuple(parts.items()))
