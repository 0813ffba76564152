"""From what is there to what has to be done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._files import File
from ansible_collections.runbook.postgres.plugins.module_utils._hba.plan import Observed, Wish, plan_rules, reported
from ansible_collections.runbook.postgres.plugins.module_utils._hba.request import read_request
from ansible_collections.runbook.postgres.plugins.module_utils._hba.server import (
    CLOSED,
    RUNNING,
    STOPPED,
    Fault,
    Server,
)
from tests.unit.plugins.module_utils._hba.wishes import OURS, lines, rule

DIRECTORY = Path("/etc/postgresql/15/main")
WISH = Wish(lines(OURS), (), 15)
UP = Server(RUNNING, loaded=100.0)


def found(server: Server = UP, written: float = 50.0, **other: Any) -> Observed:
    return Observed(
        DIRECTORY, **{"files": WISH.files(DIRECTORY), "written": written, "kept": (), "server": server, **other}
    )


def edited(text: str) -> tuple[File, ...]:
    hba, ident = WISH.files(DIRECTORY)
    return (replace(hba, content=hba.content + text.encode()), ident)


def test_what_is_in_force_is_left_alone() -> None:
    plan = plan_rules(WISH, found())
    assert not plan.changed
    assert plan.diff() == []
    assert plan.sentences == []


def test_a_line_written_by_hand_is_shown_and_nothing_else() -> None:
    plan = plan_rules(WISH, found(files=edited("# by hand\n")))
    [told] = plan.diff()
    assert told["before"] == told["after"] + "# by hand\n"
    assert plan.sentences == [f"replace {DIRECTORY}/pg_hba.conf", "reload the server"]


def test_an_owner_changed_by_hand_is_shown() -> None:
    hba, ident = WISH.files(DIRECTORY)
    plan = plan_rules(WISH, found(files=(replace(hba, mode=0o644), ident)))
    assert [(told["before"], told["after"]) for told in plan.diff()] == [({"mode": "0644"}, {"mode": "0640"})]


def test_a_bare_host_gets_both_files_and_no_reload() -> None:
    plan = plan_rules(WISH, found(Server(STOPPED), written=0.0, files=(None, None)))
    assert len(plan.changes) == 2
    assert not plan.reload


def test_files_that_the_server_has_not_loaded_are_loaded() -> None:
    plan = plan_rules(WISH, found(written=150.0))
    assert (plan.changed, plan.reload, plan.changes) == (True, True, ())
    assert plan.diff()[0]["before_header"] == "rules in force"


def test_what_a_killed_run_kept_is_a_reason_to_reload() -> None:
    kept = (WISH.files(DIRECTORY)[0],)
    assert plan_rules(WISH, found(kept=kept)).reload
    stopped = plan_rules(WISH, found(Server(STOPPED), kept=kept))
    assert (stopped.reload, stopped.tidy, stopped.changed) == (False, True, True)


def test_a_server_that_keeps_us_out_is_mended() -> None:
    plan = plan_rules(WISH, found(Server(CLOSED, reason="no")))
    assert plan.reload


def test_files_that_cannot_be_read_are_no_state_to_be_content_with() -> None:
    broken = replace(UP, faults=(Fault("pg_hba.conf", 7, "no such method"),))
    [sentence] = plan_rules(WISH, found(broken)).refusals
    assert "line 7 of pg_hba.conf: no such method" in sentence
    # Someone else's mistake is mended.
    assert not plan_rules(WISH, found(broken, files=edited("nonsense\n"))).refusals


def test_the_result_names_files_and_state() -> None:
    result = reported(plan_rules(WISH, found()), found())
    assert result["hba_file"] == f"{DIRECTORY}/pg_hba.conf"
    assert (result["server"], result["changed"]) == ("running", False)
    assert "warnings" not in result


def options(**given: Any) -> dict[str, Any]:
    defaults = {"version": 15, "instance": "main", "port": 5432, "rules": [rule(OURS)], "maps": [], "allow": []}
    return {**defaults, "prove": [], "timeout": 10, **given}


def test_a_request_is_read_whole() -> None:
    wish, way, prove = read_request(
        options(prove=[{"host": "127.0.0.1", "sslmode": "verify-full", "gssencmode": True}])
    )
    assert (len(wish.lines), way.directory) == (1, DIRECTORY)
    assert prove[0]["gssencmode"] == 1


@pytest.mark.parametrize(
    "given",
    [
        {"timeout": 0},
        {"instance": "a/b"},
        {"prove": [{"password": "x"}]},
        {"prove": [{"host=": "x"}]},
        {"rules": []},
        {"rules": [rule(OURS), rule("host all all all md5")]},
    ],
)
def test_a_bad_request_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        read_request(options(**given))
