# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The options of pg_hba, read whole and refused whole before the host is looked at."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._debian import refuse_unfit_name
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._hba.judge import refusals
from ansible_collections.runbook.postgres.plugins.module_utils._hba.plan import Wish
from ansible_collections.runbook.postgres.plugins.module_utils._hba.rules import read_maps, read_rules
from ansible_collections.runbook.postgres.plugins.module_utils._hba.server import Way

_KEYWORD = re.compile(r"[a-z_]+")


def read_request(options: Mapping[str, Any]) -> tuple[Wish, Way, Sequence[Mapping[str, Any]]]:
    """The rules, the way to the server they are for, and the logins that prove them."""
    refuse_unfit_name(options["instance"])
    if not 1 <= options["timeout"] <= 3600:
        raise Refused(f"timeout is {options['timeout']}: give from one to 3600 seconds.")
    version = options["version"]
    wish = Wish(read_rules(options["rules"], version), read_maps(options["maps"], version), version)
    sentences = refusals(wish.lines, wish.maps, options["allow"])
    if sentences:
        raise Refused(" ".join([*sentences, "Nothing was changed."]))
    way = Way(version, options["instance"], options["port"], float(options["timeout"]))
    return wish, way, [_proof(each) for each in options["prove"]]


def _proof(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in parameters:
        if name in ("password", "sslpassword"):
            raise Refused(f"prove holds a {name}, which would be logged: put it into a passfile of postgres.")
        if not _KEYWORD.fullmatch(name):
            raise Refused(f"prove names '{name}', which is no connection keyword of libpq: use those of its manual.")
    return {name: int(value) if isinstance(value, bool) else value for name, value in parameters.items()}
