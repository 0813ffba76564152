"""Run the checks of this collection, one part or all, and say how each went.

    .venv/bin/python tools/check.py lint unit
    .venv/bin/python tools/check.py all

A part is a list of steps and a step is one command. A passing step is one
line; a failing one shows everything it said and the command that repeats it.
The last line, `N passed, N failed, N skipped`, counts each test that pytest
ran, and each other step as one.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence

from checks.outcomes import summary
from checks.parts import PARTS, chosen
from checks.running import perform_all


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="tools/check.py", description="Run the checks of this collection.")
    parser.add_argument("parts", nargs="+", choices=[*PARTS, "all"], help="what to check", metavar="PART")
    names = parser.parse_args(arguments).parts
    # A scheduler ends a job with SIGTERM; the running step must not outlive us.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        outcomes = perform_all(chosen(names))
    except KeyboardInterrupt:
        print("\nStopped; the step that ran was ended. `make clean` removes containers it may have left.")
        return 130
    print("\n".join(summary(outcomes)))
    return 0 if all(outcome.state == "ok" for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
