# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a host's pgBackRest is told, by what is wished: pure, so that it is tested as a table.

Secrets stand apart, in a file of their own whose content is never shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused

SOCKET_DIRECTORY = "/var/run/postgresql"
# A directory in every repository and a section of the file.
_STANZA = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_OPTION = re.compile(r"[a-z][a-z0-9-]*")
# Of other options that an inventory gives, these hold what nobody else is to read.
_SECRET = re.compile(r"cipher-pass|key-secret|s3-key$|s3-sse-customer-key|s3-token|azure-key$|gcs-key$|passphrase")

Section = dict[str, Any]
_S3 = {
    "bucket": "s3-bucket",
    "endpoint": "s3-endpoint",
    "region": "s3-region",
    "uri_style": "s3-uri-style",
    "ca_file": "storage-ca-file",
    "port": "storage-port",
}


@dataclass(frozen=True)
class Member:
    """A server of the cluster; without a host it is the one that the file is for."""

    path: str
    port: int
    host: str | None = None


@dataclass(frozen=True)
class Tls:
    """Which papers this host shows, and where it listens."""

    directory: str
    port: int
    # Names in the certificates of those that may ask this host; nobody may unless named.
    authorized: tuple[str, ...] = ()

    def files(self, prefix: str) -> Section:
        return {
            f"{prefix}-ca-file": f"{self.directory}/ca.crt",
            f"{prefix}-cert-file": f"{self.directory}/node.crt",
            f"{prefix}-key-file": f"{self.directory}/node.key",
        }


@dataclass(frozen=True)
class Wish:
    """What one host is to know of one stanza."""

    stanza: str
    members: Sequence[Member]
    repositories: Sequence[Mapping[str, Any]]
    # The host that keeps the repositories, unless it is this one.
    repository_host: str | None
    tls: Tls
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def uses_tls(self) -> bool:
        return bool(self.repository_host or self.tls.authorized or any(each.host for each in self.members))


@dataclass(frozen=True)
class Told:
    """Sections of the three files: of the host, of the stanza, and of its secrets."""

    host: dict[str, Section]
    stanza: dict[str, Section]
    secrets: dict[str, Section]


def told(wish: Wish) -> Told:
    refuse(wish)
    public: Section = {}
    secret: Section = {}
    for number, member in enumerate(wish.members, 1):
        public.update(_member(number, member, wish.tls))
    for number, repository in enumerate(wish.repositories, 1):
        if wish.repository_host:
            public.update(_elsewhere(f"repo{number}", wish.repository_host, wish.tls))
        else:
            public.update(_repository(f"repo{number}", repository))
            secret.update(_secrets(f"repo{number}", repository))
    for name, value in wish.settings.items():
        (secret if _SECRET.search(name) else public)[name] = value
    stanza = {wish.stanza: public}
    if wish.tls.authorized:
        names = [f"{name}={wish.stanza}" for name in wish.tls.authorized]
        stanza = {"global": {"tls-server-auth": names}, **stanza}
    host: Section = {}
    if wish.tls.authorized:
        host = {"tls-server-address": "*", "tls-server-port": wish.tls.port, **wish.tls.files("tls-server")}
    return Told({"global": host}, stanza, {wish.stanza: secret} if secret else {})


def _member(number: int, member: Member, tls: Tls) -> Section:
    prefix = f"pg{number}"
    way = {f"{prefix}-path": member.path, f"{prefix}-port": member.port, f"{prefix}-socket-path": SOCKET_DIRECTORY}
    return {**way, **(_host(prefix, member.host, tls) if member.host else {})}


def _elsewhere(prefix: str, host: str, tls: Tls) -> Section:
    # Its own configuration says what and where the repository is, and holds the keys.
    return _host(prefix, host, tls)


def _host(prefix: str, host: str, tls: Tls) -> Section:
    way = {f"{prefix}-host": host, f"{prefix}-host-type": "tls", f"{prefix}-host-port": tls.port}
    return {**way, **tls.files(f"{prefix}-host")}


