"""Roles tls and hba together: who gets in with which certificate, and renewal under open sessions."""

from __future__ import annotations

import hashlib
import ssl
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lab.nodes import Node
from tests.integration import inside
from tests.integration.inside import Interrupt
from tests.integration.playing import Stage
from tests.integration.rules import NAME, PORT, Rules, instance
from tests.integration.servers import Server
from tests.unit.plugins.module_utils._tls.papers import Authority, key, pem, private_pem

DIRECTORY = "/etc/ssl/postgres"
PASSPHRASE = "correct horse battery staple"
SECRET = "not-in-any-log-17"


@dataclass(frozen=True)
class Clients:
    """A server with certificates and rules, looked at from outside."""

    stage: Stage
    rules: Rules

    @property
    def node(self) -> Node:
        return self.rules.node

    @property
    def ca_directory(self) -> Path:
        return self.stage.place / ".ca" / "tests"

    @property
    def ca(self) -> Path:
        return self.ca_directory / "ca.crt"

    def authority(self) -> Authority:
        """The controller's own, to sign for clients with."""
        private = serialization.load_pem_private_key(
            (self.ca_directory / "ca.key").read_bytes(), password=PASSPHRASE.encode()
        )
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        own = x509.load_pem_x509_certificate(self.ca.read_bytes())
        [name] = own.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return Authority(str(name.value), private)

    def connect(self, user: str, *, host: str | None = None, **libpq: Any) -> Any:
        given = {"sslmode": "verify-full", "sslrootcert": str(self.ca), "connect_timeout": 10, **libpq}
        return psycopg2.connect(host=host or self.node.ip, port=PORT, dbname="postgres", user=user, **given)

    def asked(self, user: str, query: str = "SELECT current_user", **libpq: Any) -> str:
        connection = self.connect(user, **libpq)
        try:
            with connection.cursor() as cursor:
                cursor.execute(query)
                return str(cursor.fetchone()[0])
        finally:
            connection.close()

    def refused(self, user: str, **libpq: Any) -> str:
        with pytest.raises(psycopg2.OperationalError) as caught:
            self.asked(user, **libpq)
        return str(caught.value)

    def file(self, name: str) -> str:
        return self.node.exec(["cat", f"{DIRECTORY}/{name}"]).stdout

    def serial(self) -> int:
        return int(x509.load_pem_x509_certificate(self.file("node.crt").encode()).serial_number)


