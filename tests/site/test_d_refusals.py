"""Inventories that cannot be right: a sentence in the first seconds, and no host touched."""

from __future__ import annotations

from typing import Any

import pytest

from tests.site.conftest import SERVERS, Site

HOST, OTHER = SERVERS[:2]

BAD: list[tuple[str, dict[str, Any], dict[str, dict[str, Any]], str]] = [
    ("an unknown variable", {"provision_setings": {"work_mem": "8MB"}}, {}, "provision_setings"),
    ("two first primaries", {}, {OTHER: {"postgres_first_primary": OTHER}}, "postgres_first_primary"),
    ("a first primary that is no server", {"postgres_first_primary": "nobody"}, {}, "nobody"),
    ("a version the distribution lacks", {"postgres_version": 11}, {}, "11"),
    ("a standby without an address", {}, {OTHER: {"postgres_address": ""}}, f"{OTHER} has no address"),
    ("one address twice", {}, {OTHER: {"postgres_address": "10.255.255.1"}, HOST: {"postgres_address": "10.255.255.1"}},
     "10.255.255.1"),
    ("a value that no role can take", {"pgbouncer_max_client_conn": "lots"}, {}, "pgbouncer_max_client_conn"),
    ("databases that are misspelled", {"provision_databases": [{"nmae": "shop"}]}, {}, "nmae"),
    ("a role that nobody can make", {"provision_roles": [{"name": 'it"s'}]}, {}, 'it"s'),
    ("a rule that lets everybody in", {"hba_rules": [{"type": "host", "addresses": ["0.0.0.0/0"], "method": "trust"}]},
     {}, "trust"),
    ("a setting of PgBouncer that is ours", {"pgbouncer_settings": {"auth_file": "/x"}}, {}, "auth_file"),
    ("more standbys to wait for than there can be", {"replication_synchronous": {"mode": "any", "count": 3}}, {},
     "would wait for ever"),
    ("standbys to wait for that are none", {"replication_synchronous": {"mode": "any", "standbys": ["db9"]}}, {},
     "db9"),
    ("a passfile without a password", {"replication_credentials": "passfile"}, {}, "replication_password"),
    ("a server that the inventory lacks", {"postgres_hosts": [*SERVERS, "site-pg9"]}, {}, "site-pg9"),
]  # fmt: skip


@pytest.mark.parametrize(("cluster", "hosts", "word"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_a_wrong_inventory_is_refused(
    site: Site, cluster: dict[str, Any], hosts: dict[str, dict[str, Any]], word: str
) -> None:
    site.write(hosts, **cluster)
    refused = site.play()
    site.write()
    assert refused.returncode != 0
    assert refused.changed == []
    assert word in " ".join(refused.failures), refused.output
    assert "Traceback" not in refused.output


def test_a_standby_alone_does_not_begin_a_cluster(site: Site) -> None:
    refused = site.play("--limit", OTHER)
    assert f"{HOST} is to be the primary and is not among the hosts of this run" in refused.failure(OTHER)
    assert refused.changed == []


def test_a_disk_that_is_not_mounted_is_refused_by_name(site: Site) -> None:
    node = site.nodes[OTHER]
    node.exec(["sh", "-c", "echo 'UUID=none /var/lib/postgresql ext4 defaults 0 2' >> /etc/fstab"])
    refused = site.play()
    node.exec(["truncate", "--size=0", "/etc/fstab"])
    assert "mount /var/lib/postgresql" in refused.failure(OTHER)
    assert refused.changed == []


def test_a_port_in_use_is_refused_by_name(site: Site) -> None:
    listener = "import socket,time; s=socket.socket(); s.bind(('0.0.0.0',5432)); s.listen(); time.sleep(120)"
    site.nodes[OTHER].exec(["systemd-run", "--quiet", "--unit=squatter", "/usr/bin/python3", "-c", listener])
    refused = site.play()
    site.nodes[OTHER].exec(["systemctl", "stop", "squatter"])
    assert "5432" in refused.failure(OTHER)
    assert refused.changed == []


def test_an_unsupported_system_is_refused(site: Site) -> None:
    node = site.nodes[OTHER]
    kept = node.exec(["cat", "/etc/os-release"]).stdout
    node.write("/etc/os-release", 'ID=slackware\nVERSION_ID="15"\nPRETTY_NAME="Slackware 15"\n')
    refused = site.play()
    node.write("/etc/os-release", kept)
    assert "slackware" in refused.failure(OTHER).lower()
    assert refused.changed == []
