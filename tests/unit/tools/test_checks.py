"""The runner's own arithmetic: a check that miscounts hides what the others found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from checks import outcomes, parts, running
from checks.outcomes import Count, Outcome
from checks.parts import Part, Step
from lab.waiting import wait_until

LINT = Part("lint", ())
UNIT = Part("unit", ())
JUNIT = """<?xml version="1.0" encoding="utf-8"?>
<testsuites name="pytest tests">
  <testsuite name="pytest" errors="{errors}" failures="{failures}" skipped="{skipped}" tests="{tests}"/>
</testsuites>"""


@pytest.mark.parametrize(
    ("tests", "failures", "errors", "skipped", "expected"),
    [
        (5, 0, 0, 0, Count(passed=5)),
        (5, 1, 0, 2, Count(passed=2, failed=1, skipped=2)),
        (5, 1, 2, 0, Count(passed=2, failed=3)),
        (0, 0, 0, 0, Count()),
    ],
)
def test_tests_are_counted_from_junit(tests: int, failures: int, errors: int, skipped: int, expected: Count) -> None:
    text = JUNIT.format(tests=tests, failures=failures, errors=errors, skipped=skipped)
    assert outcomes.read_junit(text) == expected


@pytest.mark.parametrize(
    ("exit_code", "tests", "expected"),
    [
        (0, None, Count(passed=1)),
        (1, None, Count(failed=1)),
        (0, Count(passed=7, skipped=1), Count(passed=7, skipped=1)),
        (1, Count(passed=6, failed=1), Count(passed=6, failed=1)),
        # All tests passed and pytest failed: coverage below its bound, or a crash at the end.
        (1, Count(passed=7), Count(passed=7, failed=1)),
        # No test was found.
        (5, Count(), Count(failed=1)),
    ],
)
def test_an_exit_code_is_never_lost(exit_code: int, tests: Count | None, expected: Count) -> None:
    assert outcomes.tally(exit_code, tests) == expected


@pytest.mark.parametrize(
    ("branches", "covered", "expected"),
    [(8, 6, "coverage 91.2%, branches 75.0%"), (0, 0, "coverage 91.2%, no branches")],
)
def test_coverage_is_told_with_its_branches(branches: int, covered: int, expected: str) -> None:
    totals = {"percent_covered": 91.23, "num_branches": branches, "covered_branches": covered}
    assert outcomes.read_coverage(json.dumps({"totals": totals})) == expected


@pytest.mark.parametrize("text", ["", "<testsuite", '{"totals"', '{"totals": {}}'])
def test_a_report_that_was_cut_off_is_no_traceback(tmp_path: Path, text: str) -> None:
    (tmp_path / "report").write_text(text)
    assert outcomes.figures(tmp_path / "report", outcomes.read_junit) is None
    assert outcomes.figures(tmp_path / "report", outcomes.read_coverage) is None
    assert outcomes.figures(tmp_path / "missing", outcomes.read_junit) is None


def test_the_last_line_is_the_totals_alone() -> None:
    found = [
        Outcome(LINT, Step("ruff", ("ruff", "check")), "ok", 0.2, Count(passed=1)),
        Outcome(UNIT, Step("unit tests", ("pytest",)), "ok", 61.0, Count(passed=40, skipped=2), "40 passed"),
    ]
    lines = outcomes.summary(found)
    assert lines[-1] == "41 passed, 0 failed, 2 skipped"
    assert not any("repeat" in line for line in lines)


def test_a_failure_names_both_commands_that_repeat_it() -> None:
    step = Step("ansible-lint", ("ansible-lint", "--offline"), cwd=Path("some/where"), env=(("A", "b c"),))
    text = "\n".join(outcomes.summary([Outcome(LINT, step, "failed", 1.0, Count(failed=1))]))
    assert "make lint" in text
    assert "(cd some/where && A='b c' ansible-lint --offline)" in text


def test_a_part_with_a_failed_step_has_failed() -> None:
    found = [
        Outcome(LINT, Step("one", ("true",)), "ok", 1.0),
        Outcome(LINT, Step("two", ("false",)), "failed", 2.0),
    ]
    first = outcomes.table(found)[0]
    assert first.split() == ["lint", "3.0", "s", "FAILED"]


def test_the_lab_comes_before_the_first_part_that_needs_it() -> None:
    names = [part.name for part in parts.chosen(["integration", "molecule"])]
    assert names == ["lab", "integration", "molecule"]


def test_a_part_without_containers_starts_none() -> None:
    assert [part.name for part in parts.chosen(["lint", "unit", "lint"])] == ["lint", "unit"]


def test_coverage_is_judged_when_both_kinds_of_tests_ran() -> None:
    names = [part.name for part in parts.chosen(["unit", "integration", "molecule"])]
    assert names == ["unit", "lab", "integration", "molecule", "coverage"]


def test_what_needs_containers_runs_beside_what_needs_none() -> None:
    wanted = [part for part in parts.chosen(["all"]) if not part.comes_last]
    sides = [[part.name for part in side] for side in parts.lanes(wanted)]
    assert sides == [["lint", "sanity", "docs", "unit", "package"], ["lab"], ["integration"], ["site", "molecule"]]


def test_one_lane_is_enough_for_one_part() -> None:
    assert [[part.name for part in side] for side in parts.lanes(parts.chosen(["lint"]))] == [["lint"]]


def test_lanes_run_at_the_same_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each waits for a sign that only the other gives."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    script = "touch {mine}; for n in $(seq 600); do test -e {other} && exit 0; sleep 0.05; done; exit 1"
    one = Step("one", ("sh", "-c", script.format(mine=tmp_path / "a", other=tmp_path / "b")))
    other = Step("other", ("sh", "-c", script.format(mine=tmp_path / "b", other=tmp_path / "a")))
    found = performed(monkeypatch, tmp_path, Part("lint", (one,)), Part("molecule", (other,), needs_lab=True))
    assert [outcome.state for outcome in found] == ["ok", "ok"]


def test_what_needs_the_lab_waits_for_it_side_by_side(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each looks for what the lab leaves, and then for a sign that only the other gives."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    seen = f"test -e {tmp_path}/lab && touch {{mine}}"
    script = seen + "; for n in $(seq 600); do test -e {other} && exit 0; sleep 0.05; done; exit 1"
    one = Step("one", ("sh", "-c", script.format(mine=tmp_path / "a", other=tmp_path / "b")))
    other = Step("other", ("sh", "-c", script.format(mine=tmp_path / "b", other=tmp_path / "a")))
    lab = Part("lab", (Step("up", ("sh", "-c", f"sleep 0.5; touch {tmp_path}/lab")),), needs_lab=True, lane="lab")
    servers = Part("integration", (one,), needs_lab=True)
    clusters = Part("molecule", (other,), needs_lab=True, lane="clusters")
    found = performed(monkeypatch, tmp_path, lab, servers, clusters)
    assert [outcome.state for outcome in found] == ["ok", "ok", "ok"]


def test_no_lane_is_tried_without_its_lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    lab = Part("lab", (Step("up", ("false",)),), needs_lab=True, lane="lab")
    servers = Part("integration", (Step("one", ("true",)),), needs_lab=True)
    clusters = Part("molecule", (Step("two", ("true",)),), needs_lab=True, lane="clusters")
    found = performed(monkeypatch, tmp_path, lab, servers, clusters)
    assert [outcome.state for outcome in found] == ["failed", "not run", "not run"]


def test_coverage_waits_for_both_lanes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    judge = Part("coverage", (Step("judge", ("ls", str(tmp_path / "a"), str(tmp_path / "b"))),), comes_last=True)
    found = performed(
        monkeypatch,
        tmp_path,
        Part("unit", (Step("one", ("touch", str(tmp_path / "a"))),)),
        judge,
        Part("integration", (Step("two", ("touch", str(tmp_path / "b"))),), needs_lab=True),
    )
    assert [outcome.state for outcome in found] == ["ok", "ok", "ok"]


def test_a_stopped_run_leaves_no_command_behind(tmp_path: Path) -> None:
    """Of either lane, also when it is ended while both run."""
    script = """
