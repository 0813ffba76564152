# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The options of pg_health_facts beside the connection's."""

from __future__ import annotations

from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._connection import CONNECTION_OPTIONS
from ansible_collections.runbook.postgres.plugins.module_utils._patroni_api import PORT

_IGNORE: dict[str, Any] = {
    "check": {"type": "str", "required": True},
    "object": {"type": "str", "default": "*"},
    "database": {"type": "str", "default": "*"},
}

_CHECKS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "query": {"type": "str", "required": True},
    "database": {"type": "str"},
    "worse": {"type": "str", "choices": ["above", "below"], "default": "above"},
    "info": {"type": "float"},
    "warning": {"type": "float"},
    "critical": {"type": "float"},
    "unit": {"type": "str"},
    "sentence": {"type": "str"},
    "remedy": {"type": "str"},
}

_CONSOLE = ("login_host", "login_password", "login_unix_socket", "ssl_mode", "ca_cert", "ssl_cert", "ssl_key")
_PGBOUNCER: dict[str, Any] = {
    **{name: CONNECTION_OPTIONS[name] for name in _CONSOLE},
    "login_port": {"type": "int", "default": 6432},
    "login_user": {"type": "str", "required": True},
}

_PATRONI: dict[str, Any] = {
    "address": {"type": "str", "required": True},
    "api_port": {"type": "int", "default": PORT},
    "ca_cert": {"type": "path", "default": "/etc/ssl/postgres/ca.crt"},
}

_BASELINE: dict[str, Any] = {"transactions_per_second": {"type": "float", "required": True}}

_DUMPS: dict[str, Any] = {
    "directory": {"type": "path", "required": True},
    "database": {"type": "str", "required": True},
    "on": {"type": "str", "choices": ["primary", "standby", "any"], "default": "primary"},
}

HEALTH_OPTIONS: dict[str, Any] = {
    "gather_subset": {"type": "list", "elements": "str", "default": ["all"]},
    "databases": {"type": "list", "elements": "str", "default": []},
    "thresholds": {"type": "dict", "default": {}},
    "ignore": {"type": "list", "elements": "dict", "default": [], "options": _IGNORE},
    "checks": {"type": "list", "elements": "dict", "default": [], "options": _CHECKS},
    "baseline": {"type": "dict", "options": _BASELINE},
    "sample_seconds": {"type": "float", "default": 5},
    "pgbouncer": {"type": "dict", "options": _PGBOUNCER},
    "expected_stanzas": {"type": "list", "elements": "str", "default": []},
    "expected_dumps": {"type": "list", "elements": "dict", "default": [], "options": _DUMPS},
    "patroni": {"type": "dict", "options": _PATRONI},
    "limit": {"type": "int", "default": 10},
    "query_timeout": {"type": "float", "default": 5},
    "connect_timeout": {"type": "float", "default": 5},
    "timeout": {"type": "float", "default": 30},
    "on_unreachable": {"type": "str", "choices": ["fail", "report"], "default": "fail"},
}