@pytest.fixture(scope="module")
def clients(installed: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """The whole way: nothing there, check, run, server with TLS, rules."""
    node, place = installed.node, tmp_path_factory.mktemp("tls")
    network = f"{node.ip.rsplit('.', 1)[0]}.0/24"
    with instance(node) as rules:
        variables = {
            "postgres_cluster": "tests",
            "postgres_hosts": [node.name],
            "postgres_version": rules.cluster.version,
            "postgres_instance": NAME,
            "postgres_port": PORT,
            "tls_ca_passphrase": PASSPHRASE,
            "hba_rules": [
                {"type": "hostssl", "users": ["app"], "addresses": [network], "method": "scram-sha-256"},
                {
                    "type": "hostssl",
                    "users": ["reports"],
                    "addresses": [network],
                    "method": "cert",
                    "options": {"map": "r"},
                },
            ],
            "hba_maps": [{"map": "r", "system_user": "client one", "database_user": "reports"}],
        }
        stage = Stage(place, [node], variables)
        node.exec(["rm", "-rf", DIRECTORY])
        check = stage.played("tls", "hba", check=True)
        assert not (place / ".ca").exists()
        real = stage.played("tls", "hba")
        assert check.outcomes == real.outcomes
        assert PASSPHRASE not in check.text + real.text
        rules.cluster.configure(
            {
                "listen_addresses": "*",
                "fsync": "off",
                "ssl": "on",
                "ssl_cert_file": f"{DIRECTORY}/node.crt",
                "ssl_key_file": f"{DIRECTORY}/node.key",
                "ssl_ca_file": f"{DIRECTORY}/ca.crt",
            }
        )
        rules.cluster.restart()
        rules.cluster.psql(f"CREATE ROLE app LOGIN PASSWORD '{SECRET}'; CREATE ROLE reports LOGIN")
        yield Clients(stage, rules)


def test_a_second_run_changes_nothing_and_check_shows_nothing(clients: Clients) -> None:
    again, check = clients.stage.played("tls", "hba"), clients.stage.played("tls", "hba", check=True)
    assert (again.changed, check.changed) == ([], [])
    assert not any(again.diffs + check.diffs)


def test_each_file_has_its_owner_and_mode_and_keys_stay_where_they_are(clients: Clients) -> None:
    argv = ["stat", "-c", "%n %U %a", *(f"{DIRECTORY}/{name}" for name in ("ca.crt", "node.crt", "node.key"))]
    assert clients.node.exec(argv).stdout.split() == [
        *(f"{DIRECTORY}/ca.crt", "postgres", "644"),
        *(f"{DIRECTORY}/node.crt", "postgres", "644"),
        *(f"{DIRECTORY}/node.key", "postgres", "600"),
    ]
    there = clients.node.exec(["ls", "-A", DIRECTORY]).stdout.split()
    assert sorted(there) == ["ca.crt", "node.crt", "node.key"]
    body = clients.file("node.key").splitlines()[1]
    for path in clients.stage.place.rglob("*"):
        assert path.is_dir() or body not in path.read_text()
    own = clients.ca_directory / "ca.key"
    assert stat.S_IMODE(own.stat().st_mode) == 0o600
    assert "ENCRYPTED" in own.read_text()


def test_the_server_proves_who_it_is(clients: Clients, tmp_path: Path) -> None:
    assert clients.asked("app", password=SECRET) == "app"
    other = tmp_path / "other.crt"
    other.write_text(Authority("PostgreSQL tests", key()).text)
    assert "SSL error" in clients.refused("app", password=SECRET, sslrootcert=str(other))


def test_who_has_no_rule_is_refused(clients: Clients) -> None:
    assert "no pg_hba.conf entry" in clients.refused("app", password=SECRET, sslmode="disable")
    assert "no pg_hba.conf entry" in clients.refused("postgres", password=clients.rules.cluster.password)
    assert "authentication failed" in clients.refused("app", password="wrong")


def test_a_certificate_opens_the_door_by_its_map(clients: Clients, tmp_path: Path) -> None:
    authority = clients.authority()

    def shown(name: str, signer: Authority) -> dict[str, str]:
        private = key()
        certificate, secret = tmp_path / f"{name}.crt", tmp_path / f"{name}.key"
        certificate.write_text(pem(signer.sign(name, private, ())))
        secret.touch(mode=0o600)
        secret.write_text(private_pem(private))
        return {"sslcert": str(certificate), "sslkey": str(secret)}

    assert clients.asked("reports", **shown("client one", authority)) == "reports"
    assert "authentication failed" in clients.refused("reports", **shown("client two", authority))
    assert "certificate" in clients.refused("reports") or "authentication failed" in clients.refused("reports")
    assert clients.refused("reports", **shown("client one", Authority(authority.subject, key())))
    # Another role's door stays shut.
    assert clients.refused("app", **shown("client one", authority))


def test_renewal_is_a_reload_that_no_session_notices(clients: Clients) -> None:
    session = clients.connect("app", password=SECRET)
    session.autocommit = True
    started = clients.rules.cluster.psql("SELECT pg_postmaster_start_time()")
    before, own_key = clients.serial(), clients.file("node.key")
    spans = {"tls_valid_for": "500d", "tls_renew_before": "450d"}
    check = clients.stage.played("tls", check=True, **spans)
    real = clients.stage.played("tls", **spans)
    assert check.outcomes == real.outcomes
    assert real.changed
    assert clients.serial() != before
    assert clients.file("node.key") == own_key
    with session.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
    session.close()
    assert clients.rules.cluster.psql("SELECT pg_postmaster_start_time()") == started
    assert served(clients) == hashlib.sha256(ssl.PEM_cert_to_DER_cert(clients.file("node.crt"))).hexdigest()
    assert clients.stage.played("tls", **spans).changed == []


def served(clients: Clients) -> str:
    """The hash of the certificate that new sessions get."""
    argv = ["openssl", "s_client", "-starttls", "postgres", "-connect", f"127.0.0.1:{PORT}"]
    text = clients.node.exec(argv, input="", check=False).stdout
    start, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(start + text.split(start)[1].split(end)[0] + end + "\n")).hexdigest()


def test_another_name_is_another_certificate(clients: Clients) -> None:
    before = clients.serial()
    named = {"postgres_names": ["db.example.com"]}
    assert clients.stage.played("tls", **named).changed
    assert clients.serial() != before
    assert clients.asked("app", password=SECRET, host="db.example.com", hostaddr=clients.node.ip) == "app"
    assert clients.stage.played("tls", **named).changed == []
    assert clients.stage.played("tls").changed
    assert "db.example.com" in clients.refused("app", password=SECRET, host="db.example.com", hostaddr=clients.node.ip)


def test_a_mode_changed_by_hand_is_mended_and_nothing_else(clients: Clients) -> None:
    clients.node.exec(["chmod", "0644", f"{DIRECTORY}/node.key"])
    check = clients.stage.played("tls", check=True)
    assert check.diffs[0][0]["before"] == {"mode": "0644"}
    assert len(clients.stage.played("tls").changed) == 1
    assert clients.stage.played("tls").changed == []


