"""The role's objects: foretold truly, made once, and passwords seen by nobody."""

from __future__ import annotations

import copy
import json
import secrets
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import yaml

from lab.checkout import ROOT
from lab.clusters import Cluster
from lab.nodes import Node
from tests.integration.conftest import releases
from tests.integration.plays import Played, Plays, differences

APP, READER, HIDDEN = (f"s3cret-{secrets.token_urlsafe(9)}'%" for _ in range(3))

OBJECTS: dict[str, Any] = {
    "provision_roles": [
        {"name": "shop_owner", "login": False, "comment": "Owns the shop's tables"},
        {"name": "readers", "login": False},
        {"name": "shop_app", "password": APP, "member_of": ["shop_owner"]},
        {"name": "shop_read", "password": READER, "connection_limit": 2, "member_of": ["readers", "pg_monitor"]},
        {"name": "shop_old", "password": HIDDEN, "valid_until": "2020-01-01 00:00:00+00"},
        {"name": "Mixed Case ü 表", "password": HIDDEN, "login": True},
        {"name": "shop_gone", "state": "absent"},
    ],
    "provision_databases": [
        {
            "name": "shop",
            "owner": "shop_owner",
            "encoding": "UTF8",
            "locale": "C.UTF-8",
            "connection_limit": 50,
            "extensions": ["plpgsql", {"name": "pg_stat_statements", "schema": "Watch It"}, "pg_trgm"],
            "schemas": [{"name": "sales", "owner": "shop_owner"}, {"name": "Watch It"}, "public"],
            "revoke_public_connect": True,
            "comment": "The shop",
        },
        {"name": "Odd näme", "owner": "Mixed Case ü 表"},
        {"name": "postgres", "extensions": ["pg_stat_statements"]},
    ],
    "provision_privileges": [
        {"database": "shop", "type": "database", "privs": ["CONNECT"], "roles": ["readers", "shop_app"]},
        {"database": "shop", "type": "schema", "objs": ["sales", "public"], "privs": ["USAGE"], "roles": ["readers"]},
        {"database": "shop", "objs": ["ALL_IN_SCHEMA"], "schema": "sales", "privs": ["SELECT"], "roles": ["readers"]},
        {
            "database": "shop",
            "type": "sequence",
            "objs": "ALL_IN_SCHEMA",
            "schema": "sales",
            "privs": "USAGE",
            "roles": "readers",
        },
        {"database": "shop", "objs": "ALL_IN_SCHEMA", "schema": "Watch It", "privs": "SELECT", "roles": "readers"},
        {
            "database": "shop",
            "type": "function",
            "objs": "similarity(text,text)",
            "privs": "EXECUTE",
            "roles": "readers",
        },
        {"database": "Odd näme", "type": "database", "privs": "CREATE", "roles": "Mixed Case ü 表"},
    ],
    "provision_default_privileges": [
        {
            "database": "shop",
            "schema": "sales",
            "objs": ["TABLES"],
            "privs": ["SELECT"],
            "roles": ["readers"],
            "target_roles": ["shop_owner"],
        },
    ],
}

TABLES = (
    "SET ROLE shop_owner",
    "CREATE TABLE sales.orders (tenant name DEFAULT current_user, words text)",
    "CREATE TABLE sales.events (at date) PARTITION BY RANGE (at)",
    "CREATE TABLE sales.events_1 PARTITION OF sales.events FOR VALUES FROM (MINVALUE) TO (MAXVALUE)",
)

