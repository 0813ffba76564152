"""A node's key and files, with the real openssl in a directory of the test's."""

from __future__ import annotations

import getpass
import grp
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._tls import install
from ansible_collections.runbook.postgres.plugins.module_utils._tls.judge import judge
from ansible_collections.runbook.postgres.plugins.module_utils._tls.key import (
    Place,
    carry_out,
    plan_key,
    reported,
)
from tests.unit.plugins.module_utils._tls.papers import Authority, key, wanted

# An address is there as a host name too, where libpq before 15 looks for it.
NAMES = ("DNS:pg1", "IP:10.0.0.1", "DNS:10.0.0.1")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "ssl", getpass.getuser(), grp.getgrgid(os.getgid()).gr_name)


def test_a_key_is_made_once_and_asks_for_what_it_should(place: Place) -> None:
    foreseen = plan_key(place)
    assert reported(foreseen, place, None, "pg1", NAMES)["request"] is None
    assert not place.directory.exists()
    made = carry_out(foreseen, place)
    told = reported(foreseen, place, made, "pg1", NAMES)
    assert told["changed"]
    assert made.content.decode() not in str(told)
    again = plan_key(place)
    assert again.found is not None
    assert again.found.content == made.content
    second = reported(again, place, carry_out(again, place), "pg1", NAMES)
    assert (second["changed"], second["public_key"]) == (False, told["public_key"])
    # What it sends is what would be signed.
    now = datetime.now(timezone.utc)
    verdict = judge(told, wanted(Authority("CA", key()).text), now)
    assert (verdict.refusal, verdict.why) == (None, ("it has none",))


@pytest.mark.parametrize("name", ["a/b", "a+b=c", "back\\slash", "ünï cödé", "pg 1"])
def test_common_names_survive_openssl(place: Place, name: str) -> None:
    plan = plan_key(place)
    sent = reported(plan, place, carry_out(plan, place), name, NAMES)["request"]
    [attribute] = x509.load_pem_x509_csr(sent.encode()).subject
    assert attribute.value == name


def test_a_key_that_others_may_read_is_mended(place: Place) -> None:
    path = carry_out(plan_key(place), place).path
    path.chmod(0o644)
    plan = plan_key(place)
    assert [told["before"] for change in plan.changes for told in change.diff()] == [{"mode": "0644"}]
    carry_out(plan, place)
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_no_key_is_refused(place: Place) -> None:
    place.make()
    (place.directory / "node.key").write_text("nonsense")
    (place.directory / "node.key").chmod(0o600)
    plan = plan_key(place)
    with pytest.raises(Refused, match="no private key"):
        reported(plan, place, plan.found, "pg1", NAMES)


def test_a_link_is_refused(place: Place) -> None:
    place.make()
    (place.directory / "node.key").symlink_to("/elsewhere")
    with pytest.raises(Refused, match="link to /elsewhere"):
        plan_key(place)


def given(**other: Any) -> dict[str, Any]:
    return {"certificate": "c\n", "authorities": "a", "key": None, "units": [], **other}


def test_files_are_written_once(place: Place) -> None:
    plan = install.plan_files(place, given(), foreseen=False)
    install.carry_out(plan, place)
    assert sorted(path.name for path in place.directory.iterdir()) == ["ca.crt", "node.crt"]
    assert not install.plan_files(place, given(), foreseen=False).changed
    assert install.reported(plan)["changed"]


def test_what_is_not_signed_yet_is_foreseen(place: Place) -> None:
    plan = install.plan_files(place, given(certificate=None, authorities=None), foreseen=True)
    assert [change.path.name for change in plan.changes] == ["ca.crt", "node.crt"]


def test_a_mark_that_was_left_is_a_reason_to_reload(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    install.carry_out(install.plan_files(place, given(), foreseen=False), place)
    (place.directory / install.PENDING).touch()
    told: list[list[str]] = []
    monkeypatch.setattr(install, "run", lambda argv, _: told.append(argv))
    plan = install.plan_files(place, given(units=["x.service"]), foreseen=False)
    assert (plan.changed, plan.reload) == (True, ("x.service",))
    assert install.reported(plan)["diff"][0]["before_header"] == "x.service"
    install.carry_out(plan, place)
    assert told[-1] == ["systemctl", "reload", "x.service"]
    assert not (place.directory / install.PENDING).exists()


def test_a_key_that_was_brought_along_is_not_shown(place: Place) -> None:
    plan = install.plan_files(place, given(key="very secret"), foreseen=False)
    assert "very secret" not in str(install.reported(plan))
    install.carry_out(plan, place)
    assert (place.directory / "node.key").read_text() == "very secret\n"


def test_an_owner_that_is_missing_is_refused(tmp_path: Path) -> None:
    nobody = Place(tmp_path / "ssl", "no-such-user", "no-such-group")
    with pytest.raises(Refused, match="no user no-such-user"):
        install.carry_out(install.plan_files(nobody, given(), foreseen=False), nobody)
    assert not nobody.directory.exists()
