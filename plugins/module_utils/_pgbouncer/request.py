# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is asked for: the module's options as values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DATABASE_LIMITS = ("pool_size", "min_pool_size", "reserve_pool", "max_db_connections")
USER_LIMITS = ("max_user_connections", "pool_size")

_MODES = ["session", "transaction", "statement"]

POOLER_OPTIONS: dict[str, dict[str, Any]] = {
    "primary": {"type": "str", "required": True},
    "standbys": {"type": "list", "elements": "str", "default": []},
    "port": {"type": "int", "default": 5432},
    "databases": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "pool": {"type": "str"},
            "read_pool": {"type": "str"},
            "pool_mode": {"type": "str", "choices": _MODES},
            **{name: {"type": "int"} for name in DATABASE_LIMITS},
        },
    },
    "users": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "pool_mode": {"type": "str", "choices": _MODES},
            **{name: {"type": "int"} for name in USER_LIMITS},
        },
    },
    "read_suffix": {"type": "str", "default": "_ro"},
    "read_fallback": {"type": "bool", "default": True},
    "read_name": {"type": "str", "default": ""},
    "read_offset": {"type": "int", "default": 0},
    "auth_user": {"type": "str", "default": "pgbouncer"},
    "auth_database": {"type": "str", "default": ""},
    "logins": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
        },
    },
    "settings": {"type": "dict", "default": {}},
    "max_prepared_statements": {"type": "int", "default": 200},
    "processes": {"type": "int", "default": 1},
    "restart": {"type": "str", "choices": ["never", "idle", "always"], "default": "idle"},
    "version": {"type": "str"},
}


@dataclass(frozen=True)
class Database:
    name: str
    pool: str
    # Empty where there is none.
    read_pool: str
    pool_mode: str | None = None
    limits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class User:
    name: str
    pool_mode: str | None = None
    limits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Login:
    name: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Wanted:
    """A pooler as it should be, whatever the host's version."""

    primary: str
    standbys: tuple[str, ...] = ()
    port: int = 5432
    databases: tuple[Database, ...] = ()
    users: tuple[User, ...] = ()
    read_fallback: bool = True
    read_name: str = ""
    read_offset: int = 0
    auth_user: str = "pgbouncer"
    auth_database: str = ""
    logins: tuple[Login, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    max_prepared_statements: int = 200
    processes: int = 1
    restart: str = "idle"


def wanted(options: Mapping[str, Any]) -> Wanted:
    suffix = options["read_suffix"]
    return Wanted(
        primary=options["primary"],
        standbys=tuple(options["standbys"]),
        port=options["port"],
        databases=tuple(_database(entry, suffix) for entry in options["databases"]),
        users=tuple(User(entry["name"], entry["pool_mode"], _limits(entry, USER_LIMITS)) for entry in options["users"]),
        read_fallback=options["read_fallback"],
        read_name=options["read_name"],
        read_offset=options["read_offset"],
        auth_user=options["auth_user"],
        auth_database=options["auth_database"],
        logins=tuple(Login(entry["name"], entry["password"]) for entry in options["logins"]),
        settings={name: _number(value) for name, value in options["settings"].items() if value is not None},
        max_prepared_statements=options["max_prepared_statements"],
        processes=options["processes"],
        restart=options["restart"],
    )


def _database(entry: Mapping[str, Any], suffix: str) -> Database:
    pool = entry["pool"] or entry["name"]
    read_pool = entry["read_pool"]
    if read_pool is None:
        read_pool = f"{pool}{suffix}" if suffix else ""
    return Database(entry["name"], pool, read_pool, entry["pool_mode"], _limits(entry, DATABASE_LIMITS))


def _number(value: Any) -> Any:
    """Templates hand numbers over as text before ansible-core 2.19."""
    return int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value) else value


def _limits(entry: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, int]:
    return {name: entry[name] for name in names if entry.get(name) is not None}
