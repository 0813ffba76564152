"""What tools/sanity.py reads out of ansible-test."""

from __future__ import annotations

from pathlib import Path

import sanity

OUTPUT = """\
Running sanity test "ansible-doc"
Running sanity test "compile" on Python 3.11
Running sanity test "pslint"
No tests applicable.
WARNING: Skipping sanity test "validate-modules" on Python 3.11 due to missing libyaml support in PyYAML.
Running sanity test "shellcheck"
No tests applicable.
"""


def test_what_found_nothing_to_look_at_did_not_run() -> None:
    assert sanity.ran(OUTPUT) == ["ansible-doc", "compile"]


def test_what_did_not_run_has_its_reason() -> None:
    reasons = sanity.not_run(OUTPUT, ["3.9", "3.11"], "3.11")
    assert [reason.split(":")[0] for reason in reasons[:1]] == ["pslint, shellcheck"]
    assert any("libyaml" in reason for reason in reasons)
    assert "3.9" in reasons[-1]


def test_with_no_other_python_there_is_nothing_to_say_about_them() -> None:
    assert sanity.not_run('Running sanity test "ansible-doc"\n', ["3.11"], "3.11") == []


def test_the_stand_in_goes_where_ansible_test_looks(tmp_path: Path) -> None:
    path = tmp_path / "cache/get_pip_24_2.py"
    output = f"Download failed: no route\n\nThe script can be manually downloaded and saved to: {path}\n"
    assert sanity.put_stand_in(output)
    assert "ensurepip" in path.read_text()


def test_other_failures_get_no_stand_in() -> None:
    assert not sanity.put_stand_in("ERROR: Found 1 pylint issue(s) which need to be resolved:")


def test_it_looks_at_what_is_published() -> None:
    names = [
        "plugins/modules/a.py",
        "tools/b",
        "lab/c/d.py",
        "tests/unit/e.py",
        "tests/sanity/ignore-2.19.txt",
        "x.tar.gz",
    ]
    expected = {"plugins/modules/a.py", "tests/sanity/ignore-2.19.txt"}
    assert sanity.looked_at(names, ["tools", "lab", "tests", "*.tar.gz"]) == expected