def _repository(prefix: str, repository: Mapping[str, Any]) -> Section:
    section: Section = {f"{prefix}-path": repository["path"]}
    if repository["type"] == "s3":
        section[f"{prefix}-type"] = "s3"
        named = {option: repository.get(name) for name, option in _S3.items()}
        section.update({f"{prefix}-{option}": value for option, value in named.items() if value is not None})
        section[f"{prefix}-storage-verify-tls"] = repository.get("verify_tls", True)
    if repository.get("passphrase"):
        section[f"{prefix}-cipher-type"] = "aes-256-cbc"
    retention = repository["retention"]
    section[f"{prefix}-retention-full-type"] = retention.get("full_type") or "count"
    section[f"{prefix}-retention-full"] = retention["full"]
    if retention.get("diff"):
        section[f"{prefix}-retention-diff"] = retention["diff"]
    others = repository.get("settings") or {}
    section.update({f"{prefix}-{name}": value for name, value in others.items() if not _SECRET.search(name)})
    return section


def _secrets(prefix: str, repository: Mapping[str, Any]) -> Section:
    values = {"cipher-pass": repository.get("passphrase")}
    if repository["type"] == "s3":
        values.update({"s3-key": repository.get("key"), "s3-key-secret": repository.get("key_secret")})
    others = repository.get("settings") or {}
    values.update({name: value for name, value in others.items() if _SECRET.search(name)})
    return {f"{prefix}-{name}": value for name, value in values.items() if value}


def hidden(wish: Wish) -> Iterator[str]:
    """Secrets that are given by pgBackRest's own names, by which Ansible does not know them."""
    for settings in (wish.settings, *(each.get("settings") or {} for each in wish.repositories)):
        yield from (str(value) for name, value in settings.items() if _SECRET.search(name))


def refuse(wish: Wish) -> None:
    """All that cannot be meant, before anything is changed."""
    if not _STANZA.fullmatch(wish.stanza):
        raise Refused(
            f"Stanza '{wish.stanza}' cannot be the name of a directory and a section: use letters, digits, _, - and . "
            "and begin with one of the first three."
        )
    if not wish.repositories:
        raise Refused("No repository is given, so that there is no place for backups: name at least one.")
    for number, repository in enumerate(wish.repositories, 1):
        if not wish.repository_host:
            _refuse_repository(number, repository)
    for name in wish.settings:
        _refuse_option(name)


def _refuse_repository(number: int, repository: Mapping[str, Any]) -> None:
    for name in repository.get("settings") or {}:
        _refuse_option(name)
    if not str(repository["path"]).startswith("/"):
        raise Refused(f"Repository {number} has the path '{repository['path']}': give an absolute one.")
    retention = repository.get("retention") or {}
    if not retention.get("full") or retention["full"] < 1:
        raise Refused(
            f"Repository {number} does not say how many full backups, or days of them, it keeps, and would grow until "
            "its disk is full: give retention.full, which is at least 1."
        )
    if repository["type"] == "s3":
        missing = [name for name in ("bucket", "endpoint", "region") if not repository.get(name)]
        if missing:
            raise Refused(f"Repository {number} is of type s3 and lacks {', '.join(missing)}: give what is missing.")


def _refuse_option(name: str) -> None:
    if not _OPTION.fullmatch(name):
        raise Refused(f"'{name}' is no option of pgBackRest: write it as its documentation does, such as process-max.")


def rendered(sections: Mapping[str, Section]) -> str:
    """A file of pgBackRest's."""
    lines = ["# Kept by runbook.postgres; what is changed by hand is lost."]
    for name, section in sections.items():
        lines += ["", f"[{name}]"]
        for option in sorted(section):
            values = section[option] if isinstance(section[option], (list, tuple)) else [section[option]]
            lines += [f"{option}={_word(option, value)}" for value in values]
    return "\n".join(lines) + "\n"


def _word(option: str, value: Any) -> str:
    if isinstance(value, bool):
        return "y" if value else "n"
    text = str(value)
    if not text or text != text.strip() or not text.isprintable():
        # Not the value: it may be a secret.
        raise Refused(
            f"The value of {option} is empty, begins or ends with a space, or holds a line break, which a file of "
            "pgBackRest cannot hold: give another."
        )
    return text
