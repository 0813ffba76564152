# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One server made primary: look, decide, and unless in check mode, do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils import _claim
from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._host_lock import alone
from ansible_collections.runbook.postgres.plugins.module_utils._instance import observe as instances
from ansible_collections.runbook.postgres.plugins.module_utils._promote import apply, observe, request
from ansible_collections.runbook.postgres.plugins.module_utils._promote.plan import plan


def become_primary(options: Mapping[str, Any], result: dict[str, Any], *, check_mode: bool) -> None:
    """What is known is in `result`, whether it comes to its end or not."""
    wish = request.wish(options)
    found = instances.observe(options["version"], options["instance"])
    with _one_run(options, f"{found.version}-{found.name}", check_mode=check_mode):
        data = None if found.configuration is None else found.data_directory
        place = observe.place(found.version, found.name, data, found.server)
        seen = observe.look(place)
        decided = plan(seen, wish)
        result.update(request.foreseen(seen, decided))
        if decided.refusals:
            raise Refused(" ".join(each.sentence for each in decided.refusals))
        if not check_mode:
            work = apply.Promoting(place, seen.server, Deadline(float(options["timeout"])), result)
            work.carry_out(decided.plan.changes)


@contextlib.contextmanager
def _one_run(options: Mapping[str, Any], name: str, *, check_mode: bool) -> Iterator[None]:
    """A dry run waits for nobody."""
    with contextlib.ExitStack() as held:
        if not check_mode:
            held.enter_context(alone(name, float(options["timeout"])))
            if options["claim"]:
                held.enter_context(_claim.held(options["claim"]))
        yield
