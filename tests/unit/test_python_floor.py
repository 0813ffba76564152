"""Managed hosts run Python from 3.9 on: what is newer has to fail lint, not an operator's run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
FUTURE = "from __future__ import annotations\n\n\n"

TOO_NEW = {
    "match": FUTURE + "def f(a: int) -> int:\n    match a:\n        case _:\n            return a\n",
    "except group": FUTURE + "try:\n    f = 1\nexcept* ValueError:\n    f = 2\n",
    "quotes reused in an f-string": FUTURE + 'd = {"a": 1}\ne = f"{d["a"]}"\n',
    "union evaluated in an annotation": "def f(a: int | None) -> int | None:\n    return a\n",
    "zip(strict)": FUTURE + "pairs = list(zip([1], [2], strict=True))\n",
    "dataclass(slots)": FUTURE
    + "from dataclasses import dataclass\n\n\n@dataclass(slots=True)\nclass A:\n    x: int\n",
    "a module of 3.11": FUTURE + "import tomllib\n\nf = tomllib.loads\n",
}
OLD_ENOUGH = FUTURE + "def f(a: dict[str, int] | None) -> int | None:\n    return (a or {}).get('a')\n"


def accepted(source: str, directory: Path) -> bool:
    """Whether the two steps of `make lint` that hold the floor let this pass."""
    path = directory / "sample.py"
    path.write_text(source)
    ruff = (
        str(BIN / "ruff"),
        "check",
        "--quiet",
        "--config",
        str(ROOT / "pyproject.toml"),
        "--select",
        "F,FA",
        str(path),
    )
    vermin = (str(BIN / "vermin"), "--target=3.9-", "--violations", "--no-tips", str(path))
    return all(subprocess.run(command, capture_output=True, check=False).returncode == 0 for command in (ruff, vermin))


@pytest.mark.parametrize("name", sorted(TOO_NEW))
def test_what_python_3_9_cannot_run_fails_lint(name: str, tmp_path: Path) -> None:
    assert not accepted(TOO_NEW[name], tmp_path)


def test_what_python_3_9_can_run_passes(tmp_path: Path) -> None:
    assert accepted(OLD_ENOUGH, tmp_path)
