"""Services as libpq will read them: tables, and a reader that does as libpq does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.filter import client_services
from ansible_collections.runbook.postgres.plugins.module_utils._client import service, shared
from ansible_collections.runbook.postgres.plugins.module_utils._client.libpq import SINCE
from ansible_collections.runbook.postgres.plugins.module_utils._client.service import Cluster, Hosts

FILTER = client_services.FilterModule().filters()["client_services"]
BLOCK = "runbook.postgres"
PATH = "/etc/postgresql-common/pg_service.conf"
ORDERS = Cluster(
    "orders",
    Hosts(("192.0.2.11", "192.0.2.12", "192.0.2.13"), (5432, 5432, 5432)),
    Hosts(("192.0.2.21", "192.0.2.22"), (6432, 6433)),
    "_ro",
    "/etc/postgresql-common/runbook-orders.crt",
)
ALONE = Cluster("alone", Hosts(("db.example.net",), (5433,)), Hosts((), ()), "_ro", "/x/alone.crt")


def entry(**said: Any) -> dict[str, Any]:
    return {"name": "orders", "database": "shop", **said}


def settings(said: Mapping[str, Any], cluster: Cluster = ORDERS, libpq: int = 15) -> dict[str, str]:
    return service.settings(said, cluster, "app1", libpq)


def refusals(said: Mapping[str, Any], cluster: Cluster = ORDERS, libpq: int = 15) -> str:
    return " ".join(service.refusals(said, cluster, "app1", libpq))


def read(text: str, wanted: str, room: int = 1022) -> dict[str, str] | None:
    """What libpq (parseServiceFile) finds under a name; the first of it counts."""
    found: dict[str, str] | None = None
    for raw in text.split("\n"):
        assert len(raw.encode()) + 1 <= room
        line = raw.strip(" \t\n\v\f\r")
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            if found is not None:
                return found
            found = {} if line.startswith(f"[{wanted}]") else None
        elif found is not None:
            word, sign, value = line.partition("=")
            assert sign
            assert word in SINCE or word in ("host", "port", "dbname", "user")
            found.setdefault(word, value)
    return found


def test_all_of_a_service() -> None:
    assert service.text([("orders", settings(entry(user="app")))]) == (
        "[orders]\n"
        "host=192.0.2.11,192.0.2.12,192.0.2.13\n"
        "port=5432\n"
        "dbname=shop\n"
        "user=app\n"
        "target_session_attrs=read-write\n"
        "sslmode=verify-full\n"
        "sslrootcert=/etc/postgresql-common/runbook-orders.crt\n"
        "connect_timeout=3\n"
        "keepalives_idle=10\n"
        "keepalives_interval=3\n"
        "keepalives_count=3\n"
        "tcp_user_timeout=15000"
    )


@pytest.mark.parametrize(
    ("said", "libpq", "attributes", "database"),
    [
        ({}, 13, "read-write", "shop"),
        ({"to": "standby"}, 14, "prefer-standby", "shop"),
        ({"to": "any"}, 13, None, "shop"),
        # A pooler knows where its pool leads, and libpq has nothing to ask it.
        ({"through": "poolers"}, 15, None, "shop"),
        ({"through": "poolers", "to": "standby"}, 13, None, "shop_ro"),
        ({"to": "standby", "settings": {"target_session_attrs": "standby"}}, 15, "standby", "shop"),
    ],
)
def test_where_it_leads(said: dict[str, Any], libpq: int, attributes: str | None, database: str) -> None:
    found = settings(entry(**said), libpq=libpq)
    assert refusals(entry(**said), libpq=libpq) == ""
    assert found.get("target_session_attrs") == attributes
    assert found["dbname"] == database


def test_ports_are_told_once_or_of_each() -> None:
    assert settings(entry(), ALONE)["port"] == "5433"
    pooled = settings(entry(through="poolers"))
    assert set(zip(pooled["host"].split(","), pooled["port"].split(","))) == {
        ("192.0.2.21", "6432"),
        ("192.0.2.22", "6433"),
    }


def test_clients_that_may_go_anywhere_begin_with_different_ones() -> None:
    firsts = {
        service.settings(entry(to="any"), ORDERS, f"app{number}", 15)["host"].partition(",")[0] for number in range(20)
    }
    assert firsts == set(ORDERS.servers.addresses)
    assert "load_balance_hosts" not in settings(entry(to="any"), libpq=15)
    assert settings(entry(to="any"), libpq=16)["load_balance_hosts"] == "random"
    assert "load_balance_hosts" not in settings(entry(), libpq=16)


def test_yes_and_no_are_numbers() -> None:
    assert settings(entry(settings={"keepalives": False, "connect_timeout": 7}))["keepalives"] == "0"


@pytest.mark.parametrize(
    ("said", "libpq", "sentence"),
    [
        ({"name": ""}, 15, "'' of app1 has a name that is empty"),
        ({"name": "orders "}, 15, "begins or ends with a blank"),
        ({"name": "a\nb"}, 15, "cannot be printed"),
        ({"name": "a]b"}, 15, "at which libpq takes it to end"),
        (
            {"database": "two\nhost=evil"},
            15,
            "has a value of dbname that is empty, begins or ends with a blank, or has a line",
        ),
        ({"database": ""}, 15, "has a value of dbname that is empty"),
        ({"user": " app"}, 15, "has a value of user that"),
        ({"user": "u" * 249}, 13, "more than the 253 bytes that libpq 13 reads"),
        ({"user": "ü" * 509}, 14, "more than the 1021 bytes that libpq 14 reads"),
        ({"to": "standby"}, 13, "which libpq 13 there cannot tell from the primary: say through: poolers"),
        ({"to": "any", "through": "poolers"}, 15, "say to: primary or to: standby"),
        ({"settings": {"password": "x"}}, 15, "'password', which is a secret"),
        ({"settings": {"sslpassword": "x"}}, 15, "'sslpassword', which is a secret"),
        ({"settings": {"host": "x"}}, 15, "database, user, to and through of the service say it"),
        ({"settings": {"conect_timeout": 3}}, 15, "is no setting of libpq"),
        ({"settings": {"load_balance_hosts": "random"}}, 15, "is known to libpq from 16 on only"),
        ({"settings": {"options": "-c a=b\n"}}, 15, "has a value of options that"),
    ],
)
def test_what_the_file_cannot_carry_is_refused(said: dict[str, Any], libpq: int, sentence: str) -> None:
    told = refusals(entry(**said), libpq=libpq)
    assert sentence in told
    assert "\n" not in told
    assert "Service " in told


def test_what_just_fits_is_taken() -> None:
    assert refusals(entry(user="u" * 248), libpq=13) == ""
    assert refusals(entry(user="u" * 1016), libpq=14) == ""


def test_a_cluster_that_cannot_be_meant() -> None:
    assert "has none: say through: servers" in refusals(entry(through="poolers"), ALONE)
    odd = Cluster("a/b", Hosts(("x,y",), (5432,)), Hosts((), ()), "_ro", "/x")
    assert "cannot name a file" in refusals(entry(), odd)
    assert "'x,y', which is no address" in refusals(entry(), odd)


@given(
    name=st.text(max_size=20),
    database=st.text(max_size=70),
    user=st.none() | st.text(max_size=70),
    own=st.dictionaries(
        st.sampled_from(sorted(SINCE)), st.text(max_size=300) | st.booleans() | st.integers(), max_size=3
    ),
    libpq=st.sampled_from([13, 14, 15, 16, 17]),
    to=st.sampled_from(["primary", "standby", "any"]),
    around=st.sampled_from(["", "[theirs]\nhost=x\n", "# [orders]\n\n[a]\nuser=b\n"]),
)
def test_what_is_not_refused_is_read_as_it_was_meant(
    name: str,
    database: str,
    user: str | None,
    own: dict[str, Any],
    libpq: int,
    to: str,
    around: str,
) -> None:
    said = {"name": name, "database": database, "user": user, "settings": own, "to": to}
    if refusals(said, libpq=libpq):
        return
    meant = settings(said, libpq=libpq)
    block = f"# BEGIN {BLOCK}\n{service.text([('before', meant), (name, meant)])}\n# END {BLOCK}\n"
    there = around + block
    if any(shared.refusals(PATH, there, BLOCK, [name])):
        return
    assert read(there, name, 254 if libpq == 13 else 1022) == meant
    assert all(int(SINCE.get(word, 13)) <= libpq for word in meant)
    assert "password" not in meant


@pytest.mark.parametrize(
    ("there", "sentence"),
    [
        ("[orders]\nhost=x\n", "has a service 'orders' already that somebody else wrote"),
        ("  [orders] # old\n", "has a service 'orders' already"),
        (f"# BEGIN {BLOCK}\n[x]\n", "once each and in this order"),
        (f"# END {BLOCK}\n# BEGIN {BLOCK}\n", "once each and in this order"),
        (f"# BEGIN {BLOCK}\n# END {BLOCK}\n" * 2, "once each and in this order"),
        (f"# BEGIN {BLOCK}\n[orders]\n# END {BLOCK}\n[orders]\n", "has a service 'orders' already"),
    ],
)
def test_what_somebody_else_wrote_is_in_the_way(there: str, sentence: str) -> None:
    (told,) = shared.refusals(PATH, there, BLOCK, ["orders"])
    assert told.startswith(PATH)
    assert sentence in told


@pytest.mark.parametrize(
    "there", ["", "[other]\nhost=x\n", "#[orders]\n", f"[a]\n# BEGIN {BLOCK}\n[orders]\nhost=x\n# END {BLOCK}\n[b]\n"]
)
def test_what_is_in_nobodys_way(there: str) -> None:
    assert list(shared.refusals(PATH, there, BLOCK, ["orders"])) == []


HOSTS: dict[str, dict[str, Any]] = {
    "db1": {
        "postgres_cluster": "orders",
        "postgres_hosts": ["db1", "db2"],
        "postgres_poolers": ["pool1"],
        "postgres_address": "192.0.2.11",
        "inventory_dir": "/inventory",
    },
    "db2": {"ansible_host": "db2.example.net"},
    "pool1": {"pgbouncer_port": "7432", "pgbouncer_read_suffix": "-read"},
}


def asked(*wanted: dict[str, Any], of: str = "db1", **changed: Any) -> dict[str, Any]:
    hosts = {**HOSTS, "db1": {**HOSTS["db1"], **changed}}
    found: dict[str, Any] = FILTER(list(wanted), hosts, client="app1", of=of, libpq="15", path=PATH, block=BLOCK)
    return found


def test_from_an_inventory() -> None:
    found = asked(entry(), entry(name="reads", to="standby", through="poolers"))
    assert found["refusals"] == []
    direct, reads = read(found["text"], "orders"), read(found["text"], "reads")
    assert direct is not None
    assert reads is not None
    assert (direct["host"], direct["port"]) == ("192.0.2.11,db2.example.net", "5432")
    assert (reads["host"], reads["port"], reads["dbname"]) == ("pool1", "7432", "shop-read")
    assert found["authorities"] == [
        {
            "cluster": "orders",
            "file": "/etc/postgresql-common/runbook-orders.crt",
            "directory": "/inventory/.ca/orders",
            "source": "/inventory/.ca/orders/ca.crt",
        }
    ]


def test_authorities_are_where_role_tls_has_them() -> None:
    own = asked(entry(), tls_ca_directory="/safe")
    assert own["authorities"][0]["source"] == "/safe/ca.crt"
    brought = asked(entry(), tls_certificate_file="/mine/node.crt", tls_ca_file="/mine/root.crt")
    assert brought["authorities"][0]["source"] == "/mine/root.crt"
    assert asked(entry(settings={"sslrootcert": "/etc/ssl/certs/ca-certificates.crt"}))["authorities"] == []


def test_what_an_inventory_cannot_mean() -> None:
    assert "has no postgres_hosts: name a database server" in asked(entry(), of="db2")["refusals"][0]
    assert "has no postgres_hosts" in asked(entry(of="nobody"))["refusals"][0]
    assert "names 'orders' 2 times" in asked(entry(), entry())["refusals"][0]


@pytest.mark.parametrize("given", [None, 5, [5], [{"name": "x"}]])
def test_what_are_no_services_is_refused_in_one_sentence(given: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="pass a list of services") as refusal:
        FILTER(given, HOSTS, client="app1", of="db1", libpq=15, path=PATH, block=BLOCK)
    assert "\n" not in str(refusal.value)
