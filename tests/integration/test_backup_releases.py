"""On each release: a backup of the whole cluster is taken once, listed, and is what a recovery brings back."""

from __future__ import annotations

from typing import Any

from tests.integration import inside
from tests.integration.recoveries import STANZA, Backed

# Debian 11, whose pgBackRest cannot read a repository through.
OLD_PGBACKREST = 11


DUMPS = "/var/lib/postgresql/dumps"


def taken(backed: Backed, *, check: bool = False, **options: Any) -> inside.Ended:
    wish = {"method": "physical", "stanza": STANZA, "max_age": "1 hour", **options}
    return inside.run(backed.node, "pg_backup", wish, check=check, user="root")


def test_a_backup_comes_back(ledger: Backed) -> None:
    verify = "checksum"
    if ledger.node.release == OLD_PGBACKREST:
        for check in (True, False):
            assert "cannot verify a repository" in taken(ledger, check=check, verify=verify).failure
        assert '"backup":[]' in ledger.pgbackrest("--output=json", "info")
        verify = "none"
    foreseen = taken(ledger, check=True, verify=verify).result
    done = taken(ledger, verify=verify)
    assert done.result["taken"], done.text
    assert (done.result["steps"], done.result["diff"]) == (foreseen["steps"], foreseen["diff"])
    again = taken(ledger, verify=verify).result
    assert (again["changed"], again["id"]) == (False, done.result["id"])
    [listed] = inside.run(ledger.node, "pg_backup_info", {"stanza": STANZA}, user="root").result["backups"]
    assert (listed["id"], listed["kind"], listed["problems"]) == (done.result["id"], "full", [])
    kept = ledger.rows()
    ledger.cluster.psql("INSERT INTO ledger (who) VALUES (7)")
    ended = ledger.recover(target="immediate", backup=done.result["id"], running_server="stop")
    assert ended.result["changed"], ended.text
    assert ledger.rows() == kept


def test_backups_of_both_kinds_are_one_list(ledger: Backed) -> None:
    """With the same keys, so that who asks which is the newest asks once."""
    before = ledger.cluster.psql("SELECT pg_current_wal_lsn()")
    dump = {"database": "postgres", "destination": DUMPS, "max_age": "0", "login_unix_socket": "/var/run/postgresql"}
    logical = inside.run(ledger.node, "pg_backup", dump)
    assert logical.code == 0, logical.text
    physical = taken(ledger, verify="none")
    assert physical.code == 0, physical.text
    listed = inside.run(ledger.node, "pg_backup_info", {"destination": DUMPS, "stanza": STANZA}, user="root")
    found = {each["method"]: each for each in listed.result["backups"]}
    assert {name: each["id"] for name, each in found.items()} == {
        "logical": logical.result["id"],
        "physical": physical.result["id"],
    }
    assert set(found["logical"]) == set(found["physical"])
    cluster = ledger.cluster.psql("SELECT system_identifier FROM pg_control_system()")
    assert {each["system_identifier"] for each in found.values()} == {cluster}
    later = ledger.cluster.psql("SELECT pg_current_wal_lsn()")
    if ledger.node.release == OLD_PGBACKREST:
        # Which tells of files of WAL only.
        assert found.pop("physical")["lsn_stop"] is None
    for name, each in found.items():
        within = f"SELECT pg_lsn '{each['lsn_stop'] or each['lsn_start']}' BETWEEN '{before}' AND '{later}'"
        assert ledger.cluster.psql(within) == "t", name
