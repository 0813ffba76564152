"""A drill says which copies it did not restore."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._recovery.catalogue import read
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.drill import untried

from .listing import CLUSTER, STANZA, backup, listing

HERE = backup("F1", 1000, "000000010000000000000003", "0/3000100")
THERE = {**HERE, "label": "F2", "database": {"id": 1, "repo-key": 2}}
DBS = [{"id": 1, "repo-key": each, "system-id": CLUSTER, "version": "15"} for each in (1, 2)]
ONE, BOTH = read(listing(HERE), STANZA, 15, None), read(listing(HERE, THERE, db=DBS), STANZA, 15, None)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "/var/lib/pgbackrest"),
        ("[global]\nrepo1-path = /srv/b\n", "/srv/b"),
        ("[global]\nrepo1-path=/srv/b\n[other]\nrepo1-host=x\n[demo]\npg1-path=/d\n", "/srv/b"),
        ("[global]\nrepo1-path=/srv/b\n[demo:restore]\nrepo1-host=keeper\n", None),
        ("[global:archive-get]\nrepo1-type=s3\n", None),
        ("[global]\nrepo2-type=s3\n", "/var/lib/pgbackrest"),
    ],
)
def test_a_repository_is_of_this_host_or_elsewhere(text: str, place: str | None) -> None:
    assert untried.here(text, STANZA, 1) == place


def test_what_was_not_restored_is_told() -> None:
    [said] = untried.physical(ONE, ONE.backups[0], "")
    assert said == "Any copy elsewhere: backup F1 came from /var/lib/pgbackrest of this host."
    assert list(untried.physical(ONE, ONE.backups[0], "[global]\nrepo1-type=s3\n")) == []
    assert list(untried.physical(BOTH, BOTH.backups[0], "")) == ["The backups in repository 2 of stanza demo."]
    [said] = untried.logical("sh<op>", "/srv/dumps")
    assert said == "Any copy elsewhere of the backup of database sh<op>: it came from /srv/dumps of this host."
    assert list(untried.logical("shop", None)) == []


def test_the_configuration_is_read_as_pgbackrest_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main, parts, debian = tmp_path / "main", tmp_path / "conf.d", tmp_path / "debian"
    for name, value in (("MAIN", main), ("PARTS", parts), ("ELSEWHERE", debian)):
        monkeypatch.setattr(untried, name, value)
    assert untried.configuration(None) == ""
    debian.write_text("debian")
    assert untried.configuration(None) == "debian\n"
    parts.mkdir()
    (parts / "demo.conf").write_text("part")
    main.write_text("main")
    assert untried.configuration(None) == "main\npart\n"
    assert untried.configuration(str(debian)) == "debian\n"
