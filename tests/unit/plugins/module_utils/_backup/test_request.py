"""What no server could make possible is refused before one is asked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._backup.logical.request import wanted
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused

PARAMS: dict[str, Any] = {
    "database": "shop",
    "destination": "/backups",
    "label": "",
    "content": "all",
    "tables": [],
    "format": "custom",
    "jobs": 1,
    "compression": {"method": "gzip", "level": None},
    "globals": "full",
    "count_rows": False,
    "recipients": [],
    "identity": None,
    "owner": None,
    "group": None,
    "max_age": "20 hours",
    "verify": "checksum",
    "retention": None,
    "offsite": None,
    "expected_size": None,
    "lock_timeout": 60.0,
    "timeout": 86_400,
}
KEY = "age1" + "q" * 58


def test_a_whole_wish() -> None:
    wish = wanted(
        {
            **PARAMS,
            "retention": {"age": "30 days", "count": 7},
            "offsite": {"remote": "vault:pg", "retention": {"age": None, "count": 3}},
            "expected_size": "2 GB",
            "recipients": [KEY, KEY],
            "tables": ["b"],
            "label": "weekly",
        }
    )
    assert wish.max_age == timedelta(hours=20)
    assert wish.retention.words == "older than 30 days and not among the last 7"
    assert wish.offsite is not None
    assert wish.offsite.retention.count == 3
    assert (wish.expected_bytes, wish.recipients) == (2_000_000_000, (KEY,))
    assert wish.title == "database shop (all of 1 table, weekly)"


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"database": None}, "database is missing"),
        ({"destination": ""}, "destination is missing"),
        ({"destination": "backups"}, "not an absolute path"),
        ({"destination": "/a/../b"}, "not an absolute path"),
        ({"label": "a b"}, "letters, digits and underscores"),
        ({"recipients": ["AGE-SECRET-KEY-1ABC"]}, "holds a secret key"),
        ({"recipients": ["age1"]}, "is not an age public key"),
        ({"max_age": "soon"}, "max_age 'soon' is not understood"),
        ({"format": "directory", "recipients": [KEY]}, "use format custom or plain"),
        ({"jobs": 0}, "jobs is 0"),
        ({"compression": {"method": "none", "level": 1}}, "takes no level"),
        ({"compression": {"method": "zstd", "level": 20}}, "from 1 to 19"),
        ({"verify": "restore", "tables": ["t"]}, "verify this one by list"),
        ({"verify": "restore", "content": "data"}, "verify this one by list"),
        ({"verify": "list", "recipients": [KEY]}, "holders of a secret key"),
        ({"retention": {"age": None, "count": None}}, "names neither age nor count"),
        ({"retention": {"age": "0", "count": None}}, "would let every backup go"),
        ({"retention": {"age": None, "count": 0}}, "give 1 or more"),
        ({"offsite": {"remote": ":s3,key=x:bucket", "retention": None}}, "name of a remote"),
        ({"offsite": {"remote": "v:x", "retention": {"age": None, "count": 0}}}, "offsite: retention: count"),
        ({"lock_timeout": float("inf")}, "lock_timeout takes"),
        ({"timeout": 0}, "timeout one or more"),
    ],
)
def test_refusals(other: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=words):
        wanted({**PARAMS, **other})
