# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether a certificate will do, decided where it is signed: pure but for the parsing, which cryptography does."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._tls.names import (
    alternative_names,
    certificate_names,
    common_name,
)

CRYPTOGRAPHY_MISSING = False
try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError:
    CRYPTOGRAPHY_MISSING = True

_SPAN = re.compile(r"(\d+)\s*([wdhms])")
_SECONDS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def span(text: str) -> timedelta:
    """A time such as 30d or 12h."""
    found = _SPAN.fullmatch(str(text).strip())
    if not found:
        raise Refused(f"'{text}' is no span of time: give a number and a unit of w, d, h, m or s, such as 30d.")
    return timedelta(seconds=int(found[1]) * _SECONDS[found[2]])


@dataclass(frozen=True)
class Verdict:
    """What has to be done about a node's certificate, and until when a new one may last."""

    why: tuple[str, ...] = ()
    until: datetime | None = None
    refusal: str | None = None
    warnings: tuple[str, ...] = field(default=())

    def told(self) -> dict[str, Any]:
        return {
            "why": list(self.why),
            "not_after": None if self.until is None else self.until.strftime("%Y%m%d%H%M%SZ"),
            "refusal": self.refusal,
            "warnings": list(self.warnings),
        }


def judge(node: Mapping[str, Any], wanted: Mapping[str, Any], now: datetime) -> Verdict:
    """Whether the node's certificate is what it should be, and why not; the first of the authorities is who signs."""
    subject, names = common_name(wanted["common_name"]), certificate_names(wanted["names"])
    renew_before, valid_for = span(wanted["renew_before"]), span(wanted["valid_for"])
    if renew_before >= valid_for:
        raise Refused(
            f"Certificates would be renewed {wanted['renew_before']} before they end and last {wanted['valid_for']}: "
            "let them last longer than that."
        )
    authorities = certificates(wanted["authorities"])
    if not authorities:
        # It is made by the run, which so far is only foreseen.
        return Verdict(("its authority is new",), now + valid_for)
    ends = _ends(authorities[0])
    why = _why(node, subject, names, authorities, now + renew_before)
    refusal = _refusal(node, subject, names) if why else None
    if why and ends < now + 2 * renew_before:
        refusal = (
            f"The authority in {wanted['place']} ends on {ends:%Y-%m-%d}, too soon to sign for longer: rename its "
            "ca.crt to previous.crt, move its ca.key away and run this twice: first to have the new one trusted."
        )
    return Verdict(tuple(why), min(now + valid_for, ends), refusal, tuple(_foresight(ends, now, wanted)))


def _foresight(ends: datetime, now: datetime, wanted: Mapping[str, Any]) -> list[str]:
    if ends - now > span(wanted["valid_for"]):
        return []
    told = f"The authority in {wanted['place']} ends on {ends:%Y-%m-%d}, and no certificate of it lasts longer"
    return [f"{told}: plan its replacement, which the role's README describes."]


def _why(
    node: Mapping[str, Any], subject: str, names: Sequence[str], authorities: Sequence[Any], horizon: datetime
) -> list[str]:
    found = certificates(node.get("certificate"))
    if not found:
        return ["it has none"]
    own = found[0]
    why = []
    if node.get("public_key") != public_key(own.public_key()):
        why.append("it is not of the node's key")
    if _common_name(own.subject) != subject:
        why.append(f"it is not for {subject}")
    if set(_names(own)) != set(names):
        why.append(f"its names are {', '.join(_names(own)) or 'none'} and should be {', '.join(names)}")
    if not _serves_both_ends(own):
        why.append("it is not for servers and clients alike")
    if _ends(own) < horizon:
        why.append(f"it ends on {_ends(own):%Y-%m-%d}")
    if not signed_by(own, authorities[0]) and not _may_stay(own, node, authorities):
        why.append("another authority signed it")
    return why


def _may_stay(own: Any, node: Mapping[str, Any], authorities: Sequence[Any]) -> bool:
    """While an authority is replaced: first all nodes get to know the new one, and only then its certificates come."""
    known = certificates(node.get("authorities"))
    return authorities[0] not in known and any(signed_by(own, each) for each in authorities[1:])


