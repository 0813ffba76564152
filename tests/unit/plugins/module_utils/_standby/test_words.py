"""What is read from, and written for, other programs."""

from __future__ import annotations

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._registration import settings_text
from ansible_collections.runbook.postgres.plugins.module_utils._standby.conninfo import conninfo, quoted
from ansible_collections.runbook.postgres.plugins.module_utils._standby.streaming import telling_lines, too_low

OPTIONS = {"upstream_hosts": ["a"], "upstream_port": 5432, "user": "replicator", "sslmode": "verify-full"}


def test_a_conninfo_holds_what_was_given() -> None:
    one = conninfo({**OPTIONS, "sslkey": "/a b/c'd\\e"})
    assert one.text(replication="true") == (
        "host=a port=5432 user=replicator sslmode=verify-full sslkey='/a b/c\\'d\\\\e' "
        "connect_timeout=10 replication=true"
    )
    several = conninfo({**OPTIONS, "upstream_hosts": ["a", "::1"]})
    assert "host=a,::1 " in several.text()
    assert "target_session_attrs=read-write" in several.text()
    assert quoted("") == "''"
    for hosts in ([], ["a,b"], [""]):
        with pytest.raises(Refused):
            conninfo({**OPTIONS, "upstream_hosts": hosts})


def test_settings_take_the_place_of_the_samples() -> None:
    sample = "#datestyle = 'iso, mdy'\n#max_connections = 100\t\t# (change requires restart)\nport = 5432\n"
    told = settings_text(sample, {"DateStyle": "ISO, DMY", "max_connections": "40", "lc_time": "it's"})
    assert told == (
        "DateStyle = 'ISO, DMY'\nmax_connections = '40'\t\t# (change requires restart)\n"
        "port = 5432\nlc_time = 'it''s'\n"
    )


def test_what_a_log_says_of_trouble() -> None:
    log = (
        "2026-01-01 00:00:00.000 UTC [12] LOG:  started streaming\n"
        "2026-01-01 00:00:01.000 UTC [12] FATAL:  could not start WAL streaming: ERROR:  no slot\n"
        "2026-01-01 00:00:02.000 UTC [13] FATAL:  could not start WAL streaming: ERROR:  no slot\n"
    )
    assert telling_lines(log) == ["FATAL: could not start WAL streaming: ERROR: no slot"]
    assert telling_lines("") == []


def test_less_than_the_primary_has() -> None:
    assert too_low({"max_connections": 20, "x": 1}, {"max_connections": 40, "y": 2}) == [
        "max_connections = 20 where the primary has 40"
    ]
    assert too_low({"max_connections": 40}, {"max_connections": 40}) == []
