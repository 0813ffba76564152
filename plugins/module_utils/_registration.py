# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""An instance as Debian's tools know it: made by pg_createcluster, on a directory that holds settings and no data.

pg_createcluster removes the data directory that it was given when it fails, and
a clone has no settings of its own; so it is given another directory, and is told
afterwards where the data is.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ansible_collections.runbook.postgres.plugins.module_utils import _files
from ansible_collections.runbook.postgres.plugins.module_utils._clone_mark import MARK, MARK_TEXT
from ansible_collections.runbook.postgres.plugins.module_utils._command import find, run
from ansible_collections.runbook.postgres.plugins.module_utils._debian import SUPERUSER, UMASK, config_directory
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem

# In the configuration directory until the registration is whole.
REGISTERING = f".{MARK}"
_MADE = ("postgresql.conf", "pg_hba.conf", "pg_ident.conf", "start.conf", "pg_ctl.conf", "environment", "log")
# Until a role writes the whole file: the system's postgres gets in, nobody else does.
_HBA = "local  all  postgres  peer\n"
_SAMPLES = Path("/usr/share/postgresql")
_SECONDS = 120.0


def settings_text(sample: str, settings: Mapping[str, str]) -> str:
    """The sample that every package brings, with these values where it names them."""
    for name, value in settings.items():
        line = f"{name} = '" + value.replace("'", "''") + "'"
        found = re.compile(rf"^#?{name}[ \t]*=[ \t]*(?:'[^'\n]*'|[^\s#]*)", re.MULTILINE | re.IGNORECASE)
        # A function: what is put in is not a template.
        sample, count = found.subn(lambda _, line=line: line, sample, count=1)  # type: ignore[misc]
        sample += "" if count else f"{line}\n"
    return sample


def register(version: int, instance: str, port: int, data: Path, prepared: Path, settings: Mapping[str, str]) -> None:
    """Tell Debian's tools of the instance; one that was begun before is begun anew."""
    directory = config_directory(version, instance)
    _forget(directory)
    _prepare(version, prepared, settings)
    for each in (directory.parent, directory):
        _directory(each)
    _files.put(_files.File(directory / REGISTERING, MARK_TEXT.encode()), directory / REGISTERING)
    program = find("pg_createcluster", "postgresql-common")
    argv = [program, "--datadir", str(prepared), "--port", str(port), "--start-conf", "auto"]
    run([*argv, str(version), instance], _SECONDS, umask=UMASK)
    _point(directory / "postgresql.conf", prepared, data)
    shutil.rmtree(prepared)
    _files.put(None, directory / REGISTERING)


def _directory(path: Path) -> None:
    path.mkdir(exist_ok=True)
    path.chmod(0o755)
    shutil.chown(path, SUPERUSER, SUPERUSER)


def _forget(directory: Path) -> None:
    """What an unfinished registration made; anything else in that directory stays."""
    if (directory / REGISTERING).exists():
        for name in _MADE:
            (directory / name).unlink(missing_ok=True)


def _prepare(version: int, prepared: Path, settings: Mapping[str, str]) -> None:
    if (prepared / MARK).exists():
        shutil.rmtree(prepared)
    prepared.mkdir(mode=0o700)
    sample = (_SAMPLES / str(version) / "postgresql.conf.sample").read_text()
    files = {
        MARK: MARK_TEXT,
        "PG_VERSION": f"{version}\n",
        "postgresql.conf": settings_text(sample, settings),
        "pg_hba.conf": _HBA,
        "pg_ident.conf": (_SAMPLES / str(version) / "pg_ident.conf.sample").read_text(),
    }
    for name, text in files.items():
        (prepared / name).write_text(text)
        shutil.chown(prepared / name, SUPERUSER, SUPERUSER)
    shutil.chown(prepared, SUPERUSER, SUPERUSER)


def _point(settings: Path, prepared: Path, data: Path) -> None:
    found = _files.observe(settings)
    if found is None or str(prepared).encode() not in found.content:
        raise Problem(
            f"pg_createcluster did not write its data directory into {settings}: "
            "look whether /etc/postgresql-common/createcluster.conf leads elsewhere."
        )
    content = found.content.replace(str(prepared).encode(), str(data).encode())
    _files.put(replace(found, content=content), settings)
