"""Keys, requests and certificates, made in the test."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ansible_collections.runbook.postgres.plugins.module_utils._tls.judge import public_key

NOW = datetime(2030, 6, 1, tzinfo=timezone.utc)
NAMES = ("pg1", "10.0.0.1")
Key = ec.EllipticCurvePrivateKey


def key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def alternative(names: Sequence[str]) -> x509.SubjectAlternativeName:
    numbers = [each for each in names if each[0].isdigit()]
    # Addresses are there as host names too.
    others: list[x509.GeneralName] = [x509.DNSName(each) for each in names]
    return x509.SubjectAlternativeName([*others, *(x509.IPAddress(ipaddress.ip_address(each)) for each in numbers)])


def pem(certificate: x509.Certificate | x509.CertificateSigningRequest) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def private_pem(private: Key) -> str:
    encryption = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    return private.private_bytes(serialization.Encoding.PEM, form, encryption).decode()


@dataclass(frozen=True)
class Authority:
    subject: str
    private: Key
    days: int = 3650

    @property
    def certificate(self) -> x509.Certificate:
        return self.sign(self.subject, self.private, (), days=self.days, authority=True)

    @property
    def text(self) -> str:
        return pem(self.certificate)

    def sign(
        self,
        subject: str,
        private: Key,
        names: Sequence[str] = NAMES,
        *,
        days: float = 300,
        authority: bool = False,
        client: bool = True,
    ) -> x509.Certificate:
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, *([ExtendedKeyUsageOID.CLIENT_AUTH] if client else [])]
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name(self.subject))
            .public_key(private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=4000))
            .not_valid_after(NOW + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(alternative(names), critical=False)
        if not authority:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        return builder.sign(self.private, hashes.SHA256())


def request(private: Key, subject: str = "pg1", names: Sequence[str] = NAMES, *, authority: bool = False) -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(name(subject))
    builder = builder.add_extension(alternative(names), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    return pem(builder.sign(private, hashes.SHA256()))


def node(private: Key, certificate: x509.Certificate | None, authorities: str = "", **other: Any) -> dict[str, Any]:
    return {
        "public_key": public_key(private.public_key()),
        "request": request(private),
        "certificate": None if certificate is None else pem(certificate),
        "authorities": authorities,
        **other,
    }


def wanted(authorities: str, **other: Any) -> dict[str, Any]:
    return {
        "common_name": "pg1",
        "names": list(NAMES),
        "authorities": authorities,
        "renew_before": "30d",
        "valid_for": "397d",
        "place": "/ca",
        **other,
    }
