"""Nothing of the restored cluster's own says where its trial listens, what it archives with or what it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed
from ansible_collections.runbook.postgres.plugins.module_utils._controldata import Control
from ansible_collections.runbook.postgres.plugins.module_utils._history import Branch
from ansible_collections.runbook.postgres.plugins.module_utils._recovery import seclusion
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.place import Place
from ansible_collections.runbook.postgres.plugins.module_utils._recovery.seclusion import arguments, settings_text


def place(version: int) -> Place:
    return Place(version, "main", Path(f"/var/lib/postgresql/{version}/it's"))


@pytest.mark.parametrize("version", [13, 15, 17])
def test_the_last_word_is_on_the_command_line(version: int) -> None:
    more = {"shared_preload_libraries": "o'lib", "listen_addresses": "*"}
    argv = arguments(place(version), {"restore_command": 'get %f "%p"'}, {"max_connections": 200}, more)
    assert argv[::2] == ["-c"] * (len(argv) // 2)
    told = dict(word.split("=", 1) for word in argv[1::2])
    silent = ("listen_addresses", "primary_conninfo", "archive_cleanup_command", "recovery_end_command")
    assert {told[name] for name in silent} == {""}
    assert (told["archive_command"], told.get("archive_library")) == ("/bin/false", "" if version >= 15 else None)
    assert told["shared_preload_libraries"] == "o'lib"
    assert (told["restore_command"], told["max_connections"]) == ('get %f "%p"', "200")


def test_the_file_is_the_instances_own() -> None:
    assert settings_text(place(15)) == "include_if_exists '/etc/postgresql/15/main/postgresql.conf'\n"


@pytest.mark.parametrize(("own", "expected"), [(300, {"max_connections": 300}), (None, {"max_connections": 200})])
def test_a_server_in_recovery_has_no_less_than_either(
    own: int | None, expected: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def printed(_: int, data: Path) -> str:
        if data == place(15).restored:
            return "200"
        if own is None:
            raise ProgramFailed("There is no such data.")
        return str(own)

    def parsed(text: str) -> Control:
        return Control("7", "shut down", Branch(1, "0/1"), settings={"max_connections": int(text)})

    monkeypatch.setattr(seclusion, "printed", printed)
    monkeypatch.setattr(seclusion, "parsed", parsed)
    assert seclusion.limits_of(place(15)) == expected
