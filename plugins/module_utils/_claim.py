# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A host's word for whose failover it takes part in: one run at a time, and whoever was overtaken promotes nothing.

Whoever claims a host says so again from time to time. A claim that was not renewed for as long as it said is another's
to take, since its controller is gone. That this is a guess does no harm: a promotion holds the claim, and is refused
where it is somebody else's by then, or nobody's: another run may have come and gone meanwhile. The file goes with a
reboot, as does the clock that it is counted by.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from ansible_collections.runbook.postgres.plugins.module_utils import _host_lock
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._files import File, observe, put
from ansible_collections.runbook.postgres.plugins.module_utils._host_lock import alone

FILE = _host_lock.LOCKS / "failover-claim.json"
_LOCK = "failover-claim"
# As long as a promotion may hold it.
_LOCK_SECONDS = 150.0
_PAUSE = 0.5


@dataclass(frozen=True)
class Claim:
    token: str
    # Who, in words for whoever is refused.
    by: str
    # When it was said last, in seconds since the boot.
    said: float
    seconds: float

    def left(self, now: float) -> float:
        return max(self.said + self.seconds - now, 0.0)

    def refusal(self, now: float) -> Refused:
        return Refused(
            f"Another failover is under way, begun by {self.by} and heard of {now - self.said:.0f} s ago: let it end; "
            f"if its controller is gone, this can be run again in {self.left(now):.0f} s."
        )


def now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def read() -> Claim | None:
    found = observe(FILE)
    if found is None:
        return None
    try:
        return Claim(**json.loads(found.content))
    except (TypeError, ValueError):
        raise Refused(f"{FILE} is not as it was written: remove it once no failover is under way.") from None


def judge(token: str) -> None:
    """Whether the host could be claimed now; nothing is written."""
    found = read()
    if found is not None and found.token != token and found.left(now()):
        raise found.refusal(now())


def take(token: str, by: str, seconds: float) -> bool:
    """Another's claim is waited for until it runs out, and is refused when it is renewed meanwhile. Whether it was:
    what was seen before is old then."""
    first: Claim | None = None
    while True:
        with alone(_LOCK, _LOCK_SECONDS):
            found = read()
            if found is None or found.token == token or not found.left(now()):
                _write(Claim(token, by, now(), seconds))
                return first is not None
            if first is not None and found != first:
                raise found.refusal(now())
            first = found
        time.sleep(_PAUSE)


def renew(token: str, by: str, seconds: float, left: float = 0.0) -> None:
    """One that is not there as it was taken is lost: what was decided may be true no more. With `left`, nor is one
    renewed that has no more than those seconds: others of the cluster's hosts may be another run's at any moment."""
    with alone(_LOCK, _LOCK_SECONDS):
        found = _refuse_overtaken(token)
        if left and found.left(now()) < left:
            raise Refused(
                f"This failover was silent for {now() - found.said:.0f} s, so that another one may take over from it "
                "at any moment: run this again, which looks anew."
            )
        _write(Claim(token, by, now(), seconds))


def give_up(token: str) -> bool:
    with alone(_LOCK, _LOCK_SECONDS):
        found = read()
        if found is None or found.token != token:
            return False
        put(None, FILE)
        return True


@contextlib.contextmanager
def held(token: str) -> Iterator[None]:
    """Nobody can take it over meanwhile."""
    with alone(_LOCK, _LOCK_SECONDS):
        _refuse_overtaken(token)
        yield


def _refuse_overtaken(token: str) -> Claim:
    found = read()
    if found is None:
        raise Refused(
            "The claim that this failover held on this host is gone, with a reboot or because another run came and "
            "ended while this one was silent: see who is primary, and run this again."
        )
    if found.token != token:
        raise Refused(
            f"Another failover, begun by {found.by}, has taken over from this one, which had been silent for too long: "
            "see how that ends before anything else is done."
        )
    return found


def _write(claim: Claim) -> None:
    put(File(FILE, (json.dumps(asdict(claim)) + "\n").encode(), mode=0o600), FILE)
