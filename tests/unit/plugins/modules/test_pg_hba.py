"""The modules of access and certificates: their documentation tells the truth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.runbook.postgres.plugins.module_utils._hba.rules import HBA_OPTIONS
from ansible_collections.runbook.postgres.plugins.modules import (
    pg_hba,
    pg_restart,
    pg_settings,
    pg_tls_files,
    pg_tls_key,
)

MODULES = [(pg_hba, HBA_OPTIONS), (pg_tls_key, pg_tls_key.OPTIONS), (pg_tls_files, pg_tls_files.OPTIONS)]


@pytest.mark.parametrize(("module", "options"), MODULES)
def test_each_option_is_documented_as_it_is(module: ModuleType, options: Mapping[str, Any]) -> None:
    alike(yaml.safe_load(module.DOCUMENTATION)["options"], options)


def alike(documented: Mapping[str, Any], real: Mapping[str, Any]) -> None:
    assert documented.keys() == real.keys()
    for name, option in real.items():
        told = documented[name]
        for key in ("type", "elements", "default", "choices", "required"):
            assert told.get(key) == option.get(key), f"{name}: {key}"
        if "options" in option:
            alike(told["suboptions"], option["options"])


@pytest.mark.parametrize(("module", "options"), MODULES)
def test_each_result_is_documented(module: ModuleType, options: Mapping[str, Any]) -> None:
    told = yaml.safe_load(module.RETURN)
    assert all({"description", "returned", "type"} <= value.keys() for value in told.values())
    assert options


def test_a_refusal_comes_before_any_look_at_the_host(capsys: pytest.CaptureFixture[str]) -> None:
    rules = [{"type": "local", "users": ["postgres"], "method": "trust"}]
    with patch_module_args({"version": 15, "rules": rules}), pytest.raises(SystemExit):
        pg_hba.main()
    told = json.loads(capsys.readouterr().out)
    assert told["failed"]
    assert "name trust in allow. Nothing was changed." in told["msg"]


@pytest.mark.parametrize(
    ("module", "given"),
    [
        (
            pg_hba,
            {
                "rules": [
                    {"type": "hostssl", "addresses": ["all"], "method": "ldap", "options": {"ldapbindpasswd": "it's"}}
                ]
            },
        ),
        (pg_settings, {"settings": {"primary_conninfo": "host=a password=it's"}}),
        # One of the others, to know that this test would notice.
        (pg_restart, {"instance": "it's"}),
    ],
)
def test_the_hosts_log_is_told_no_secret(
    module: ModuleType, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ansible writes down how a module is called before the module can say what of it is secret."""
    logged: list[str] = []
    monkeypatch.setattr(AnsibleModule, "log", lambda _self, msg, **_: logged.append(msg))
    with patch_module_args({"version": 99, **given}), pytest.raises(SystemExit):
        module.main()
    assert ("it's" in " ".join(logged)) == (module is pg_restart)
    if module is pg_hba:
        assert "it's" not in capsys.readouterr().out
