"""Where the long tests interrupt a run they name functions of ours: each has to be there still."""

from __future__ import annotations

import re

import pytest

from lab.checkout import ROOT
from tests.integration.inside_run import named

# As `inside.Interrupt` takes them, in the text of whatever test names one.
POINT = re.compile(r'"(\._[\w.]+:[\w.]+)"')
POINTS = sorted({point for file in ROOT.glob("tests/*/*.py") for point in POINT.findall(file.read_text())})


@pytest.mark.parametrize("point", POINTS)
def test_what_is_interrupted_is_there(point: str) -> None:
    owner, name = named(point)
    assert callable(getattr(owner, name))


def test_some_are_named() -> None:
    assert len(POINTS) > 5
