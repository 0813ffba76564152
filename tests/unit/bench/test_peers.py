"""What is asked of the peers is what our side answers too, and a peer that fails is found out."""

from __future__ import annotations

import subprocess
from dataclasses import fields

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import PROBES
from ansible_collections.runbook.postgres.plugins.module_utils._health.checks import CHECKS
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Server
from bench.peers import CHECK_PGACTIVITY, CHECK_POSTGRES, Peer, Question, script


@pytest.mark.parametrize("peer", [CHECK_POSTGRES, CHECK_PGACTIVITY], ids=lambda peer: peer.name)
def test_our_side_answers_each_question(peer: Peer) -> None:
    answers = {*CHECKS, *(probe.name for probe in PROBES), *(field.name for field in fields(Server))}
    assert {question.ours for question in peer.questions} <= answers
    assert len({question.theirs for question in peer.questions}) == len(peer.questions)


def run(*commands: str) -> subprocess.CompletedProcess[str]:
    """The script with questions that are commands of the shell."""
    peer = Peer("peer", ("sh", "-c", "{question}"), tuple(Question(each, "") for each in commands))
    return subprocess.run(["sh"], input=script(peer), capture_output=True, text=True, check=False, timeout=20)


@pytest.mark.parametrize("code", [0, 1, 2])
def test_ok_warning_and_critical_are_answers(code: int) -> None:
    done = run(f"exit {code}", "exit 0")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("code", [3, 127])
def test_unknown_and_failure_are_none(code: int) -> None:
    done = run("exit 0", f"echo it says why; exit {code}")
    assert done.returncode == 1
    assert f"ended with exit code {code}: it says why" in done.stderr


def test_options_with_spaces_stay_whole() -> None:
    assert "'--warning=1 GB'" in script(CHECK_POSTGRES)
