"""An inventory's lists as calls, or as sentences of refusal."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.runbook.postgres.plugins.filter import objects_plan
from ansible_collections.runbook.postgres.plugins.module_utils._objects.plan import planned

FILTER = objects_plan.FilterModule().filters()["objects_plan"]


def refusal(**lists: Any) -> str:
    plan = planned(lists)
    assert set(plan) == {"refusals"}
    return " ".join(plan["refusals"])


def test_nothing_asks_for_nothing() -> None:
    assert not any(planned({}).values())
    assert not any(FILTER({"roles": None}).values())


def test_a_role_has_what_is_named_and_nothing_else() -> None:
    [role] = planned({"roles": [{"name": "app", "attributes": ["CreateDB", "noinherit"]}]})["roles"]
    assert role == {
        "name": "app",
        "flags": "LOGIN,NOSUPERUSER,CREATEDB,NOCREATEROLE,NOREPLICATION,NOBYPASSRLS,NOINHERIT",
        "connection_limit": -1,
    }
    [group] = planned({"roles": [{"name": "readers", "login": False, "valid_until": None}]})["roles"]
    assert group["flags"].startswith("NOLOGIN")
    assert "valid_until" not in group


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"name": "postgres"}, "give it attributes: [superuser]"),
        ({"name": "postgres", "attributes": ["createdb"]}, "give it attributes: [superuser]"),
        ({"name": "postgres", "attributes": ["superuser"], "login": False}, "give it attributes: [superuser]"),
        ({"name": "postgres", "state": "absent"}, "leave it out"),
        ({"name": "standbys"}, "standbys log in as"),
        ({"name": "standbys", "attributes": ["replication"], "login": False}, "standbys log in as"),
        ({"name": "standbys", "state": "absent"}, "standbys log in as"),
    ],
)
def test_what_the_cluster_lives_on_is_taken_from_nobody(entry: dict[str, Any], says: str) -> None:
    plan = planned({"roles": [entry]}, replication_role="standbys")
    assert says in " ".join(plan["refusals"])


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "postgres", "attributes": ["SuperUser"], "password": "geheim"},
        {"name": "standbys", "attributes": ["Replication"]},
        {"name": "app"},
    ],
)
def test_who_keeps_it_may_be_listed(entry: dict[str, Any]) -> None:
    assert planned({"roles": [entry]}, replication_role="standbys")["refusals"] == []


def test_no_password_is_in_a_plan() -> None:
    assert "geheim" not in str(planned({"roles": [{"name": "app", "password": "geheim", "member_of": ["x"]}]}))
    with pytest.raises(AnsibleFilterError) as caught:
        FILTER({"roles": [{"password": "geheim"}]})
    assert "geheim" not in str(caught.value)


def test_roles_with_the_same_memberships_share_a_call() -> None:
    roles: list[dict[str, Any]] = [
        {"name": "a", "member_of": ["x", "y"]},
        {"name": "b", "member_of": ["y", "x"]},
        {"name": "c", "member_of": ["x"]},
        {"name": "d", "member_of": []},
        {"name": "e"},
    ]
    calls = planned({"roles": roles})["memberships"]
    assert calls == [{"groups": ["x", "y"], "members": ["a", "b"]}, {"groups": ["x"], "members": ["c"]}]
    exact = planned({"roles": roles}, exact_memberships=True)["memberships"]
    assert {"groups": [], "members": ["d"]} in exact
    assert all("e" not in call["members"] for call in exact)


@pytest.mark.parametrize(("said", "calls"), [(False, 0), ("false", 0), ("no", 0), (True, 1), ("true", 1)])
def test_what_is_said_in_a_text_counts_as_it_is_meant(said: Any, calls: int) -> None:
    """As inventories in INI have it."""
    lists: dict[str, Any] = {"roles": [{"name": "d", "member_of": []}], "databases": [{"name": "shop"}]}
    assert len(FILTER(lists, exact_memberships=said)["memberships"]) == calls
    assert len(FILTER(lists, version=13, revoke_public_create=said)["privileges"]) == calls


def test_databases_and_what_is_in_them() -> None:
    databases: list[dict[str, Any]] = [
        {"name": "shop", "locale": "C", "extensions": ["plpgsql", "pg_trgm"], "schemas": ["public", "sales"]},
        {"name": "postgres", "extensions": [{"name": "pg_stat_statements", "version": 1.9}]},
        {"name": "old", "state": "absent", "force": True},
    ]
    plan = planned({"databases": databases}, 15)
    assert [each["name"] for each in plan["databases"]] == ["shop"]
    assert plan["databases"][0]["template"] == "template0"
    assert plan["removed_databases"] == ["old"]
    assert plan["fixed"] == [{"name": "shop", "lc_collate": "C", "lc_ctype": "C"}]
    assert [(each["name"], each["predicted"]) for each in plan["schemas"]] == [("public", False), ("sales", True)]
    assert [each["predicted"] for each in plan["extensions"]] == [False, True, True]
    assert plan["extensions"][2]["version"] == "1.9"


@pytest.mark.parametrize(("version", "times"), [(None, 1), (13, 1), (14, 1), (15, 0), (17, 0)])
def test_older_servers_let_everybody_create(version: int | None, times: int) -> None:
    databases = [{"name": "shop"}, {"name": "postgres"}]
    calls = planned({"databases": databases}, version)["privileges"]
    assert [call["label"] for call in calls] == ["shop: PUBLIC, CREATE"] * times
    assert planned({"databases": databases}, version, revoke_public_create=False)["privileges"] == []


def test_an_owner_may_still_create_in_its_database() -> None:
    calls = planned({"databases": [{"name": "shop", "owner": "app"}]}, 13)["privileges"]
    assert [(call["roles"], call["privs"], call["state"]) for call in calls] == [
        ("PUBLIC", "CREATE", "absent"),
        ("app", "CREATE", "present"),
    ]


def test_a_function_has_colons_for_the_commas_of_its_signature() -> None:
    objs = ["f(int,text)", "g()"]
    entry = {"database": "d", "type": "function", "objs": objs, "privs": ["execute"], "roles": ["a", "b"]}
    [call] = planned({"privileges": [entry]})["privileges"]
    assert (call["objs"], call["schema"], call["privs"], call["roles"]) == (
        "f(int:text),g()",
        "public",
        "EXECUTE",
        "a,b",
    )


@pytest.mark.parametrize(
    ("kind", "schema", "predicted"),
    [("table", "watch", True), ("table", "public", False), ("function", "public", True), ("sequence", "watch", False)],
)
def test_a_new_schema_holds_what_extensions_bring(kind: str, schema: str, predicted: bool) -> None:
    databases = [{"name": "d", "extensions": ["pg_trgm", {"name": "pg_stat_statements", "schema": "watch"}]}]
    entry = {
        "database": "d",
        "type": kind,
        "schema": schema,
        "objs": ["ALL_IN_SCHEMA"],
        "privs": ["ALL"],
        "roles": ["a"],
    }
    calls = planned({"databases": databases, "privileges": [entry]}, 15)["privileges"]
    assert [call["predicted"] for call in calls] == [predicted]


def test_tables_of_a_database_share_a_call() -> None:
    entries: list[dict[str, Any]] = [
        {"database": "d", "table": "a", "settings": {"fillfactor": 90}},
        {"database": "e", "table": "a", "settings": {}},
        {"database": "d", "table": "b", "settings": {}, "policies": None},
    ]
    calls = planned({"autovacuum": entries})["autovacuum"]
    assert [(call["database"], [each["table"] for each in call["tables"]]) for call in calls] == [
        ("d", ["a", "b"]),
        ("e", ["a"]),
    ]
    assert "policies" not in calls[0]["tables"][1]


@pytest.mark.parametrize(
    ("lists", "words"),
    [
        ({"roles": [{"name": "a"}, {"name": "a"}]}, "names a twice"),
        ({"roles": [{"name": 'a"b'}]}, "cannot be managed under that name"),
        ({"roles": [{"name": "a", "member_of": ["x,y"]}]}, "cannot be managed under that name"),
        ({"roles": [{"name": " a"}]}, "blanks at its ends"),
        ({"roles": [{"name": "ü" * 32}]}, "64 bytes"),
        ({"roles": [{"name": "pg_mine"}]}, "keeps for itself"),
        ({"roles": [{"name": "a", "attributes": ["root"]}]}, "attribute root"),
        ({"roles": [{"name": "a", "password": "md5" + "0" * 32}]}, "no longer safe"),
        ({"databases": [{"name": "d", "state": "absent"}]}, "put force: true beside it"),
        ({"databases": [{"name": "d", "schemas": ["a.b"]}]}, "has a dot"),
        ({"privileges": [{"database": "d", "roles": "a", "privs": "ALL"}]}, "names no objs"),
        (
            {
                "privileges": [
                    {"database": "d", "type": "schema", "objs": "s", "schema": "s", "roles": "a", "privs": "ALL"}
                ]
            },
            "names a schema",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(lists: dict[str, Any], words: str) -> None:
    assert words in refusal(**lists)


def test_what_is_not_built_as_documented_is_said_so() -> None:
    with pytest.raises(AnsibleFilterError, match="not built as documented"):
        FILTER({"privileges": [{"objs": "t"}]})
    with pytest.raises(AnsibleFilterError, match="not built as documented"):
        FILTER([])


def test_only_what_is_pending_is_called_for() -> None:
    lists = {"roles": [{"name": "a"}, {"name": "b"}], "autovacuum": [{"database": "x", "table": "t", "settings": {}}]}
    whole = FILTER(lists)
    left = FILTER(lists, pending={"roles": [False, True]})
    assert [each["name"] for each in left["roles"]] == ["b"]
    assert left["autovacuum"] == whole["autovacuum"]
    assert FILTER(lists, pending={}) == whole
