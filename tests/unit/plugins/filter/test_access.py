"""The filters of roles hba and tls: problems become one sentence."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.runbook.postgres.plugins.filter import cluster_hba, tls_plan
from tests.unit.plugins.module_utils._hba.test_cluster import HOSTVARS, cluster
from tests.unit.plugins.module_utils._tls.papers import Authority, key, node, private_pem, wanted


def test_the_rules_of_a_cluster() -> None:
    derive = cluster_hba.FilterModule().filters()["cluster_hba"]
    assert derive(cluster(), HOSTVARS)["rules"][0]["method"] == "peer"
    with pytest.raises(AnsibleFilterError, match="pg9"):
        derive(cluster(members=["pg1", "pg9"]), HOSTVARS)


def test_the_plan_for_a_certificate() -> None:
    plan, own = tls_plan.FilterModule().filters()["tls_plan"], key()
    authority = Authority("CA", key())
    assert plan(node(own, None), wanted(authority.text))["why"] == ["it has none"]
    assert (
        "belong together"
        in plan({}, wanted(authority.text, certificate=authority.text, key=private_pem(own)))["refusal"]
    )
    with pytest.raises(AnsibleFilterError, match="span of time"):
        plan(node(own, None), wanted(authority.text, valid_for="long"))


def test_what_is_missing_beside_ansible_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_plan, "CRYPTOGRAPHY_MISSING", True)
    with pytest.raises(AnsibleFilterError, match="cryptography"):
        tls_plan.tls_plan({}, {})
