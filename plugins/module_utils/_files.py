# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whole files as state: what is there, what is wanted, the change between them, and how to make it.

A file is written beside its place and renamed into it, so that readers see the
old one or the new one. Nothing is asked of the host but what is there: on a
host where neither directory nor owner exists yet, a file is simply missing.

    found = observe(wanted.path, secret=wanted.secret)
    change = changed(wanted, found)      # None when there is nothing to do
    change.diff(), change.sentence       # the same before and after
    change.apply(); change.undo()
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import re
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused

_ENDING = ".runbook-new"


@dataclass(frozen=True)
class File:
    """A file's whole state; owner and group by name, or by number as text where there is no name."""

    path: Path
    content: bytes = field(repr=False)
    owner: str = "root"
    group: str = "root"
    mode: int = 0o644
    # Its content is not to be shown to anybody.
    secret: bool = False
    # Only ever found, never wanted: it is a symbolic link to there.
    link: str | None = None

    @property
    def attributes(self) -> dict[str, str]:
        kind = {} if self.link is None else {"link to": self.link}
        return {"owner": self.owner, "group": self.group, "mode": f"{self.mode:04o}", **kind}


@dataclass(frozen=True)
class FileChange:
    """A file becomes another, appears or goes."""

    before: File | None
    after: File | None

    @property
    def path(self) -> Path:
        for one in (self.after, self.before):
            if one is not None:
                return one.path
        raise ValueError("no file becomes no file")

    @property
    def sentence(self) -> str:
        if self.after is None:
            return f"remove {self.path}"
        return f"{'write' if self.before is None else 'replace'} {self.path}"

    def diff(self) -> list[dict[str, Any]]:
        """For Ansible: the content where it differs, and the attributes where they do."""
        told: list[dict[str, Any]] = []
        old, new = _text(self.before), _text(self.after)
        if _content(self.before) != _content(self.after):
            if _secret(self.before, self.after):
                old, new = _hidden("old", self.before), _hidden("new", self.after)
            told.append({"before": old, "after": new, **self._headers()})
        if self.before is not None and self.after is not None:
            known, wanted = self.before.attributes, self.after.attributes
            names = [name for name in {**known, **wanted} if known.get(name) != wanted.get(name)]
            if names:
                told.append(
                    {
                        "before": {name: known[name] for name in names if name in known},
                        "after": {name: wanted[name] for name in names if name in wanted},
                        **self._headers(),
                    }
                )
        return told

    def _headers(self) -> dict[str, str]:
        return {"before_header": str(self.path), "after_header": str(self.path)}

    def apply(self) -> None:
        put(self.after, self.path)

    def undo(self) -> None:
        put(self.before, self.path)


def changed(wanted: File, found: File | None) -> FileChange | None:
    """What has to be done so that the file is as wanted; None when it is."""
    if found is not None and (found.content, found.attributes) == (wanted.content, wanted.attributes):
        return None
    return FileChange(found, wanted)


def removed(found: File | None) -> FileChange | None:
    return None if found is None else FileChange(found, None)


def observe(path: Path, *, secret: bool = False) -> File | None:
    """The file as it is, or None. A link is not followed: who owns the directory could lead us anywhere."""
    try:
        return _read(path, secret)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Problem(f"{path} cannot be read: {error.strerror}; give the task the rights of root.") from error


def _read(path: Path, secret: bool) -> File:
    about = os.lstat(path)
    owner, group, mode = _user_name(about.st_uid), _group_name(about.st_gid), stat.S_IMODE(about.st_mode)
    if stat.S_ISLNK(about.st_mode):
        return File(path, b"", owner, group, mode, secret, link=os.readlink(path))  # noqa: PTH115 - text, as it stands
    if not stat.S_ISREG(about.st_mode):
        raise Refused(f"{path} is there but is no file: look what it is and move it away, nothing was changed.")
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        return File(path, file.read(), owner, group, mode, secret)


def put(file: File | None, path: Path) -> None:
    """Make the path be this file, or be free."""
    try:
        if file is None:
            path.unlink(missing_ok=True)
        else:
            _remove_leftovers(path)
            _write(file, path)
        _sync_directory(path.parent)
    except OSError as error:
        raise Problem(_why(error, path)) from error


def _write(file: File, path: Path) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}{_ENDING}")
    try:
        if file.link is None:
            _fill(beside, file)
        else:
            beside.symlink_to(file.link)
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def _fill(beside: Path, file: File) -> None:
    uid, gid = _user_id(file.owner, file.path), _group_id(file.group, file.path)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as target:
        # Before there is anything in it.
        if (uid, gid) != (os.geteuid(), os.getegid()):
            os.fchown(descriptor, uid, gid)
        os.fchmod(descriptor, file.mode)
        target.write(file.content)
        target.flush()
        os.fsync(descriptor)


def _remove_leftovers(path: Path) -> None:
    """What a killed run left beside the file; another run that is at work now keeps its own."""
    pattern = re.compile(re.escape(f".{path.name}.") + r"(\d+)-[0-9a-f]{8}" + re.escape(_ENDING))
    for other in path.parent.iterdir():
        match = pattern.fullmatch(other.name)
        if match and not Path(f"/proc/{match[1]}").exists():
            other.unlink(missing_ok=True)


def _sync_directory(directory: Path) -> None:
    """A rename lasts once its directory is on the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _why(error: OSError, path: Path) -> str:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return f"{path} cannot be written because its directory is not there: make that first."
    return f"{path} cannot be written: {error.strerror}; what was there before still is."


def _content(file: File | None) -> bytes | None:
    return None if file is None or file.link is not None else file.content


def _text(file: File | None) -> str:
    return (_content(file) or b"").decode(errors="replace")


def _secret(*files: File | None) -> bool:
    return any(file is not None and file.secret for file in files)


def _hidden(which: str, file: File | None) -> str:
    return "" if _content(file) is None else f"({which} content, not shown)\n"


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _user_id(name: str, path: Path) -> int:
    try:
        return int(name) if name.isdigit() else pwd.getpwnam(name).pw_uid
    except KeyError:
        raise Refused(f"{path} is to belong to {name}, a user this host does not have: install the package.") from None


def _group_id(name: str, path: Path) -> int:
    try:
        return int(name) if name.isdigit() else grp.getgrnam(name).gr_gid
    except KeyError:
        raise Refused(f"{path} is to belong to {name}, a group this host does not have: install the package.") from None
