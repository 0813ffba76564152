# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The connection options every module shares, and what libpq is told for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused

SSL_MODES = ("allow", "disable", "prefer", "require", "verify-ca", "verify-full")

CONNECTION_OPTIONS: dict[str, dict[str, Any]] = {
    "login_host": {"type": "str", "default": ""},
    "login_port": {"type": "int", "default": 5432},
    "login_user": {"type": "str", "default": "postgres"},
    "login_password": {"type": "str", "no_log": True},
    "login_unix_socket": {"type": "str", "default": ""},
    "login_db": {"type": "str", "default": "postgres"},
    "ssl_mode": {"type": "str", "default": "prefer", "choices": list(SSL_MODES)},
    "ca_cert": {"type": "path"},
    "ssl_cert": {"type": "path"},
    "ssl_key": {"type": "path"},
    "connect_params": {"type": "dict", "default": {}},
}

_LIBPQ_NAMES = {
    "login_port": "port",
    "login_user": "user",
    "login_password": "password",
    "login_db": "dbname",
    "ssl_mode": "sslmode",
    "ca_cert": "sslrootcert",
    "ssl_cert": "sslcert",
    "ssl_key": "sslkey",
}

# Firewalls forget a connection on which nothing goes for a while, and both ends wait for each other ever after.
KEEPALIVES = {"keepalives_idle": 60, "keepalives_interval": 10, "keepalives_count": 6}

# What the driver takes beside libpq's keywords; a dsn may hold a password.
_DRIVERS_OWN = {"dsn", "connection_factory", "cursor_factory", "async", "async_"}


def libpq_parameters(options: Mapping[str, Any]) -> dict[str, Any]:
    """The libpq keywords that stand for the module's connection options."""
    extra = {name: value for name, value in (options.get("connect_params") or {}).items() if value is not None}
    if "password" in extra or "sslpassword" in extra:
        # Unlike login_password this dictionary is shown in logs and results.
        raise Refused(
            "connect_params holds a password, which would be logged: move it to login_password or a passfile."
        )
    foreign = sorted(set(extra) & _DRIVERS_OWN)
    if foreign:
        raise Refused(
            f"connect_params names '{foreign[0]}', which is no connection keyword of libpq: use those of its manual."
        )
    given = {libpq: options.get(option) for option, libpq in _LIBPQ_NAMES.items()}
    parameters: dict[str, Any] = dict(KEEPALIVES)
    parameters.update({name: value for name, value in given.items() if value not in (None, "")})
    host = options.get("login_host") or ""
    if host in ("", "localhost") and options.get("login_unix_socket"):
        host = options["login_unix_socket"]
    if host:
        parameters["host"] = host
    # libpq's switches are 0 and 1.
    parameters.update({name: int(value) if isinstance(value, bool) else value for name, value in extra.items()})
    return parameters


def where(parameters: Mapping[str, Any]) -> str:
    """How a message names the server and database that these parameters lead to."""
    host = parameters.get("host") or "the local socket"
    return f"{host} port {parameters.get('port', 5432)}, database {parameters.get('dbname', '')}"


def conninfo(parameters: Mapping[str, Any]) -> str:
    """The same as one text for PostgreSQL's programs; a password is not in it, arguments are for everyone to read."""
    quoted = {
        name: str(value).replace("\\", "\\\\").replace("'", "\\'")
        for name, value in parameters.items()
        if name != "password"
    }
    return " ".join(f"{name}='{value}'" for name, value in quoted.items())