def _refusal(node: Mapping[str, Any], subject: str, names: Sequence[str]) -> str | None:
    """A node may ask for its own names only, and never to be an authority."""
    if not node.get("request"):
        return None
    request = x509.load_pem_x509_csr(node["request"].encode())
    authority = any(
        extension.value.ca for extension in request.extensions if isinstance(extension.value, x509.BasicConstraints)
    )
    fits = (
        request.is_signature_valid
        and public_key(request.public_key()) == node.get("public_key")
        and request.subject.rdns == x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]).rdns
        and set(_names(request)) == set(names)
    )
    if fits and not authority:
        return None
    return f"The request that {subject} sent is not for {subject} and {', '.join(names)}: look who changed that host."


def certificates(text: str | None) -> list[Any]:
    """Those of a text that can be read; what cannot is as good as missing."""
    found = []
    for pem in _PEM.findall(text or ""):
        try:
            found.append(x509.load_pem_x509_certificate(pem.encode()))
        except ValueError:
            continue
    return found


def public_key(key: Any) -> str:
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(key.public_bytes(serialization.Encoding.DER, kind)).hexdigest()


def _common_name(name: Any) -> str | None:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if len(found) == 1 else None


def _names(holder: Any) -> tuple[str, ...]:
    try:
        value = holder.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(f"{_kind(each)}:{each.value}" for each in value)


def _kind(name: Any) -> str:
    if isinstance(name, x509.DNSName):
        return "DNS"
    return "IP" if isinstance(name, x509.IPAddress) else type(name).__name__


def _serves_both_ends(certificate: Any) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH} <= set(usage)


def _ends(certificate: Any) -> datetime:
    if hasattr(certificate, "not_valid_after_utc"):
        return certificate.not_valid_after_utc  # type: ignore[no-any-return]
    naive: datetime = certificate.not_valid_after
    return naive.replace(tzinfo=timezone.utc)


def signed_by(certificate: Any, authority: Any) -> bool:
    if certificate.issuer != authority.subject:
        return False
    key, content = authority.public_key(), certificate.tbs_certificate_bytes
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(certificate.signature, content, padding.PKCS1v15(), certificate.signature_hash_algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(certificate.signature, content, ec.ECDSA(certificate.signature_hash_algorithm))
        else:
            key.verify(certificate.signature, content)
    except InvalidSignature:
        return False
    return True


def judge_own(given: Mapping[str, Any], now: datetime) -> Verdict:
    """Files that somebody brought along: whether they fit together."""
    chain, authorities = certificates(given["certificate"]), certificates(given["authorities"])
    if not chain or not authorities:
        what = "certificate" if not chain else "authority"
        return Verdict(refusal=f"No {what} can be read from the files given: give them in PEM.")
    try:
        key = serialization.load_pem_private_key(given["key"].encode(), password=None)
    except (TypeError, ValueError):
        return Verdict(refusal="The key given is no private key without a passphrase in PEM: give one.")
    if public_key(key.public_key()) != public_key(chain[0].public_key()):
        return Verdict(refusal="The certificate given is not of the key given: give those that belong together.")
    if _ends(chain[0]) <= now:
        return Verdict(refusal=f"The certificate given ended on {_ends(chain[0]):%Y-%m-%d}: give a newer one.")
    if not _leads_to(chain, authorities):
        return Verdict(refusal="The authorities given did not sign the certificate given: give the right ones.")
    return Verdict(warnings=tuple(_own_warnings(chain[0], given, now)))


def _leads_to(chain: Sequence[Any], authorities: Sequence[Any]) -> bool:
    for own, above in zip(chain, [*chain[1:], None]):
        if any(signed_by(own, each) for each in authorities):
            return True
        if above is None or not signed_by(own, above):
            return False
    return False


def _own_warnings(own: Any, given: Mapping[str, Any], now: datetime) -> list[str]:
    told = []
    if _ends(own) < now + span(given["renew_before"]):
        told.append(f"The certificate given for {given['common_name']} ends on {_ends(own):%Y-%m-%d}: renew it.")
    missing = [name for name in alternative_names(given["names"]) if name not in _names(own)]
    if missing:
        told.append(
            f"The certificate given for {given['common_name']} does not carry {', '.join(missing)}: "
            "who connects by that name with verify-full is refused."
        )
    return told
