# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A node's private key and the request to have it certified, by the system's openssl."""

from __future__ import annotations

import base64
import hashlib
import pwd
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed, find, run
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Problem, Refused
from ansible_collections.runbook.postgres.plugins.module_utils._files import (
    File,
    FileChange,
    changed,
    observe,
    put,
)

KEY, CERTIFICATE, AUTHORITIES = "node.key", "node.crt", "ca.crt"

_SECONDS = 60.0


@dataclass(frozen=True)
class Place:
    """Where a node's files are, and whose they are."""

    directory: Path
    owner: str
    group: str

    @property
    def owner_exists(self) -> bool:
        try:
            pwd.getpwnam(self.owner)
        except KeyError:
            return False
        return True

    def file(self, name: str, content: bytes, mode: int, *, secret: bool = False) -> File:
        return File(self.directory / name, content, self.owner, self.group, mode, secret)

    def text(self, name: str) -> str | None:
        """A public file's content, if it is there."""
        found = observe(self.directory / name)
        return None if found is None else found.content.decode(errors="replace")

    def make(self) -> None:
        """The directory is root's, so that nobody else swaps what is in it."""
        if not self.directory.is_dir():
            try:
                self.directory.mkdir(mode=0o755, parents=True)
                self.directory.chmod(0o755)
            except OSError as error:
                raise Problem(f"{self.directory} cannot be made: {error.strerror}.") from error


@dataclass(frozen=True)
class KeyPlan:
    """What has to be done for the key; a key that is there stays what it is."""

    found: File | None
    changes: tuple[FileChange, ...] = ()

    @property
    def new(self) -> bool:
        return self.found is None


def plan_key(place: Place) -> KeyPlan:
    found = observe(place.directory / KEY, secret=True)
    if found is None:
        return KeyPlan(None)
    if found.link is not None:
        raise Refused(f"{found.path} is a link to {found.link}: put the key itself there, or move the link away.")
    change = changed(place.file(KEY, found.content, 0o600, secret=True), found)
    return KeyPlan(found, () if change is None else (change,))


def carry_out(plan: KeyPlan, place: Place) -> File:
    """The key, made here if there was none."""
    if plan.found is not None:
        for change in plan.changes:
            change.apply()
        return plan.found
    place.make()
    argv = [_openssl(), "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
    key = place.file(KEY, run(argv, _SECONDS).encode(), 0o600, secret=True)
    put(key, key.path)
    return key


def public_key(key: File) -> str:
    """The hash by which a certificate is found to be this key's."""
    try:
        pem = run([_openssl(), "pkey", "-in", str(key.path), "-passin", "pass:", "-pubout"], _SECONDS)
    except ProgramFailed as error:
        raise Refused(
            f"{key.path} is no private key that openssl can read without a passphrase: "
            "move it away, and a new one is made."
        ) from error
    body = "".join(line for line in pem.splitlines() if "-----" not in line)
    return hashlib.sha256(base64.b64decode(body)).hexdigest()


def request(key: File, common_name: str, names: Sequence[str]) -> str:
    """A request for exactly this, signed by the key."""
    argv = [
        _openssl(),
        "req",
        "-new",
        "-key",
        str(key.path),
        "-sha256",
        "-utf8",
        "-subj",
        f"/CN={_escaped(common_name)}",
    ]
    for extension in (
        f"subjectAltName={','.join(names)}",
        "basicConstraints=critical,CA:FALSE",
        "keyUsage=critical,digitalSignature",
        "extendedKeyUsage=serverAuth,clientAuth",
    ):
        argv += ["-addext", extension]
    return run(argv, _SECONDS)


def _escaped(text: str) -> str:
    return "".join(f"\\{each}" if each in "\\/+=" else each for each in text)


def _openssl() -> str:
    return find("openssl", "openssl")


def reported(plan: KeyPlan, place: Place, key: File | None, common_name: str, names: Sequence[str]) -> dict[str, Any]:
    """What the signing side has to know of the node; the key itself is not among it."""
    # In check mode there may be neither a key nor openssl yet.
    known = key is not None and shutil.which("openssl") is not None
    return {
        "changed": plan.new or bool(plan.changes),
        "diff": _diff(plan, place),
        "owner_exists": True,
        "new_key": plan.new,
        "public_key": public_key(key) if known and key else None,
        "request": request(key, common_name, names) if known and key else None,
        "certificate": place.text(CERTIFICATE),
        "authorities": place.text(AUTHORITIES),
    }


def _diff(plan: KeyPlan, place: Place) -> list[dict[str, Any]]:
    if plan.new:
        return FileChange(None, place.file(KEY, b"", 0o600, secret=True)).diff()
    return [told for change in plan.changes for told in change.diff()]
