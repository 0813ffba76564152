# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The files of pgBackRest on a host: planned whole, written whole, secrets in one of their own."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._command import account
from ansible_collections.runbook.postgres.plugins.module_utils._debian import SUPERUSER
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._files import File, FileChange, changed, observe, removed
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest import program
from ansible_collections.runbook.postgres.plugins.module_utils._pgbackrest.options import Told, Wish, rendered, told

DIRECTORY = Path("/etc/pgbackrest")
MAIN = DIRECTORY / "pgbackrest.conf"
# Debian's, with which nothing is set up yet.
ELSEWHERE = Path("/etc/pgbackrest.conf")
# Beside others of the same host, one cluster's.
PARTS = DIRECTORY / "conf.d"
# pgBackRest runs as postgres, which reads them and cannot change them.
MODE = 0o640


@dataclass(frozen=True)
class ConfigPlan:
    """Files to write, and directories that repositories begin in."""

    changes: tuple[FileChange, ...]
    directories: tuple[Path, ...]

    @property
    def changed(self) -> bool:
        return bool(self.changes or self.directories)

    @property
    def sentences(self) -> list[str]:
        return [f"make {path}" for path in self.directories] + [change.sentence for change in self.changes]

    def diff(self) -> list[dict[str, Any]]:
        made = [
            {"before_header": str(path), "after_header": str(path), "before": "", "after": "a directory of postgres\n"}
            for path in self.directories
        ]
        return made + [each for change in self.changes for each in change.diff()]


def stanza_file(stanza: str) -> Path:
    return PARTS / f"{stanza}.conf"


def numbers(stanza: str) -> frozenset[int]:
    """The repositories that this host is told of; none where its files are not ours."""
    try:
        text = stanza_file(stanza).read_text(encoding="utf-8")
    except OSError:
        return frozenset()
    return frozenset(map(int, re.findall(r"^repo(\d+)-", text, re.MULTILINE)))


def secrets_file(stanza: str) -> Path:
    return PARTS / f"{stanza}.secrets.conf"


def plan(wish: Wish) -> ConfigPlan:
    """What differs; what this host's pgBackRest cannot do is refused here."""
    wanted = told(wish)
    _refuse_too_old(wish)
    _refuse_another_way()
    changes = [changed(file, observe(file.path, secret=file.secret)) for file in _files(wish, wanted)]
    if not wanted.secrets:
        changes.append(removed(observe(secrets_file(wish.stanza), secret=True)))
    return ConfigPlan(tuple(each for each in changes if each is not None), _missing_directories(wish))


def _files(wish: Wish, wanted: Told) -> list[File]:
    def file(path: Path, sections: Mapping[str, Any], *, secret: bool = False) -> File:
        return File(path, rendered(sections).encode(), "root", "postgres", MODE, secret)

    files = [file(MAIN, wanted.host), file(stanza_file(wish.stanza), wanted.stanza)]
    if wanted.secrets:
        files.append(file(secrets_file(wish.stanza), wanted.secrets, secret=True))
    return files


def _missing_directories(wish: Wish) -> tuple[Path, ...]:
    if wish.repository_host:
        return ()
    paths = [Path(each["path"]) for each in wish.repositories if each["type"] == "disk"]
    return tuple(path for path in dict.fromkeys(paths) if not path.is_dir())


def _refuse_too_old(wish: Wish) -> None:
    found = program.version()
    if found is not None and wish.uses_tls and found < program.FIRST_WITH_TLS:
        raise Refused(
            f"pgBackRest {'.'.join(map(str, found))} of this host cannot reach other hosts over TLS, which version "
            "2.37 brought (Debian 12 has it): use a repository of type s3, which needs no repository host."
        )


def _refuse_another_way() -> None:
    """pgBackRest reads Debian's file only for as long as ours is not there."""
    found = observe(ELSEWHERE)
    if found is not None and re.search(rb"^\s*\[(?!global)", found.content, re.MULTILINE) and observe(MAIN) is None:
        raise Refused(
            f"Somebody's clusters stand in {ELSEWHERE}, which pgBackRest would not read any more once there is {MAIN}: "
            f"move that file to {PARTS}, so that both count, or away."
        )


def apply(planned: ConfigPlan) -> None:
    """Secrets first: a repository that is to be encrypted must not begin plain."""
    try:
        PARTS.mkdir(mode=0o755, parents=True, exist_ok=True)
        for path in planned.directories:
            _make(path)
    except OSError as error:
        raise Problem(f"{error.filename} cannot be made: {error.strerror}; look what is in its place.") from error
    for change in sorted(planned.changes, key=lambda each: each.after is None or not each.after.secret):
        change.apply()


def _make(path: Path) -> None:
    owner = account(SUPERUSER, "postgresql")
    path.mkdir(mode=0o750, parents=True, exist_ok=True)
    if owner is not None:
        os.chown(path, owner.uid, owner.gid)