def test_a_run_killed_before_the_reload_is_finished_by_the_next(clients: Clients) -> None:
    authority, before = clients.authority(), clients.serial()
    own = x509.load_pem_x509_certificate(clients.file("node.crt").encode())
    given = {
        "certificate": clients.file("node.crt").strip() + "\n" + clients.ca.read_text(),
        "authorities": clients.ca.read_text(),
        "units": [clients.rules.cluster.unit],
    }
    assert own.serial_number == before
    assert authority
    died = inside.run(clients.node, "pg_tls_files", given, die=Interrupt(("._tls.install:_reload",)), user="root")
    assert died.killed
    loaded = clients.rules.loaded()
    ended = inside.run(clients.node, "pg_tls_files", given, user="root")
    assert ended.result["reloaded"] == [clients.rules.cluster.unit]
    assert clients.rules.loaded() != loaded
    assert not inside.run(clients.node, "pg_tls_files", given, user="root").result["changed"]
    clients.stage.played("tls")


def test_no_other_authority_is_made_where_one_has_signed(clients: Clients) -> None:
    """Another controller, or a job that begins in an empty directory."""
    away = clients.ca_directory.with_name("away")
    clients.ca_directory.rename(away)
    for check in (True, False):
        refused = clients.stage.play("tls", check=check)
        assert f"{clients.node.name} has a certificate already" in " ".join(refused.failures), refused.text
        assert refused.changed == []
        assert not clients.ca_directory.exists()
    away.rename(clients.ca_directory)
    assert clients.stage.played("tls").changed == []


def test_an_authority_is_replaced_in_two_runs(clients: Clients) -> None:
    old = clients.ca.rename(clients.ca.with_name("previous.crt"))
    (clients.ca_directory / "ca.key").rename(clients.ca_directory / "previous.key")
    before = clients.serial()
    clients.stage.played("tls")
    assert clients.serial() == before
    assert clients.file("ca.crt").count("BEGIN CERTIFICATE") == 2
    assert clients.asked("app", password=SECRET, sslrootcert=str(old)) == "app"
    clients.stage.played("tls")
    assert clients.serial() != before
    assert clients.asked("app", password=SECRET) == "app"
    assert clients.stage.played("tls").changed == []
    old.unlink()
    clients.stage.played("tls")
    assert clients.file("ca.crt").count("BEGIN CERTIFICATE") == 1
    assert clients.stage.played("tls").changed == []


def test_files_brought_along_are_installed(clients: Clients, tmp_path: Path) -> None:
    authority, private = Authority("brought", key()), key()
    files = {
        "tls_certificate_file": pem(authority.sign(clients.node.name, private, (clients.node.name, clients.node.ip))),
        "tls_key_file": private_pem(private),
        "tls_ca_file": authority.text,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    paths: dict[str, Any] = {name: str(tmp_path / name) for name in files}
    own_key = clients.file("node.key")
    check, real = clients.stage.played("tls", check=True, **paths), clients.stage.played("tls", **paths)
    assert check.outcomes == real.outcomes
    assert files["tls_key_file"].splitlines()[1] not in check.text + real.text
    assert clients.stage.played("tls", **paths).changed == []
    assert clients.asked("app", password=SECRET, sslrootcert=paths["tls_ca_file"]) == "app"
    (tmp_path / "tls_key_file").write_text(private_pem(key()))
    refused = clients.stage.play("tls", **paths)
    assert "belong together" in refused.failures[0]
    assert clients.asked("app", password=SECRET, sslrootcert=paths["tls_ca_file"]) == "app"
    # Back to what the other tests expect; the key stays, as keys do.
    assert own_key != clients.file("node.key")
    clients.stage.played("tls")
    assert clients.asked("app", password=SECRET) == "app"


def test_a_pooler_without_the_owner_gets_it_where_that_is_wanted(tmp_path: Path) -> None:
    """By default packages are nothing that this role touches: it says whose user it misses."""
    node = Node.start("tls12-bare", 12, bare=True)
    try:
        variables = {"postgres_cluster": "tests", "postgres_hosts": [], "postgres_poolers": [node.name]}
        stage = Stage(tmp_path, [node], variables)
        assert stage.played("tls", check=True).changed
        [refusal] = stage.play("tls").failures
        assert "postgres" in refusal
        assert node.exec(["id", "postgres"], check=False).returncode != 0
        assert node.exec(["ls", DIRECTORY], check=False).returncode != 0
        check = stage.played("tls", check=True, tls_bring_owner=True)
        real = stage.played("tls", tls_bring_owner=True)
        assert check.outcomes == real.outcomes
        assert stage.played("tls").changed == []
        stat_words = node.exec(["stat", "-c", "%U %a", f"{DIRECTORY}/node.key"]).stdout.split()
        assert stat_words == ["postgres", "600"]
    finally:
        node.stop()
