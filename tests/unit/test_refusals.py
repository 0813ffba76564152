"""The page of refusals knows every code there is, and no other."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("_failover", "_promote")
PAGE = ROOT / "docs/docsite/rst/reference_refusals.rst"


def codes() -> set[str]:
    files = [path for place in PLACES for path in (ROOT / "plugins/module_utils" / place).glob("*.py")]
    return {code for path in files for code in re.findall(r'Refusal\(\s*"(\w+)"', path.read_text(encoding="utf-8"))}


def test_every_code_has_its_entry() -> None:
    entries = re.findall(r"(?m)^((?:``\w+``(?:, )?)+)$", PAGE.read_text(encoding="utf-8"))
    told = [code for line in entries for code in re.findall(r"\w+", line)]
    assert sorted(told) == sorted(codes())
