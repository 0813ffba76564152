# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The services of a client, from what an inventory says of the clusters that they lead to."""

from __future__ import annotations

DOCUMENTATION = r"""
name: client_services
version_added: 0.1.0
author:
  - runbook.postgres maintainers (@runbook-postgres)
short_description: Write services of libpq from an inventory
description:
  - Takes what is wanted of a client's services and tells the text that libpq's service file is to have, which
    authorities it relies on, and what keeps it from being written. No host is asked.
positional: _input, hosts
options:
  _input:
    description:
      - The services, as O(runbook.postgres.client#role:main:client_services) has them.
    type: list
    elements: dict
    required: true
  hosts:
    description:
      - The variables of all hosts, C(hostvars).
    type: dict
    required: true
  client:
    description:
      - Inventory name of the client.
    type: str
    required: true
  of:
    description:
      - Inventory name of a host of the cluster, for services that name none.
    type: str
    default: ""
  libpq:
    description:
      - Major version of the libpq that reads the file.
    type: int
    required: true
  path:
    description:
      - The file. Certificates of authorities are beside it.
    type: str
    required: true
  there:
    description:
      - What the file holds now.
    type: str
    default: ""
  block:
    description:
      - What the lines around our services in it are called.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show what an application would connect with
  ansible.builtin.debug:
    msg: "{{ (services | runbook.postgres.client_services(hostvars, client='app1', of='db1', libpq=15,
                                                          path='/etc/postgresql-common/pg_service.conf',
                                                          block='runbook.postgres')).text }}"
  vars:
    services: [{name: orders, database: orders, user: orders_app}]
"""

RETURN = r"""
_value:
  description:
    - C(text) is that of the services, C(refusals) sentences about what cannot be written, and C(authorities) has for
      each cluster the C(file) on the client, and C(directory) and C(source), where they are on the controller.
  type: dict
"""

import posixpath
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.runbook.postgres.plugins.module_utils._client import service, shared
from ansible_collections.runbook.postgres.plugins.module_utils._client.service import Cluster, Hosts
from ansible_collections.runbook.postgres.plugins.module_utils._cluster.inventory import address

Variables = Mapping[str, Any]


def client_services(
    wanted: Sequence[Mapping[str, Any]],
    hosts: Mapping[str, Variables],
    *,
    client: str,
    libpq: int,
    path: str,
    block: str,
    of: str = "",
    there: str = "",
) -> dict[str, Any]:
    try:
        return _services(wanted, hosts, client, of, int(libpq), path, there, block)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(
            f"client_services was given something else than services and hosts ({type(error).__name__}: {error}): "
            "pass a list of services with name and database, and hostvars."
        ) from error


def _services(
    wanted: Sequence[Mapping[str, Any]],
    hosts: Mapping[str, Variables],
    client: str,
    of: str,
    libpq: int,
    path: str,
    there: str,
    block: str,
) -> dict[str, Any]:
    written, refused, authorities = [], [], {}
    for each in wanted:
        member = str(each.get("of") or of)
        known = _known([member], hosts)[member]
        if not known.get("postgres_hosts"):
            refused.append(
                f"Service {str(each['name'])!a} of {client} is one of the cluster of {member!a}, which has no "
                "postgres_hosts: name a database server of the inventory in client_of, or in of."
            )
            continue
        cluster = _cluster(known, hosts, posixpath.dirname(path))
        faults = list(service.refusals(each, cluster, client, libpq))
        refused += faults
        if faults:
            continue
        settings = service.settings(each, cluster, client, libpq)
        written.append((str(each["name"]), settings))
        if settings["sslrootcert"] == cluster.authorities:
            authorities[cluster.authorities] = _authorities(known, cluster)
    names = [str(each["name"]) for each in wanted]
    refused += [
        f"client_services of {client} names {name!a} {times} times: give each its own name."
        for name, times in Counter(names).items()
        if times > 1
    ]
    refused += shared.refusals(path, there, block, list(dict.fromkeys(names)))
    return {"text": service.text(written), "refusals": refused, "authorities": list(authorities.values())}


def _cluster(known: Variables, hosts: Mapping[str, Variables], directory: str) -> Cluster:
    name = str(known["postgres_cluster"])
    poolers = known.get("postgres_poolers") or []
    suffixes = [hosts[pooler].get("pgbouncer_read_suffix") for pooler in poolers if pooler in hosts]
    return Cluster(
        name,
        _hosts(known["postgres_hosts"], hosts, "postgres_port", 5432),
        _hosts(poolers, hosts, "pgbouncer_port", 6432),
        next((str(suffix) for suffix in suffixes if suffix is not None), "_ro"),
        f"{directory}/runbook-{name}.crt",
    )


def _hosts(names: Sequence[str], hosts: Mapping[str, Variables], port: str, usual: int) -> Hosts:
    known = _known(names, hosts)
    return Hosts(
        tuple(address(name, variables) for name, variables in known.items()),
        tuple(int(variables.get(port) or usual) for variables in known.values()),
    )


def _known(names: Iterable[str], hosts: Mapping[str, Variables]) -> dict[str, Variables]:
    found: dict[str, Variables] = {name: {} for name in names}
    # Not by get(): what Ansible has for a name that it does not know is no dictionary.
    found.update({name: hosts[name] for name in found if name in hosts})
    return found


def _authorities(known: Variables, cluster: Cluster) -> dict[str, str]:
    """Where role tls has them."""
    own = str(known.get("tls_ca_directory") or f"{known['inventory_dir']}/.ca/{cluster.name}")
    brought = str(known.get("tls_ca_file") or "") if known.get("tls_certificate_file") else ""
    return {
        "cluster": cluster.name,
        "file": cluster.authorities,
        "directory": own,
        "source": brought or f"{own}/ca.crt",
    }


class FilterModule:
    """What Ansible looks for in this file."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"client_services": client_services}
