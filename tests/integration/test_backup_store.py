"""Copies of logical backups in a store that speaks S3, by rclone as its users configure it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg2 import sql

from tests.integration import inside, s3
from tests.integration.archives import HOME
from tests.integration.backups import DATABASE, Backups

REMOTE = f"vault:{s3.BUCKET}/post gres"
CONFIG = """\
[vault]
type = s3
provider = Other
endpoint = https://{host}:{port}
region = nowhere
force_path_style = true
upload_cutoff = 5Mi
chunk_size = 5Mi
access_key_id = an-access-key
secret_access_key = {secret}
"""
RESTORED = "from the store"


@pytest.fixture
def store(kept: Backups, tmp_path: Path) -> Iterator[s3.Store]:
    with s3.store(tmp_path) as made:
        configure(kept, made)
        yield made


def configure(kept: Backups, store: s3.Store) -> None:
    node = kept.node
    node.exec(["sh", "-c", f"grep -v {s3.HOST} /etc/hosts > /tmp/hosts; cat /tmp/hosts > /etc/hosts"])
    store.introduce(node)
    node.write("/usr/local/share/ca-certificates/store.crt", store.ca)
    node.exec(["update-ca-certificates", "--fresh"])
    node.exec(["install", "-d", "-o", "postgres", "-g", "postgres", "-m", "0700", f"{HOME}/.config/rclone"])
    text = CONFIG.format(host=s3.HOST, port=store.port, secret=s3.KEY_SECRET)
    node.write(f"{HOME}/.config/rclone/rclone.conf", text, owner="postgres:postgres", mode="0600")


def far(kept: Backups) -> list[str]:
    """All that the store holds, as its own client says."""
    done = kept.node.exec(["env", f"HOME={HOME}", "rclone", "lsf", "-R", "--files-only", REMOTE], user="postgres")
    return sorted(done.stdout.splitlines())


@pytest.mark.usefixtures("store")
def test_there_and_back_again_encrypted(kept: Backups) -> None:
    key, identity = kept.keys
    offsite = {"remote": REMOTE, "retention": {"count": 2}}
    ids = []
    for _ in range(3):
        done = kept.taken(recipients=[key], offsite=offsite, retention={"count": 1}, count_rows=True)
        assert s3.KEY_SECRET not in str(done)
        assert done["copies"][0]["place"] == REMOTE
        assert done["copies"][0]["checked"] == "md5"
        ids.append(done["id"])
    assert kept.visible() == ids[2:]
    assert {path.partition("/")[0] for path in far(kept)} == set(ids[1:])
    assert not kept.taken(recipients=[key], offsite=offsite, max_age="1 h")["changed"]
    # The host and its directory are lost.
    content = kept.content()
    kept.node.exec(["rm", "-rf", kept.wish()["destination"]])
    wish = {
        "repository": kept.wish()["destination"],
        "offsite": REMOTE,
        "database": DATABASE,
        "target": RESTORED,
        "identity": identity,
        "login_unix_socket": "/var/run/postgresql",
    }
    try:
        assert "identity" in inside.run(kept.node, "pg_restore", {**wish, "identity": None}).failure
        restored = inside.run(kept.node, "pg_restore", wish)
        assert restored.code == 0, restored.text
        assert restored.result["backup"] == ids[2]
        assert kept.content(RESTORED) == content
        assert kept.visible() == ids[2:]
    finally:
        drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(RESTORED))
        kept.server.run(drop, database="postgres")


@pytest.mark.usefixtures("store")
def test_a_copy_that_was_altered_in_the_store_is_not_restored(kept: Backups) -> None:
    done = kept.taken(offsite={"remote": REMOTE})
    dump = next(path for path in far(kept) if path.endswith("dump.pgdump"))
    kept.node.exec(["env", f"HOME={HOME}", "rclone", "rcat", f"{REMOTE}/{dump}"], user="postgres", input="x" * 100)
    kept.node.exec(["rm", "-rf", kept.wish()["destination"]])
    wish = {"repository": kept.wish()["destination"], "offsite": REMOTE, "database": DATABASE, "target": RESTORED}
    failure = inside.run(kept.node, "pg_restore", {**wish, "login_unix_socket": "/var/run/postgresql"}).failure
    assert done["id"] in failure
    assert "is damaged" in failure
    assert kept.visible() == []


def test_a_store_that_goes_away_keeps_the_backup_here_and_the_next_run_copies_it(
    kept: Backups, store: s3.Store, tmp_path: Path
) -> None:
    offsite = {"remote": REMOTE}
    at = inside.Interrupt(("._stream.offsite:copied",))
    with inside.held(kept.node, "pg_backup", kept.wish(offsite=offsite), at) as run:
        # The dump is there, and the manifest that makes a backup of it is not.
        assert [path.rpartition("/")[2] for path in far(kept)].count("manifest.json") == 0
        store.stop()
        failed = run.finish()
    assert REMOTE in failed.failure
    [name] = kept.visible()
    place = tmp_path / "another"
    place.mkdir()
    with s3.store(place) as another:
        configure(kept, another)
        done = kept.taken(offsite=offsite, max_age="1 day")
        assert (done["taken"], done["id"]) == (False, name)
        assert f"{name}/manifest.json" in far(kept)


def test_a_store_that_dies_within_a_file_holds_nothing_that_looks_like_a_copy(kept: Backups, store: s3.Store) -> None:
    """The file goes in parts, and of three two arrive."""
    kept.server.run(
        "CREATE TABLE public.large AS SELECT n, repeat(md5(n || ''), 1000) FROM generate_series(1, 400) n",
        database=DATABASE,
    )
    offsite = {"remote": REMOTE}
    wish = {"repository": kept.wish()["destination"], "offsite": REMOTE, "database": DATABASE, "target": RESTORED}
    wish["login_unix_socket"] = "/var/run/postgresql"
    try:
        store.line.cut(after=11 << 20)
        assert REMOTE in kept.take(offsite=offsite, compression={"method": "none"}).failure
        [name] = kept.visible()
        store.line.mend()
        assert {path.rpartition("/")[2] for path in far(kept)} <= {"globals.sql"}
        assert kept.info()["backups"][0]["copies"] == []
        # Nobody takes for a copy what is there.
        nowhere = {**wish, "repository": f"{HOME}/another"}
        assert "none that fits" in inside.run(kept.node, "pg_restore", nowhere).failure
        done = kept.taken(offsite=offsite, compression={"method": "none"}, max_age="1 day")
        assert (done["taken"], done["id"]) == (False, name)
        # What went in parts has a hash of its own there as well.
        assert done["copies"][0]["checked"] == "md5"
        assert {f"{name}/manifest.json", f"{name}/dump.pgdump"} <= set(far(kept))
    finally:
        kept.server.run("DROP TABLE public.large", database=DATABASE)
