"""The modules of an instance: their documentation is what they take, and nonsense is refused at once."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from ansible_collections.runbook.postgres.plugins.modules import pg_instance, pg_restart, pg_server_recover, pg_settings

MODULES = (pg_instance, pg_settings, pg_restart, pg_server_recover)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rsplit(".", 1)[-1])
def test_the_documented_options_are_the_real_ones(module: Any) -> None:
    kept = ("type", "default", "required", "choices", "elements")
    told = yaml.safe_load(module.DOCUMENTATION)["options"]
    assert {name: {key: each[key] for key in kept if key in each} for name, each in told.items()} == module.OPTIONS
    for task in yaml.safe_load(module.EXAMPLES):
        [arguments] = [each for name, each in task.items() if name != "name"]
        assert set(arguments) <= set(module.OPTIONS)


@pytest.mark.parametrize(
    ("module", "given", "word"),
    [
        (pg_instance, {"version": 15, "instance": "a-b"}, "systemd"),
        (pg_instance, {"version": 15, "port": 80}, "1024"),
        (pg_instance, {"version": 15, "wal_directory": "wal"}, "absolute"),
        (pg_settings, {"version": 15, "settings": {"a b": 1}}, "not the name"),
        (pg_settings, {"version": 99, "settings": {}, "file": "../x"}, "file is"),
        (pg_settings, {"version": 99, "settings": {}}, "pg_instance"),
        (pg_restart, {"version": 99}, "no instance 99/main"),
    ],
)
def test_what_makes_no_sense_is_refused(
    module: ModuleType, given: dict[str, Any], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with patch_module_args(given), pytest.raises(SystemExit):
        module.main()
    result = json.loads(capsys.readouterr().out)
    assert result["failed"] is True
    assert word in result["msg"]
