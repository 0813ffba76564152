"""What was backed up is what comes back: compared as text and by content, on every release."""

from __future__ import annotations

import pytest

from tests.integration import everything
from tests.integration.restores import Stage
from tests.integration.servers import Server


@pytest.fixture
def stage(installed: Server) -> Stage:
    stage = Stage(installed.node, installed.primary)
    stage.clear()
    return stage


# How a backup can be made; what it holds is the same, but for the wrapping.
WAYS: list[tuple[str, str, bool]] = [
    ("custom", "gzip", False),
    ("custom", "zstd", True),
    ("custom", "none", False),
    ("directory", "gzip", False),
    ("plain", "lz4", False),
    ("plain", "zstd", True),
]


@pytest.mark.parametrize(("form", "method", "encrypted"), WAYS)
def test_everything_comes_back(stage: Stage, form: str, method: str, *, encrypted: bool) -> None:
    everything.make(stage)
    before, large = everything.text(stage, everything.NAME), stage.psql(everything.LARGE, everything.NAME)
    public, identity = stage.keys
    recipients = [public] if encrypted else []
    stage.back_up(everything.NAME, format=form, compression={"method": method}, recipients=recipients, jobs=2)
    stage.psql(f"DROP DATABASE {everything.quoted(everything.NAME)}")
    done = stage.done(checks={"amcheck": True}, identity=identity, jobs=2)
    assert everything.text(stage, everything.NAME) == before
    assert stage.psql(everything.LARGE, everything.NAME) == large
    assert done.result["checks"]["rows"] == 149
    # Identity and sequences go on where they were; policies hold.
    added = 'INSERT INTO every_type DEFAULT VALUES RETURNING id; SELECT nextval(\'"Sch%ema, ""q"" {x}".odd\')'
    assert stage.psql(added, everything.NAME).splitlines() == ["163", "-9"]
    seen = 'SET ROLE reader; SELECT count(*) FROM "Sch%ema, ""q"" {x}"."T; --"'
    assert stage.psql(seen, everything.NAME) == "2"


def test_in_the_place_of_another(stage: Stage) -> None:
    everything.make(stage)
    before = everything.text(stage, everything.NAME)
    stage.back_up(everything.NAME)
    stage.psql("DROP TABLE every_type; DELETE FROM elsewhere", everything.NAME)
    stage.done(replace=True, safety_backup=False, replaced="drop")
    assert everything.text(stage, everything.NAME) == before


@pytest.mark.parametrize(("encoding", "words"), [("LATIN1", "E'\\u00e4'"), ("SQL_ASCII", "E'\\xff\\xfe'")])
def test_other_encodings(stage: Stage, encoding: str, words: str) -> None:
    stage.psql(f"CREATE DATABASE odd ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    stage.psql("SET client_encoding = SQL_ASCII; CREATE TABLE t (w text)", "odd")
    stage.psql("INSERT INTO t VALUES ({})".replace("{}", words), "odd")
    query = "SET client_encoding = SQL_ASCII; SELECT encode(convert_to(w, getdatabaseencoding()), 'hex') FROM t"
    before = stage.psql(query, "odd")
    stage.back_up("odd")
    stage.psql("DROP DATABASE odd")
    stage.done()
    assert stage.psql(query, "odd") == before
    told = "SELECT pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname = 'odd'"
    assert stage.psql(told) == f"{encoding}|C"


def test_a_database_without_schema_public_is_read_through(stage: Stage) -> None:
    stage.psql("CREATE DATABASE bare")
    stage.psql("DROP SCHEMA public; CREATE SCHEMA own; CREATE TABLE own.t (n int PRIMARY KEY)", "bare")
    stage.back_up("bare")
    done = stage.done(target="bare2", checks={"amcheck": True})
    assert done.result["checks"]["amcheck"] > 0
    assert stage.psql("SELECT string_agg(nspname, ',') FROM pg_namespace WHERE oid >= 16384", "bare2") == "own"


def test_nothing_but_views(stage: Stage) -> None:
    stage.psql("CREATE DATABASE seen")
    stage.psql(everything.VIEWS, "seen")
    before = everything.text(stage, "seen", whole=False)
    stage.back_up("seen")
    stage.psql("DROP DATABASE seen")
    stage.done()
    assert everything.text(stage, "seen", whole=False) == before
