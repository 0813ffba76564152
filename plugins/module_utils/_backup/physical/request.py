# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is asked of a physical backup, read before anything is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._backup.options import read_max_age
from ansible_collections.runbook.postgres.plugins.module_utils._backup.physical.plan import KINDS, Wish
from ansible_collections.runbook.postgres.plugins.module_utils._backup.words import parse_size
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused

PHYSICAL_OPTIONS: dict[str, Any] = {
    "stanza": {"type": "str"},
    "repository": {"type": "int", "default": 1},
    "kind": {"type": "str", "choices": list(KINDS), "default": "full"},
}


def wanted(params: Mapping[str, Any]) -> Wish:
    if not params["stanza"]:
        raise Refused("stanza is missing: give what the cluster is called in pgBackRest's repositories.")
    if params["retention"] or params["offsite"]:
        raise Refused(
            "retention and offsite are for logical backups: pgBackRest keeps what role backup says, in as many "
            "repositories as it says."
        )
    return Wish(
        params["stanza"],
        params["repository"],
        params["kind"],
        read_max_age(params),
        params["verify"],
        float(params["timeout"]),
        None if params["expected_size"] is None else parse_size("expected_size", params["expected_size"]),
    )
