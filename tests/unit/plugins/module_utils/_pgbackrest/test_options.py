"""What a host's pgBackRest is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.options import (
    Member,
    Tls,
    Wish,
    hidden,
    rendered,
    told,
)

SECRET = "s3cret"
DISK: dict[str, Any] = {"type": "disk", "path": "/srv/backup", "passphrase": SECRET, "retention": {"full": 2}}
S3: dict[str, Any] = {
    "type": "s3",
    "path": "/ledger",
    "bucket": "b",
    "endpoint": "s3.example.net",
    "region": "r",
    "key": "k",
    "key_secret": SECRET,
    "retention": {"full": 90, "full_type": "time", "diff": 3},
    "settings": {"bundle": True, "s3-kms-key-id": "id", "s3-token": SECRET},
}
HERE = Member("/data", 5432)
TLS = Tls("/tls", 8432)
ALONE = Wish("ledger", (HERE,), (DISK, S3), None, TLS, {"process-max": 2})


def test_a_server_that_reaches_its_repositories_by_itself() -> None:
    files = told(ALONE)
    assert files.host == {"global": {}}
    assert files.stanza["ledger"] == {
        "pg1-path": "/data",
        "pg1-port": 5432,
        "pg1-socket-path": "/var/run/postgresql",
        "process-max": 2,
        "repo1-cipher-type": "aes-256-cbc",
        "repo1-path": "/srv/backup",
        "repo1-retention-full": 2,
        "repo1-retention-full-type": "count",
        "repo2-bundle": True,
        "repo2-path": "/ledger",
        "repo2-retention-diff": 3,
        "repo2-retention-full": 90,
        "repo2-retention-full-type": "time",
        "repo2-s3-bucket": "b",
        "repo2-s3-endpoint": "s3.example.net",
        "repo2-s3-kms-key-id": "id",
        "repo2-s3-region": "r",
        "repo2-storage-verify-tls": True,
        "repo2-type": "s3",
    }
    assert files.secrets == {
        "ledger": {
            "repo1-cipher-pass": SECRET,
            "repo2-s3-key": "k",
            "repo2-s3-key-secret": SECRET,
            "repo2-s3-token": SECRET,
        }
    }


def test_a_secret_by_pgbackrests_own_name_is_hidden_as_well() -> None:
    own = {"repo3-azure-key": "another", "repo4-s3-sse-customer-key": "a third"}
    wish = replace(ALONE, settings={"process-max": 2, **own})
    assert list(hidden(wish)) == ["another", "a third", SECRET]


def test_a_server_with_a_repository_host_knows_the_way_and_no_secret() -> None:
    wish = replace(ALONE, repositories=({}, {}), repository_host="keeper", tls=Tls("/tls", 8432, ("keeper",)))
    files = told(wish)
    assert files.secrets == {}
    assert files.host["global"]["tls-server-cert-file"] == "/tls/node.crt"
    assert files.stanza["global"] == {"tls-server-auth": ["keeper=ledger"]}
    ways = {name: value for name, value in files.stanza["ledger"].items() if name.startswith("repo2")}
    assert ways == {
        "repo2-host": "keeper",
        "repo2-host-ca-file": "/tls/ca.crt",
        "repo2-host-cert-file": "/tls/node.crt",
        "repo2-host-key-file": "/tls/node.key",
        "repo2-host-port": 8432,
        "repo2-host-type": "tls",
    }


def test_a_repository_host_knows_every_server() -> None:
    members = (Member("/data", 5432, "one"), Member("/data", 5433, "two"))
    files = told(replace(ALONE, members=members, tls=Tls("/tls", 8432, ("one", "two"))))
    section = files.stanza["ledger"]
    assert (section["pg1-host"], section["pg2-host"], section["pg2-port"]) == ("one", "two", 5433)
    assert files.stanza["global"]["tls-server-auth"] == ["one=ledger", "two=ledger"]


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (replace(ALONE, stanza="../other"), "cannot be the name of a directory"),
        (replace(ALONE, stanza="two words"), "cannot be the name of a directory"),
        (replace(ALONE, repositories=()), "No repository is given"),
        (replace(ALONE, repositories=({**DISK, "retention": None},)), "does not say how many full backups"),
        (replace(ALONE, repositories=({**DISK, "retention": {"full": 0}},)), "at least 1"),
        (replace(ALONE, repositories=({**DISK, "path": "backup"},)), "give an absolute one"),
        (replace(ALONE, repositories=({**S3, "bucket": None, "region": ""},)), "lacks bucket, region"),
        (replace(ALONE, repositories=({**DISK, "settings": {"a=b": 1}},)), "'a=b' is no option"),
        (replace(ALONE, settings={"[global]": 1}), "is no option"),
    ],
)
def test_what_cannot_be_meant_is_refused(wish: Wish, said: str) -> None:
    with pytest.raises(Refused, match=said.replace("[", r"\[")):
        told(wish)


def test_a_file_of_pgbackrests() -> None:
    text = rendered({"global": {}, "ledger": {"b": True, "a": ["one", "two"], "c": 3}})
    assert text.splitlines()[1:] == ["", "[global]", "", "[ledger]", "a=one", "a=two", "b=y", "c=3"]


@given(st.text())
def test_no_value_becomes_another_line(value: str) -> None:
    secret = {"ledger": {"repo1-cipher-pass": value}}
    if not value or value != value.strip() or not value.isprintable():
        with pytest.raises(Refused, match="The value of repo1-cipher-pass is empty"):
            rendered(secret)
    else:
        assert rendered(secret).split("\n")[3:] == [f"repo1-cipher-pass={value}", ""]
