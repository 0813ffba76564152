# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Have the pools of this host's PgBouncer lead to the primary that Patroni names, for as long as this runs.

Every member is asked whether it holds the leader's lock. Only when exactly one says so does anything change. Pools that
read from a standby stay where they are; an answer is written as role pgbouncer would write it.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

CONFIGURATIONS = Path("/etc/pgbouncer")
HEADER = "; Written whole by runbook.postgres"
POOL = re.compile(r"(?P<begin>(?P<name>[A-Za-z0-9_.-]+) = host=)(?P<host>'(?:[^']|'')*'|\S+)(?P<rest>(?: .*)?)")
ANSWER_SECONDS = 2.0
# What ends by itself has ended by then; the rest waits for a server that is gone.
GRACE_SECONDS = 2.0


@dataclass(frozen=True)
class Wish:
    # Addresses, and what each is asked.
    members: Mapping[str, str]
    # Pools that lead to the primary.
    pools: Sequence[str]
    tls_directory: str
    seconds: float


def repointed(text: str, pools: Sequence[str], members: Sequence[str], new: str) -> tuple[str, list[str]]:
    """The file with what led to the old primary leading to `new`, and the names of these pools."""
    lines = text.split("\n")
    found = {place: match for place, line in enumerate(lines) if (match := POOL.fullmatch(line)) is not None}
    old = {match["host"] for match in found.values() if match["name"] in pools and match["host"] in members} - {new}
    moved = []
    for place, match in found.items():
        if match["host"] in old:
            lines[place] = f"{match['begin']}{new}{match['rest']}"
            moved.append(match["name"])
    return "\n".join(lines), moved


def primary(wish: Wish) -> str | None:
    """The one member that holds the lock; None where nobody or more than one says so."""
    context = ssl.create_default_context(cafile=f"{wish.tls_directory}/ca.crt")
    with ThreadPoolExecutor(max_workers=max(1, len(wish.members))) as several:
        said = several.map(lambda url: holds_lock(url, context), wish.members.values())
        holders = [address for address, holds in zip(wish.members, said) if holds]
    return holders[0] if len(holders) == 1 else None


def holds_lock(url: str, context: ssl.SSLContext) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(url, timeout=ANSWER_SECONDS) as response:
            return bool(response.status == 200)
    except (OSError, ValueError):
        # Also when it says that it is not: an HTTP error is an OSError.
        return False


def say(sentence: str) -> None:
    """To the unit's journal."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def put(path: Path, text: str) -> None:
    """Whole or not at all, with the owner and mode that there were."""
    seen = path.stat()
    part = path.with_name(f".{path.name}.follow")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        os.fchmod(file.fileno(), seen.st_mode & 0o7777)
        os.fchown(file.fileno(), seen.st_uid, seen.st_gid)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def unit(path: Path) -> str:
    number = path.stem.partition("process-")[2]
    return f"pgbouncer@{number}.service" if number else "pgbouncer.service"


def lead(path: Path, wish: Wish, new: str) -> list[str]:
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    if not text.startswith(HEADER):
        return []
    after, moved = repointed(text, wish.pools, list(wish.members), new)
    if moved:
        put(path, after)
        subprocess.run(["systemctl", "reload", unit(path)], check=False, timeout=30)
        say(f"{', '.join(moved)} of {path} lead to {new}.")
    return moved


def setting(text: str, name: str) -> str:
    found = re.search(rf"^{name} = (.*)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


@contextlib.contextmanager
def console(path: Path) -> Iterator[Any]:
    """PgBouncer lets in the user that it runs as; to be that one while connecting is enough."""
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    os.seteuid(pwd.getpwnam("postgres").pw_uid)
    try:
        connection = psycopg2.connect(
            host=setting(text, "unix_socket_dir"),
            port=setting(text, "listen_port"),
            user="pgbouncer",
            dbname="pgbouncer",
            connect_timeout=5,
        )
    finally:
        os.seteuid(0)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def drop_stuck(path: Path, moved: Sequence[str]) -> None:
    """Clients whose transaction is at a server that is gone hear nothing by themselves, for a quarter of an hour."""
    with console(path) as cursor:
        cursor.execute("SHOW SERVERS")
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row)) for row in cursor.fetchall()]
        stuck = {row["database"] for row in rows if row["state"] == "active" and str(row["close_needed"]) == "1"}
        for name in sorted(stuck & set(moved)):
            cursor.execute(f'KILL "{name}"')
            cursor.execute(f'RESUME "{name}"')
            say(f"Clients of {name} that waited for the old primary were told so.")


def follow(wish: Wish) -> None:
    new = primary(wish)
    if new is None:
        return
    paths = sorted([*CONFIGURATIONS.glob("pgbouncer.ini"), *CONFIGURATIONS.glob("process-*.ini")])
    led = {path: moved for path in paths if (moved := lead(path, wish, new))}
    if led:
        time.sleep(GRACE_SECONDS)
    for path, moved in led.items():
        drop_stuck(path, moved)


def main() -> None:
    wish = Wish(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    told = ""
    while True:
        try:
            follow(wish)
            told = ""
        except Exception as error:  # noqa: BLE001 - whatever it is, the next round may do better
            if str(error) != told:
                told = str(error)
                say(f"Could not follow this time: {told}")
        time.sleep(wish.seconds)


if __name__ == "__main__":
    main()
