"""What a playbook says that it changed is read of every host."""

from __future__ import annotations

import pytest

from lab.recap import changes, unreached

TEXT = """\
PLAY RECAP *********************************************************************
db-1.example.net           : ok=12   changed=0    unreachable=0    failed=0    skipped=3    rescued=0    ignored=0
db-2.example.net           : ok=2    changed=10   unreachable=1    failed=0    skipped=0    rescued=0    ignored=0
localhost                  : ok=1    changed=0    unreachable=0    failed=0    skipped=0    rescued=0    ignored=0
"""


def test_every_host_counts_however_its_lines_are_joined() -> None:
    for text in (TEXT, " ".join(TEXT.split())):
        assert changes(text) == {"db-2.example.net": 10}
        assert unreached(text) == ["db-2.example.net"]


def test_a_run_that_says_nothing_has_not_changed_nothing() -> None:
    for read in (changes, unreached):
        with pytest.raises(AssertionError):
            read("ERROR! the playbook could not be found")
