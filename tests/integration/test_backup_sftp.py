"""Copies of logical backups on a host that speaks SFTP, and what becomes of them there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab.waiting import wait_until
from tests.integration import inside
from tests.integration.archives import HOME
from tests.integration.backups import DATABASE, Backups
from tests.integration.test_backup_faults import CHANGED_ITS_MIND

PLACE, REMOTE, PORT = "/srv/nas", "nas:post gres", 2022
SECRET = "never-in-any-log-43"
CONFIG = f"""\
[nas]
type = sftp
host = 127.0.0.1
port = {PORT}
user = keeper
pass = {{secret}}
"""
# As of an account that may do nothing but transfer files.
NO_SHELL = "shell_type = none\ndisable_hashcheck = true\n"
# Another host, which has nothing but the copies.
ELSEWHERE = {"repository": f"{HOME}/elsewhere", "offsite": REMOTE, "login_unix_socket": "/var/run/postgresql"}
RESTORED = "from the nas"


@pytest.fixture
def nas(kept: Backups) -> Iterator[Backups]:
    node = kept.node
    node.exec(["rm", "-rf", PLACE, f"{HOME}/elsewhere"])
    node.exec(["install", "-d", PLACE])
    serve(kept)
    configure(kept)
    yield kept
    kept.server.run(f'DROP DATABASE IF EXISTS "{RESTORED}" WITH (FORCE)', database="postgres")
    node.exec(["systemctl", "stop", "nas"])


def serve(kept: Backups) -> None:
    argv = ["rclone", "serve", "sftp", PLACE, f"--addr=127.0.0.1:{PORT}", "--user=keeper", f"--pass={SECRET}"]
    kept.node.exec(["systemd-run", "--quiet", "--unit=nas", "--setenv=HOME=/root", *argv])
    listens = ["sh", "-c", f"ss -Hltn sport = :{PORT} | grep -q ."]
    wait_until("it listens", lambda: kept.node.exec(listens, check=False).returncode == 0)


def configure(kept: Backups, more: str = "") -> None:
    node = kept.node
    node.exec(["install", "-d", "-o", "postgres", "-g", "postgres", "-m", "0700", f"{HOME}/.config/rclone"])
    hidden = node.exec(["rclone", "obscure", SECRET]).stdout.strip()
    text = CONFIG.format(secret=hidden) + more
    node.write(f"{HOME}/.config/rclone/rclone.conf", text, owner="postgres:postgres", mode="0600")


def far(kept: Backups) -> list[str]:
    """All that lies there."""
    done = kept.node.exec(["find", f"{PLACE}/post gres", "-type", "f", "-printf", "%P\n"], check=False)
    return sorted(done.stdout.splitlines())


def restored(kept: Backups, **more: Any) -> inside.Ended:
    return inside.run(kept.node, "pg_restore", {**ELSEWHERE, "database": DATABASE, "target": RESTORED, **more})


@pytest.mark.parametrize(("more", "how"), [("", "sha1"), (NO_SHELL, "sha256 of what was read back")])
def test_there_and_back_again(nas: Backups, more: str, how: str) -> None:
    configure(nas, more)
    content = nas.content()
    done = nas.taken(offsite={"remote": REMOTE, "retention": {"count": 1}}, count_rows=True)
    # What Debian 11 has calls it SHA-1.
    assert done["copies"][0]["checked"].replace("-", "") == how
    assert SECRET not in str(done)
    last = nas.taken(offsite={"remote": REMOTE, "retention": {"count": 1}}, count_rows=True)
    assert {path.partition("/")[0] for path in far(nas)} == {last["id"]}
    back = restored(nas)
    assert back.code == 0, back.text
    assert (back.result["backup"], nas.content(RESTORED)) == (last["id"], content)


def test_a_copy_that_is_altered_before_it_was_compared_is_told_and_sent_again(nas: Backups) -> None:
    """It has the size that it should have, and a disk that lies."""
    at = inside.Interrupt(("._stream.offsite:_compared_tree",))
    with inside.held(nas.node, "pg_backup", nas.wish(offsite={"remote": REMOTE}), at) as run:
        [dump] = [path for path in far(nas) if path.endswith("dump.pgdump")]
        nas.altered(f"{PLACE}/post gres/{dump}", "data[len(data) // 2] ^= 1")
        failed = run.finish()
    told = f"{dump} holds something else than what was copied there (its sha1 differs)"
    assert told in failed.failure.replace("sha-1", "sha1")
    [name] = nas.visible()
    assert f"{name}/manifest.json" not in far(nas)
    assert "none that fits" in restored(nas).failure
    done = nas.taken(offsite={"remote": REMOTE}, max_age="1 day")
    assert (done["taken"], done["id"]) == (False, name)
    assert nas.raw(f"{PLACE}/post gres/{dump}") == nas.raw(f"{done['path']}/dump.pgdump")


def test_a_proof_that_fails_is_known_where_the_copy_is(nas: Backups) -> None:
    nas.server.run("CREATE DATABASE proven", database="postgres")
    nas.server.run(*CHANGED_ITS_MIND, database="proven")
    nas.options = {"database": "proven", "offsite": {"remote": REMOTE}}
    try:
        name = nas.taken()["id"]
        proof: dict[str, Any] = {"state": "verified", "verify": "restore", "offsite": None}
        # A store that is away hears of it with the next proof.
        nas.node.exec(["systemctl", "stop", "nas"])
        failed = nas.take(**proof)
        assert "violates check constraint" in failed.failure
        assert "Others take" not in failed.failure
        told = f"Others take the copy there for a good one until {name} is verified again"
        assert told in str(failed.result["warnings"])
        assert f"{name}/verified.json" not in far(nas)
        serve(nas)
        assert "Others take" not in nas.take(**proof, id=name).text
        # Another host knows as well, before it fetches anything.
        told = restored(nas, database="proven").failure
        assert "The latest backup is not whole" in told
        assert "violates check constraint" in told
        assert nas.node.exec(["ls", f"{HOME}/elsewhere"], check=False).stdout == ""
        # It is no copy to rely on, and lies there until there is a better one.
        nas.server.run(CHANGED_ITS_MIND[0].replace("CREATE", "CREATE OR REPLACE"), database="proven")
        better = nas.taken(max_age="1 day", verify="restore")
        assert better["taken"]
        assert {path.partition("/")[0] for path in far(nas)} == {name, better["id"]}
        back = restored(nas, database="proven")
        assert (back.code, back.result.get("backup")) == (0, better["id"]), back.text
    finally:
        nas.server.run("DROP DATABASE proven WITH (FORCE)", database="postgres")