TABLE_OBJECTS: dict[str, Any] = {
    "provision_autovacuum": [
        {
            "database": "shop",
            "table": "sales.events",
            "settings": {"autovacuum_vacuum_scale_factor": 0.02, "autovacuum_enabled": True},
        },
        {"database": "shop", "table": "sales.orders", "settings": {"fillfactor": 90}},
    ],
    "provision_policies": [
        {
            "database": "shop",
            "table": "sales.orders",
            "force": True,
            "exclusive": True,
            "policies": [{"name": "own rows", "using": "tenant=current_user"}],
        },
    ],
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "release" in metafunc.fixturenames:
        metafunc.parametrize("release", releases(metafunc.config), scope="module")


@pytest.fixture(scope="module")
def cluster(release: int) -> Iterator[Cluster]:
    """A server that writes down all it hears, and would store passwords as MD5."""
    node = Node.start(f"objects{release}", release)
    settings = {
        "fsync": "off",
        "password_encryption": "md5",
        "log_statement": "all",
        "log_min_duration_statement": 0,
        "log_connections": "on",
        "shared_preload_libraries": "pg_stat_statements",
        "log_min_messages": "debug1",
    }
    yield Cluster.create(node, settings=settings)
    node.stop()


@pytest.fixture
def plays(cluster: Cluster, tmp_path: Path) -> Plays:
    return Plays(cluster.node, tmp_path)


def login(cluster: Cluster, database: str, user: str, password: str) -> Any:
    parameters: dict[str, Any] = dict(cluster.parameters(database, user, password))
    return psycopg2.connect(**parameters)


def changes(played: Played) -> set[str]:
    assert played.code == 0, played.text
    return {name.split(":")[0] for name in played.changed}


def test_a_bare_host_is_told_what_it_will_have(release: int, tmp_path: Path) -> None:
    """Nothing is there: no server, no driver, no user postgres. What the check run says, the run then does."""
    bare = Node.start(f"bare{release}", release, bare=True)
    try:
        absent = {"pg_node": {"instance": {"state": "absent"}, "version": bare.postgresql}}
        foretold = Plays(bare, tmp_path)({**OBJECTS, **absent}, check=True)
    finally:
        bare.stop()
    assert foretold.code == 0, foretold.text
    (tmp_path / "real").mkdir()
    node = Node.start(f"fresh{release}", release)
    try:
        Cluster.create(node, settings={"shared_preload_libraries": "pg_stat_statements"})
        # As in one play, where the host was looked at before anything was installed.
        result = Plays(node, tmp_path / "real")({**OBJECTS, **absent})
    finally:
        node.stop()
    assert result.code == 0, result.text
    found = differences(foretold, result)
    assert not found, found


def test_all_is_made_as_foretold_and_once(cluster: Cluster, plays: Plays) -> None:
    result = plays.done(OBJECTS)
    assert {"Roles", "Memberships of roles", "Databases", "Schemas", "Extensions"} <= changes(result)
    with login(cluster, "shop", "shop_app", APP) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_user::text")
        assert cursor.fetchone() == ("shop_app",)
    # Tables come later, from a migration; then the next run gives rights on them.
    cluster.psql("; ".join(TABLES), "shop")
    later = plays.done({**OBJECTS, **TABLE_OBJECTS})
    # New tables have their rights by default privileges already.
    assert changes(later) <= {"Autovacuum of tables", "Row-level security", "Privileges"}
    options = cluster.psql("SELECT reloptions FROM pg_class WHERE relname = 'events_1'", "shop")
    assert options == "{autovacuum_vacuum_scale_factor=0.02,autovacuum_enabled=true}"


LOOPS = (
    "Roles",
    "Memberships of roles",
    "Databases",
    "Schemas",
    "Extensions",
    "Privileges",
    "Default privileges",
    "Databases that are dropped",
    "Roles that are dropped",
)


def test_on_a_finished_server_nothing_is_called(plays: Plays) -> None:
    for check in (True, False):
        again = plays(OBJECTS, check=check)
        assert again.code == 0, again.text
        assert {again.told[name] for name in LOOPS} == {"skipped"}
        assert not [name for name in again.told if name.startswith(tuple(f"{loop}: " for loop in LOOPS))]


def test_what_was_altered_by_hand_is_mended_and_nothing_else_called(cluster: Cluster, plays: Plays) -> None:
    cluster.psql(
        "ALTER ROLE shop_owner CREATEDB; ALTER ROLE shop_read CONNECTION LIMIT 9; ALTER ROLE shop_app PASSWORD NULL;"
        " REVOKE pg_monitor FROM shop_read; ALTER DATABASE shop CONNECTION LIMIT 3;"
        " REVOKE CONNECT ON DATABASE shop FROM readers"
    )
    cluster.psql(
        'ALTER SCHEMA "Watch It" OWNER TO shop_owner; ALTER SCHEMA sales OWNER TO postgres;'
        " REVOKE SELECT ON sales.events FROM readers; DROP EXTENSION pg_trgm;"
        " ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA sales REVOKE SELECT ON TABLES FROM readers",
        "shop",
    )
    done = plays.done(OBJECTS)
    items = sorted(name for name in done.told if name.startswith(tuple(f"{loop}: " for loop in LOOPS)))
    shown = [(name.split(": ")[0], str(label(json.loads(name.split(": ", 1)[1])))) for name in items]
    assert sorted(shown) == [
        ("Databases", "shop"),
        ("Default privileges", "shop: readers, SELECT on new TABLES"),
        ("Extensions", "pg_trgm"),
        ("Memberships of roles", "['shop_read']"),
        ("Privileges", "shop: readers, EXECUTE on function similarity(text:text)"),
        ("Privileges", "shop: readers, SELECT on table ALL_IN_SCHEMA"),
        ("Privileges", "shop: readers,shop_app, CONNECT on database shop"),
        ("Roles", "shop_app"),
        ("Roles", "shop_owner"),
        ("Roles", "shop_read"),
        ("Schemas", "sales"),
    ]
    # Nobody has said whose that one is.
    assert cluster.psql("SELECT nspowner::regrole FROM pg_namespace WHERE nspname = 'Watch It'", "shop") == "shop_owner"
    login(cluster, "shop", "shop_app", APP).close()


def label(item: Any) -> Any:
    """What tells one item from the others."""
    return item.get("label") or item.get("name") or item["members"]


def test_passwords_are_scram_and_nowhere_else(cluster: Cluster, plays: Plays) -> None:
    stored = cluster.psql("SELECT DISTINCT left(rolpassword, 13) FROM pg_authid WHERE rolname ~ 'shop|Mixed'")
    assert stored.split() == ["SCRAM-SHA-256"]
    rotated = f"n3w-{secrets.token_urlsafe(9)}'%"
    variables = copy.deepcopy(OBJECTS)
    variables["provision_roles"][2]["password"] = rotated
    for check in (True, False):
        printed = plays(variables, check=check, verbose=True)
        assert printed.code == 0, printed.text
        for secret in (rotated, APP, READER, HIDDEN):
            assert secret not in printed.text
            assert json.dumps(secret)[1:-1] not in printed.text
    log = cluster.node.exec(["cat", cluster.log_file]).stdout
    assert "statement:" in log
    journal = cluster.node.exec(["journalctl", "--no-pager"], check=False).stdout
    statements = cluster.psql("SELECT query FROM pg_stat_statements")
    for secret in (rotated, APP, READER, HIDDEN):
        for text in (log, journal, statements):
            assert secret not in text
            assert secret.replace("'", "''") not in text
    assert "ALTER USER" not in log
    with pytest.raises(psycopg2.OperationalError):
        login(cluster, "shop", "shop_app", APP)
    login(cluster, "shop", "shop_app", rotated).close()
    assert changes(plays(variables)) == set()
    assert changes(plays(OBJECTS)) == {"Roles"}


CHANGES: tuple[tuple[tuple[Any, ...], Any, str], ...] = (
    (("provision_roles", 3, "connection_limit"), 1, "Roles"),
    (("provision_roles", 3, "member_of"), ["readers", "pg_monitor", "pg_read_all_stats"], "Memberships of roles"),
    (("provision_databases", 0, "connection_limit"), 40, "Databases"),
    (("provision_databases", 0, "schemas", 0, "owner"), "shop_app", "Schemas"),
    (("provision_privileges", 1, "privs"), ["USAGE", "CREATE"], "Privileges"),
    (("provision_default_privileges", 0, "privs"), ["SELECT", "INSERT"], "Default privileges"),
    (("provision_autovacuum", 1, "settings"), {"fillfactor": 80}, "Autovacuum of tables"),
    (("provision_policies", 0, "policies", 0, "using"), "tenant = session_user", "Row-level security"),
)


def test_what_was_changed_is_shown_and_nothing_else(plays: Plays) -> None:
    """One thing of each kind; of each task one item is told, beside the task itself."""
    variables: Any = copy.deepcopy({**OBJECTS, **TABLE_OBJECTS})
    for path, value, _ in CHANGES:
        entry = variables
        for step in path[:-1]:
            entry = entry[step]
        entry[path[-1]] = value
    foretold = plays(variables, check=True)
    assert changes(foretold) == {told for _, _, told in CHANGES}, foretold.changed
    assert len(foretold.changed) == 2 * len(CHANGES), foretold.changed


def test_limits_and_expiry_are_the_servers(cluster: Cluster) -> None:
    held = [login(cluster, "shop", "shop_read", READER) for _ in range(2)]
    with pytest.raises(psycopg2.OperationalError, match="too many connections for role"):
        login(cluster, "shop", "shop_read", READER)
    for each in held:
        each.close()
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        login(cluster, "postgres", "shop_old", HIDDEN)
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        login(cluster, "shop", "Mixed Case ü 表", HIDDEN)
    assert cluster.psql("SELECT has_schema_privilege('public', 'public', 'CREATE')", "shop") == "f"


def test_what_was_made_by_hand_and_is_not_listed_stays(cluster: Cluster, plays: Plays) -> None:
    cluster.psql("CREATE ROLE by_hand; GRANT readers TO by_hand; GRANT by_hand TO shop_app")
    assert changes(plays(OBJECTS)) == set()
    exact = {**OBJECTS, "provision_exact_memberships": True}
    assert changes(plays.done(exact)) == {"Memberships of roles"}
    assert cluster.psql("SELECT pg_has_role('shop_app', 'by_hand', 'MEMBER')") == "f"
    cluster.psql("DROP ROLE by_hand")


def test_a_role_and_a_database_are_dropped_when_asked(plays: Plays) -> None:
    variables: Any = copy.deepcopy(OBJECTS)
    variables["provision_roles"][5] = {"name": "Mixed Case ü 表", "state": "absent"}
    variables["provision_privileges"].pop()
    variables["provision_databases"][1] = {"name": "Odd näme", "state": "absent"}
    refused = plays(variables)
    assert refused.code != 0
    assert "put force: true beside it" in refused.text
    variables["provision_databases"][1]["force"] = True
    assert changes(plays.done(variables)) == {"Databases that are dropped", "Roles that are dropped"}
    plays(OBJECTS)


def test_a_mistake_fails_in_the_check_run_as_well(plays: Plays) -> None:
    for wrong in (
        {"provision_privileges": [{"database": "shop", "objs": "nowhere", "privs": "SELECT", "roles": "readers"}]},
        {"provision_databases": [{"name": "shop", "encoding": "LATIN1"}]},
        {"provision_databases": [{"name": "shop", "extensions": ["no_such"]}]},
        {"provision_autovacuum": [{"database": "shop", "table": "nowhere", "settings": {"fillfactor": 9}}]},
        {"provision_policies": [{"database": "shop", "table": "nowhere"}]},
        {"provision_roles": [{"name": "md5", "password": "md5" + "0" * 32}]},
        {"provision_roles": [{"name": "Mixed"}, {"name": "Mixed"}]},
    ):
        assert plays(wrong, check=True).code != 0, wrong


def test_tenants_see_their_own_rows(cluster: Cluster, plays: Plays) -> None:
    tenants = [{"name": name, "password": HIDDEN} for name in ("tenant_a", "tenant_b")]
    grant = {"privs": ["SELECT", "INSERT"], "roles": ["tenant_a", "tenant_b"]}
    variables = {
        **TABLE_OBJECTS,
        "provision_roles": tenants,
        "provision_privileges": [
            {"database": "shop", "type": "database", "privs": "CONNECT", "roles": grant["roles"]},
            {"database": "shop", "type": "schema", "objs": "sales", "privs": "USAGE", "roles": grant["roles"]},
            {"database": "shop", "schema": "sales", "objs": ["orders"], **grant},
        ],
    }
    plays.done(variables)
    for name in grant["roles"]:
        with login(cluster, "shop", name, HIDDEN) as connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO sales.orders (words) VALUES (%s)", [name])
    for name in grant["roles"]:
        with login(cluster, "shop", name, HIDDEN) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT words FROM sales.orders")
            assert cursor.fetchall() == [(name,)]


def test_the_guide_does_what_it_says(cluster: Cluster, plays: Plays) -> None:
    logins = ("app", "ingest", "analytics", "backup", "monitoring", "admin", "emergency")
    vault = {f"vault_orders_{name}_password": f"{name}-{HIDDEN}" for name in logins}
    variables = {**guide(), **vault}
    plays.done(variables)
    migration = "SET ROLE orders_owner; CREATE TABLE orders.events (id int, words text)"
    attempt(cluster, "orders_admin", vault["vault_orders_admin_password"], migration)
    for name, statement, allowed in (
        ("orders_app", "UPDATE orders.events SET words = 'x'", True),
        ("orders_app", "DROP TABLE orders.events", False),
        ("orders_ingest", "INSERT INTO orders.events VALUES (1, 'x')", True),
        ("orders_ingest", "SELECT FROM orders.events", False),
        ("orders_analytics", "SELECT FROM orders.events", True),
        ("orders_analytics", "DELETE FROM orders.events", False),
        ("backup", "SELECT FROM orders.events", True),
        ("monitoring", "SELECT FROM pg_stat_activity", True),
        ("monitoring", "SELECT FROM orders.events", False),
    ):
        password = vault[f"vault_orders_{name.removeprefix('orders_')}_password"]
        assert attempt(cluster, name, password, statement) is allowed, (name, statement)
    with pytest.raises(psycopg2.OperationalError, match="not permitted to log in"):
        login(cluster, "orders", "emergency", vault["vault_orders_emergency_password"])
    limits = cluster.psql("SELECT rolname || rolconnlimit FROM pg_roles WHERE rolconnlimit >= 0 AND rolname !~ 'shop'")
    assert set(limits.split()) == {"orders_analytics10", "backup2", "monitoring5", "emergency1"}


def guide() -> dict[str, Any]:
    """The first example of the guide, as it stands there."""
    text = (ROOT / "docs/docsite/rst/guide_roles.rst").read_text(encoding="utf-8")
    block = text.split(".. code-block:: yaml\n", 1)[1].split("\n\nDefault privileges belong", 1)[0]
    return dict(yaml.safe_load(textwrap.dedent(block)))


def attempt(cluster: Cluster, user: str, password: str, statement: str) -> bool:
    """Whether the server lets this role do that."""
    with login(cluster, "orders", user, password) as connection, connection.cursor() as cursor:
        try:
            cursor.execute(statement)
        except psycopg2.errors.InsufficientPrivilege:
            return False
    return True