import sys, pathlib
sys.path.insert(0, sys.argv[1])
import check
from checks import parts, running
running.ROOT = pathlib.Path(sys.argv[2])
running.os.cpu_count = lambda: 2
sleep = lambda name: parts.Step(name, ("sh", "-c", f"echo $$ > {sys.argv[2]}/{name}; exec sleep 600"))
check.chosen = lambda names: [
    parts.Part("lint", (sleep("one"), sleep("never"))), parts.Part("site", (sleep("two"),), needs_lab=True)
]
sys.exit(check.main(["all"]))
"""
    tools = str(Path(running.__file__).resolve().parents[1])
    run = subprocess.Popen([sys.executable, "-c", script, tools, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    wait_until("both run", lambda: all((tmp_path / each).exists() for each in ("one", "two")), bound=60)
    wait_until(
        "both are known", lambda: all((tmp_path / each).read_text().strip() for each in ("one", "two")), bound=60
    )
    run.terminate()
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "Stopped" in said
    assert not (tmp_path / "never").exists()
    for name in ("one", "two"):
        assert not Path(f"/proc/{(tmp_path / name).read_text().strip()}").exists()


def test_what_has_no_target_names_another_way_to_repeat_it() -> None:
    outcome = Outcome(parts.coverage(), Step("the bound", ("coverage", "report")), "failed", 1.0, Count(failed=1))
    assert any("tools/check.py unit integration" in line for line in outcomes.summary([outcome]))


def test_all_is_every_part() -> None:
    assert set(parts.PARTS) <= {part.name for part in parts.chosen(["all"])}


def test_later_parts_run_after_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = performed(
        monkeypatch,
        tmp_path,
        Part("lint", (Step("no", ("false",)),)),
        Part("unit", (Step("yes", ("true",)),)),
    )
    assert [outcome.state for outcome in found] == ["failed", "ok"]


def test_without_a_lab_what_needs_it_is_not_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = performed(
        monkeypatch,
        tmp_path,
        Part("lab", (Step("engine", ("false",)), Step("images", ("true",))), needs_lab=True, chained=True),
        Part("integration", (Step("tests", ("true",)),), needs_lab=True),
    )
    assert [outcome.state for outcome in found] == ["failed", "not run", "not run"]
    assert sum((outcome.count for outcome in found), Count()) == Count(failed=1, skipped=2)


def test_steps_that_do_not_build_on_each_other_all_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lint = Part("lint", (Step("one", ("false",)), Step("two", ("true",))))
    assert [outcome.state for outcome in performed(monkeypatch, tmp_path, lint)] == ["failed", "ok"]


def test_a_part_without_steps_is_not_a_pass(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert [outcome.state for outcome in performed(monkeypatch, tmp_path, Part("molecule", ()))] == ["failed"]


def test_a_missing_tool_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    performed(monkeypatch, tmp_path, Part("lint", (Step("ruff", (".venv/bin/ruff",)),)))
    said = capsys.readouterr().out
    assert ".venv/bin/ruff is not there, which ruff needs: run `make setup` and repeat." in said


def test_what_a_failing_step_said_is_shown_and_a_passing_one_is_quiet(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    performed(
        monkeypatch,
        tmp_path,
        Part("lint", (Step("good", ("echo", "chatter")), Step("bad", ("ls", "no-such-file")))),
    )
    said = capsys.readouterr().out
    assert "chatter" not in said
    assert "no-such-file" in said


def test_a_hanging_step_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(running, "MINUTES", 0.005)
    (outcome,) = performed(monkeypatch, tmp_path, Part("lint", (Step("hang", ("sleep", "60")),)))
    assert outcome.state == "failed"
    assert outcome.seconds < 10


def performed(monkeypatch: pytest.MonkeyPatch, root: Path, *parts: Part) -> list[Outcome]:
    monkeypatch.setattr(running, "ROOT", root)
    return running.perform_all(parts)
