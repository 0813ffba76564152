# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ways to the server's databases, by the module's own options."""

from __future__ import annotations

from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.prove import Server
from ansible_collections.runbook.postgres.plugins.module_utils._connection import conninfo, libpq_parameters
from ansible_collections.runbook.postgres.plugins.module_utils._module import Module
from ansible_collections.runbook.postgres.plugins.module_utils._session import Session

# A filtered answer about what a table holds would be a wrong one.
SETTINGS = {"TimeZone": "UTC", "DateStyle": "ISO", "row_security": "off"}


def parameters(module: Module, database: str, options: str = "") -> dict[str, Any]:
    """With those startup options beside the user's own."""
    given = libpq_parameters(module.params)
    if options:
        given["options"] = f"{given.get('options', '')} {options}".strip()
    return {**given, "dbname": database}


def session_to(module: Module, database: str, lock_seconds: float = 60.0) -> Session:
    module.params["login_db"] = database
    return module.session({**SETTINGS, "lock_timeout": str(max(1, int(lock_seconds * 1000)))})


def server(module: Module, session: Session) -> Server:
    return Server(
        session,
        lambda name: session_to(module, name),
        lambda name, options: conninfo(parameters(module, name, options)),
        str(libpq_parameters(module.params).get("host", "")),
    )
