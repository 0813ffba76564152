"""pg_hba on real servers: what goes live, what is taken back, and what a killed run leaves."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.inside import Interrupt
from tests.integration.rules import FILES, LOOPBACK, OURS, PORT, Rules, instance
from tests.integration.servers import Server

# The server cannot read it, which only the server knows.
UNREADABLE = {"type": "hostssl", "addresses": ["10.0.0.0/8"], "method": "ldap"}
# Python reads this expression as we would; PostgreSQL takes the brace for itself and lets nobody in.
KEEPS_OUT = {**OURS, "options": {"map": "m"}}
KEEPS_OUT_MAP = [{"map": "m", "system_user": "/^o{,5}postgres$", "database_user": "postgres"}]


@pytest.fixture(scope="module")
def instances(installed: Server) -> Iterator[Rules]:
    with instance(installed.node) as rules:
        yield rules


@pytest.fixture
def rules(instances: Rules) -> Rules:
    """With one rule in force: ours."""
    instances(OURS)
    assert not instances.changed(OURS)
    assert instances.left() == []
    return instances


def test_check_says_what_the_run_does_and_the_next_does_nothing(rules: Rules) -> None:
    maps = [{"map": "m", "system_user": "pg one", "database_user": "app"}]
    check = rules(OURS, LOOPBACK, maps=maps, check=True)
    assert not rules.lets_the_loopback_in()
    real = rules(OURS, LOOPBACK, maps=maps)
    drop = {"invocation"}
    assert {k: v for k, v in check.result.items() if k not in drop} == {
        k: v for k, v in real.result.items() if k not in drop
    }
    assert rules.lets_the_loopback_in()
    loaded = rules.loaded()
    assert not rules.changed(OURS, LOOPBACK, maps=maps)
    assert rules(OURS, LOOPBACK, maps=maps, check=True).result["diff"] == []
    assert rules.loaded() == loaded
    assert rules.left() == []


def test_drift_is_shown_exactly_and_mended(rules: Rules) -> None:
    good = rules.text()
    rules.write(good + "\n# only for today\nlocal all all trust\n")
    [told] = rules(OURS, check=True).result["diff"]
    assert told["after"] == good
    assert told["before"] == good + "\n# only for today\nlocal all all trust\n"
    assert rules.changed(OURS)
    assert rules.text() == good
    assert not rules.changed(OURS)


def test_an_edit_taken_back_without_a_reload_is_noticed(rules: Rules) -> None:
    """The file is as it should be, and the server has other rules in force."""
    good = rules.text()
    rules.write(good + "host all all 127.0.0.1/32 scram-sha-256\n")
    rules.cluster.reload()
    rules.write(good)
    ended = rules(OURS)
    assert ended.result["changes"] == ["reload the server"]
    assert not rules.lets_the_loopback_in()
    assert not rules.changed(OURS)


def test_what_the_server_cannot_read_never_goes_live(rules: Rules) -> None:
    before, loaded = rules.text(), rules.loaded()
    said = rules.refused(OURS, LOOPBACK, UNREADABLE)
    assert "line 7 of pg_hba.conf" in said
    assert "ldap" in said
    assert "the old files are back, and nothing was reloaded" in said
    assert (rules.text(), rules.loaded()) == (before, loaded)
    assert not rules.changed(OURS)


def test_rules_that_lock_out_are_put_back(rules: Rules) -> None:
    before = [rules.text(name) for name in FILES]
    said = rules.refused(KEEPS_OUT, LOOPBACK, maps=KEEPS_OUT_MAP)
    assert "the system's postgres cannot log in" in said
    assert "the old files are back and in force" in said
    assert [rules.text(name) for name in FILES] == before
    assert not rules.lets_the_loopback_in()
    assert rules.left() == []
    assert not rules.changed(OURS)


def test_a_login_that_has_to_work_decides(rules: Rules) -> None:
    over_tcp = {"host": "127.0.0.1", "user": "postgres"}
    said = rules.refused(OURS, LOOPBACK, prove=[over_tcp])
    assert "user postgres at 127.0.0.1 cannot log in" in said
    assert not rules.lets_the_loopback_in()
    socket = {"host": "/var/run/postgresql", "user": "postgres", "application_name": "it's \\ me"}
    assert rules.changed(OURS, LOOPBACK, prove=[socket])


@pytest.mark.parametrize(
    "place",
    [
        *("Rules._keep", "Rules._validate", "Rules._put_in_force", "Rules._reload", "Rules._wait_for"),
        *("Rules._log_in", "Rules._forget"),
    ],
)
def test_a_killed_run_is_finished_by_the_next(rules: Rules, place: str) -> None:
    proof: dict[str, Any] = {"prove": [{"host": "/var/run/postgresql"}]}
    died = rules(OURS, LOOPBACK, die=Interrupt((f"._hba.apply:{place}",)), **proof)
    assert died.killed
    assert rules.changed(OURS, LOOPBACK, check=True, **proof)
    assert rules.changed(OURS, LOOPBACK, **proof)
    assert rules.lets_the_loopback_in()
    assert rules.left() == []
    assert not rules.changed(OURS, LOOPBACK, **proof)


def test_a_run_killed_between_the_files_is_finished_by_the_next(rules: Rules) -> None:
    """Keeping takes two of these calls, so that the fourth is the second file."""
    maps = [{"map": "m", "system_user": "pg1", "database_user": "app"}]
    assert rules(OURS, LOOPBACK, maps=maps, die=Interrupt(("._files:_write",), call=4)).killed
    assert rules.changed(OURS, LOOPBACK, maps=maps)
    assert rules.left() == []
    assert not rules.changed(OURS, LOOPBACK, maps=maps)


def test_a_run_killed_with_an_unreadable_file_leaves_none_to_the_next(rules: Rules) -> None:
    good = rules.text()
    assert rules(OURS, UNREADABLE, die=Interrupt(("._hba.apply:Rules._validate",))).killed
    assert rules.text() != good
    assert "cannot read" in rules.refused(OURS, UNREADABLE)
    assert rules.text() == good
    assert not rules.changed(OURS)


def test_a_run_killed_after_locking_out_is_rescued_by_the_next(rules: Rules) -> None:
    died = rules(KEEPS_OUT, LOOPBACK, maps=KEEPS_OUT_MAP, die=Interrupt(("._hba.apply:Rules._put_back",)))
    assert died.killed
    assert rules.cluster.psql("SELECT 1", check=False) == ""
    assert rules(OURS, check=True).result["server"] == "closed"
    assert rules(OURS).code == 0
    assert rules.cluster.psql("SELECT 1") == "1"
    assert not rules.changed(OURS)
    assert rules.left() == []


def test_somebody_elses_lock_out_is_mended(rules: Rules) -> None:
    """Nothing is kept, nobody gets in; the rules wanted are put in force all the same."""
    rules.write("local all all reject\n")
    rules.cluster.node.exec(["systemctl", "reload", rules.cluster.unit])
    assert rules.changed(OURS)
    assert rules.cluster.psql("SELECT 1") == "1"
    assert not rules.changed(OURS)


def test_a_stopped_server_gets_its_files_and_is_asked_later(rules: Rules) -> None:
    rules.cluster.stop()
    try:
        ended = rules(OURS, LOOPBACK)
        assert (ended.result["server"], ended.result["reload"]) == ("stopped", False)
        assert not rules.changed(OURS, LOOPBACK)
    finally:
        rules.cluster.start()
    assert not rules.changed(OURS, LOOPBACK)
    assert rules.lets_the_loopback_in()


def test_an_instance_that_is_not_there_is_foreseen_and_needed(rules: Rules) -> None:
    absent: dict[str, Any] = {"instance": "absent", "port": 5999}
    ended = rules(OURS, check=True, **absent)
    assert (ended.result["changed"], ended.result["server"]) == (True, "stopped")
    assert "make instance" in rules.refused(OURS, **absent)


def test_another_instances_port_is_refused(rules: Rules) -> None:
    assert "reads" in rules.refused(OURS, instance="main", port=PORT)


def test_a_secret_is_nowhere_to_be_seen(rules: Rules) -> None:
    options = {"ldapserver": "x", "ldapbasedn": "y", "ldapbinddn": "z"}
    for word in ("first-hidden", "second hidden"):
        hidden = {**UNREADABLE, "options": {**options, "ldapbindpasswd": word}}
        check, real = rules(OURS, hidden, check=True), rules(OURS, hidden)
        assert real.result["changed"], real.text
        assert "hidden" not in json.dumps([check.result, real.result])
        assert check.result["diff"] == real.result["diff"] != []
        assert not rules.changed(OURS, hidden)
    assert "second hidden" in rules.text()


def names(count: int) -> list[str]:
    """Such as nobody should have, and somebody has."""
    choose = random.Random(17)
    letters = "ab A.-_,\"'#\\+@/=&%$()[]{}*?~\täß日🐘"
    words = ["all", "replication", "sameuser", "samerole", "samegroup", "include", "+all", "@all", '"', '""', "#", "\\"]
    return words + ["".join(choose.choices(letters, k=choose.randint(1, 12))) for _ in range(count)]


def test_the_server_reads_every_name_as_it_was_meant(rules: Rules) -> None:
    wanted = [name for name in dict.fromkeys(names(300)) if not name.startswith("/")]
    quoted = ['"' + name.replace('"', '""') + '"' for name in wanted]
    each = [
        {"type": "hostssl", "databases": [name, "keep"], "users": [f"+{name}", name], "method": "cert"}
        | {"addresses": [f"10.{number // 250}.{number % 250}.1"], "options": {"map": name.strip('"')}}
        for number, name in enumerate(quoted)
    ]
    maps = [{"map": name, "system_user": text, "database_user": text} for name, text in zip(quoted, quoted)]
    for rule, name in zip(each, quoted):
        # A map's name is written without quotes in a rule's option.
        rule["options"] = {"map": wanted[quoted.index(name)]}
    assert rules.changed(OURS, *each, maps=maps)
    sql = "SELECT json_agg(json_build_array(database, user_name, options) ORDER BY line_number) FROM pg_hba_file_rules"
    read = json.loads(rules.cluster.psql(sql))[1:]
    assert [(databases, users) for databases, users, _ in read] == [
        ([name, "keep"], [f"+{name}", name]) for name in wanted
    ]
    assert [options[0] for _, _, options in read] == [f"map={name}" for name in wanted]
    if rules.cluster.version >= 15:
        sql = (
            "SELECT json_agg(json_build_array(map_name, sys_name, pg_username) ORDER BY line_number) "
            "FROM pg_ident_file_mappings"
        )
        read = json.loads(rules.cluster.psql(sql))
        assert read == [[name, name, name] for name in wanted]
    assert not rules.changed(OURS, *each, maps=maps)


def test_a_name_with_a_leading_slash_lets_its_owner_in_and_nobody_else(rules: Rules) -> None:
    """From 16 on the server would take it for an expression, quotes or not."""
    rules.cluster.psql('CREATE ROLE "/etc.d" LOGIN; CREATE ROLE "xetc.d" LOGIN; CREATE ROLE "/etcxd" LOGIN')
    ident = [
        {"map": "any", "system_user": "postgres", "database_user": name} for name in ('"/etc.d"', "xetc.d", '"/etcxd"')
    ]
    mine = {"type": "local", "users": ['"/etc.d"'], "method": "peer", "options": {"map": "any"}}
    assert rules.changed(OURS, mine, maps=ident)
    argv = ["psql", "-XAtq", "-p", str(PORT), "-d", "postgres", "-c", "SELECT current_user", "-U"]
    said = {
        name: rules.node.exec([*argv, name], user="postgres", check=False).stdout.strip()
        for name in ("/etc.d", "xetc.d", "/etcxd")
    }
    assert said == {"/etc.d": "/etc.d", "xetc.d": "", "/etcxd": ""}
    rules.cluster.psql('DROP ROLE "/etc.d"; DROP ROLE "xetc.d"; DROP ROLE "/etcxd"')
