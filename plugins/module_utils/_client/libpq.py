# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What libpq's service file can carry, as libpq of a release reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

# The first release with a choice of standbys, with more than 253 bytes in a line, and with connections that spread.
CHOOSES_STANDBYS = 14
SPREADS = 16

# What a line may hold, without its end; from CHOOSES_STANDBYS on it is the second.
_SHORT, _LONG = 253, 1021

_SECRET = frozenset({"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"})
_SAID_ELSEWHERE = frozenset({"host", "hostaddr", "port", "dbname", "user", "service", "servicefile"})
# Of each keyword the first release that knows it, counted from 13.
_KEYWORDS: Mapping[int, str] = {
    13: "application_name channel_binding client_encoding connect_timeout fallback_application_name gssencmode gsslib "
    "keepalives keepalives_count keepalives_idle keepalives_interval krbsrvname options passfile replication "
    "requirepeer ssl_max_protocol_version ssl_min_protocol_version sslcert sslcompression sslcrl sslkey sslmode "
    "sslrootcert target_session_attrs tcp_user_timeout",
    14: "sslcrldir sslsni",
    16: "gssdelegation load_balance_hosts require_auth sslcertmode",
    17: "sslnegotiation",
    18: "max_protocol_version min_protocol_version sslkeylogfile",
}
SINCE: Mapping[str, int] = {word: release for release, words in _KEYWORDS.items() for word in words.split()}


def wrong_name(name: str) -> str | None:
    """Why libpq would not find a service of that name, or a shorter one instead."""
    if not name or name != name.strip() or not name.isprintable():
        return "is empty, begins or ends with a blank, or has characters that cannot be printed"
    return "has a closing bracket, at which libpq takes it to end" if "]" in name else None


def wrong_keyword(word: str, libpq: int) -> str | None:
    """Why a setting does not belong into the file; libpq takes no service with one that it does not know."""
    if word in _SECRET:
        return "is a secret, and everybody reads the file: keep it in a .pgpass of who connects, or have a certificate"
    if word in _SAID_ELSEWHERE:
        return "is not for settings: database, user, to and through of the service say it"
    if word not in SINCE:
        return "is no setting of libpq: correct its name"
    return f"is known to libpq from {SINCE[word]} on only: leave it out" if SINCE[word] > libpq else None


def wrong_lines(settings: Mapping[str, str], libpq: int) -> Iterator[tuple[str, str]]:
    """Of each setting that would be read as another value than it has, its name and why."""
    longest = _LONG if libpq >= CHOOSES_STANDBYS else _SHORT
    for word, value in settings.items():
        # isprintable() is false of what ends a line, and of what some locale takes for a blank.
        if not value or value != value.strip() or not value.isprintable():
            yield word, "is empty, begins or ends with a blank, or has a line break or the like in it"
        elif len(f"{word}={value}".encode()) > longest:
            yield word, f"makes a line of more than the {longest} bytes that libpq {libpq} reads"
