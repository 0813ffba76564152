# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A command of the user's, such as one that takes the power or asks a cloud, and another that proves what it did."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._change import Plan
from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed, run
from ansible_collections.runbook.postgres.plugins.module_utils._deadline import Deadline
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._fencing.evidence import Evidence

_PAUSE = 1.0


@dataclass(frozen=True)
class Answer:
    """How the proof ended."""

    proven: bool
    code: int | None
    words: str = ""


@dataclass(frozen=True)
class RunCommand:
    program: str

    @property
    def sentence(self) -> str:
        return f"run {self.program}, and wait for its proof"


@dataclass(frozen=True)
class Command:
    host: str
    state: str
    argv: tuple[str, ...]
    proof: tuple[str, ...]
    environment: Mapping[str, str]
    seconds: float
    hidden: bool

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Command:
        environment = {name: str(value) for name, value in (params["environment"] or {}).items()}
        argv, proof = tuple(params["command"]), tuple(params["proof"])
        if not argv or not proof:
            raise Refused("Method command needs both a command and the proof of what it did: give command and proof.")
        return cls(
            params["host"], params["state"], argv, proof, environment, float(params["timeout"]), params["hide_output"]
        )

    @property
    def title(self) -> str:
        return f"{self.host} as its proof tells"

    def observe(self) -> Answer:
        return self._ask(self.seconds)

    def _ask(self, seconds: float) -> Answer:
        """A proof that fails, hangs or is not there proves nothing."""
        try:
            run(self.proof, max(1.0, seconds), environment=self.environment)
        except ProgramFailed as error:
            return Answer(False, error.code, self._shown(error))
        return Answer(True, 0)

    def _shown(self, error: ProgramFailed) -> str:
        # How it ended is said in any case; in what it said there may be secrets that nobody listed.
        if self.hidden and error.code is not None:
            return f"exit code {error.code}, what it said is not shown"
        return error.sentence.rstrip(".")

    def plan(self, found: Answer) -> Plan:
        if found.proven:
            return Plan()
        return Plan((RunCommand(self.argv[0]),), before=[f"not {self.state}"], after=[self.state])

    def take(self, change: RunCommand) -> None:  # noqa: ARG002 - there is one
        """A failure counts less than the proof: a machine may be off and its power switch complain of that."""
        deadline = Deadline(self.seconds)
        try:
            run(self.argv, self.seconds, environment=self.environment)
        except ProgramFailed as error:
            if not self._ask(self.seconds).proven:
                raise ProgramFailed(
                    f"The command that is to have {self.host} {self.state} failed ({self._shown(error)}), and its "
                    "proof does as well: nothing is proven, see to the command."
                ) from None
            return
        while not deadline.passed():
            if self._ask(deadline.remaining()).proven:
                return
            time.sleep(_PAUSE)

    def evidence(self, found: Answer) -> Evidence:
        seen = {"proof_code": found.code}
        if found.proven:
            return Evidence(seen)
        sentence = (
            f"The proof that {self.host} is {self.state} does not succeed ({found.words}): "
            "look by hand whether it is, and mend the command or its proof."
        )
        return Evidence(seen, (sentence,))
