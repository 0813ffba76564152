"""The module as Ansible meets it: its documentation tells the truth, and its result has one shape."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from ansible_collections.runbook.postgres.plugins.doc_fragments.connection import ModuleDocFragment
from ansible_collections.runbook.postgres.plugins.module_utils._connection import CONNECTION_OPTIONS
from ansible_collections.runbook.postgres.plugins.module_utils._health.catalog import PROBES, server, sessions
from ansible_collections.runbook.postgres.plugins.module_utils._health.facts import facts
from ansible_collections.runbook.postgres.plugins.module_utils._health.judge import Finding
from ansible_collections.runbook.postgres.plugins.module_utils._health.probe import Probe
from ansible_collections.runbook.postgres.plugins.module_utils._health.request import SUBSETS
from ansible_collections.runbook.postgres.plugins.modules import pg_health_facts
from tests.unit.plugins.rows import observed

OPTIONS = {
    **yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"],
    **yaml.safe_load(pg_health_facts.DOCUMENTATION)["options"],
}
HEALTH = yaml.safe_load(pg_health_facts.RETURN)["ansible_facts"]["contains"]["pg_health"]["contains"]
METRICS = HEALTH["metrics"]["contains"]
SHOWN = [probe for probe in PROBES if probe not in (server.PENDING_SETTINGS, sessions.LOCK_PARTIES)]

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the module with these options and return what it prints."""

    def run(**given: Any) -> dict[str, Any]:
        with patch_module_args(given), pytest.raises(SystemExit) as ended:
            pg_health_facts.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert ended.value.code == (1 if result.get("failed") else 0)
        return result

    return run


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this host that nobody listens on, and that nobody else can take meanwhile."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def keys(probe_name: str, subset: str) -> set[str]:
    """The keys that RETURN promises for a question."""
    text = " ".join(METRICS[subset]["contains"][probe_name]["description"])
    (told,) = re.findall(r"(?:Keys are|The key is) (.*?)\.(?: |$)", text)
    return set(re.findall(r"C\((\w+)\)", told))


@pytest.mark.parametrize("probe", SHOWN, ids=lambda probe: probe.name)
def test_return_names_exactly_the_keys_of_each_row(probe: Probe) -> None:
    assert keys(probe.name, probe.subset) == {each.name for each in fields(probe.row)}
    documented = METRICS[probe.subset]["contains"][probe.name]
    assert documented["type"] == ("dict" if probe.single else "list")
    assert documented.get("elements") == (None if probe.single else "dict")


def test_return_names_the_keys_of_blocking_trees() -> None:
    party = {each.name for each in fields(sessions.LockParty)} - {"blocked_by"}
    assert keys("blocking", "sessions") == {*party, "blocks"}


def test_return_promises_no_more_than_is_there() -> None:
    promised = {(subset, name) for subset, room in METRICS.items() for name in room["contains"]}
    assert promised == {(probe.subset, probe.name) for probe in SHOWN} | {("sessions", "blocking")}


def test_return_names_the_keys_around_the_metrics() -> None:
    found = facts(observed(), [], 1)
    assert set(HEALTH) == set(found)
    assert set(HEALTH["server"]["contains"]) == set(found["server"])
    assert set(HEALTH["findings"]["contains"]) == {each.name for each in fields(Finding)}
    assert set(HEALTH["unavailable"]["contains"]) == {"probe", "reason", "database"}


def documented(options: Mapping[str, Any]) -> dict[str, Any]:
    """What the documentation says of options, as an argument spec says it."""
    kept = ("type", "elements", "default", "choices", "required")
    return {
        name: {key: option[key] for key in kept if key in option}
        | ({"options": documented(option["suboptions"])} if "suboptions" in option else {})
        for name, option in options.items()
    }


def without_no_log(options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {key: value for key, value in option.items() if key not in ("no_log", "options")}
        | ({"options": without_no_log(option["options"])} if "options" in option else {})
        for name, option in options.items()
    }


def test_the_documented_options_are_the_real_ones() -> None:
    assert documented(OPTIONS) == without_no_log(pg_health_facts.OPTIONS)


def secrets(options: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    for name, option in options.items():
        if "password" in name:
            yield name, bool(option.get("no_log"))
        yield from secrets(option.get("options", {}))


def test_every_password_is_kept_out_of_logs() -> None:
    assert list(secrets(pg_health_facts.OPTIONS)) == [("login_password", True), ("login_password", True)]


def test_the_documented_subsets_are_the_real_ones() -> None:
    told = " ".join(OPTIONS["gather_subset"]["description"])
    assert [name for name in re.findall(r"V\((\w+)\)", told) if name != "all"] == list(SUBSETS)


def test_every_example_is_accepted() -> None:
    tasks = yaml.safe_load(pg_health_facts.EXAMPLES)
    for task in tasks:
        arguments = task.get("runbook.postgres.pg_health_facts") or {}
        assert set(arguments) <= set(pg_health_facts.OPTIONS)


def test_a_dead_server_fails_the_task_in_one_sentence(run: Run, closed_port: int) -> None:
    result = run(login_host="127.0.0.1", login_port=closed_port)
    assert result["failed"] is True
    assert result["msg"].startswith(
        f"PostgreSQL at 127.0.0.1 port {closed_port}, database postgres could not be connected to"
    )
    assert "Traceback" not in json.dumps(result)
    assert "ansible_facts" not in result


def test_a_dead_server_is_a_line_of_a_report(run: Run, closed_port: int) -> None:
    result = run(login_host="127.0.0.1", login_port=closed_port, on_unreachable="report")
    health = result["ansible_facts"]["pg_health"]
    assert (health["status"], health["server"], health["metrics"]) == ("down", {}, {})
    (finding,) = health["findings"]
    assert finding["check"] == "unreachable"
    assert str(closed_port) in finding["message"]
    assert set(result) - {"invocation"} == {"ansible_facts", "changed"}
    assert result["changed"] is False
    assert set(result["ansible_facts"]) == {"pg_health"}


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"gather_subset": ["walls"]}, "walls"),
        ({"thresholds": {"dead_cows": {}}}, "dead_cows"),
        ({"ignore": [{"check": "dead_cows"}]}, "dead_cows"),
        ({"limit": 0}, "limit is 0"),
        ({"timeout": -1}, "timeout is -1"),
        ({"checks": [{"name": "dead_rows", "query": "SELECT 1"}]}, "dead_rows"),
        ({"baseline": {"transactions_per_second": 0}}, "transactions_per_second is 0"),
        ({"connect_params": {"password": "hunter2"}}, "login_password"),
        ({"connect_params": {"colour": "red"}}, "colour"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_contacted(
    run: Run, closed_port: int, given: dict[str, Any], word: str
) -> None:
    result = run(login_host="127.0.0.1", login_port=closed_port, on_unreachable="report", **given)
    assert result["failed"] is True
    assert word in result["msg"]
    assert "hunter2" not in result["msg"]


def test_connection_options_stand_first_and_are_not_redefined() -> None:
    assert {name: pg_health_facts.OPTIONS[name] for name in CONNECTION_OPTIONS} == CONNECTION_OPTIONS
