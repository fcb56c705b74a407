"""An authority of the tests' own, and the certificates that it issues: for TLS and mutual TLS over real sockets."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """Issues certificates; its root is `root`, a PEM file in the folder."""

    def __init__(self, folder: Path, name: str = "CreditLink tests") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        self._certificate = self._issued(self._name, self._key.public_key(), days=2, is_authority=True)
        self.root = folder / "root.pem"
        self.root.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def trusting(self, certificate: Sequence[Path] = ()) -> ssl.SSLContext:
        """Return what a client needs that trusts this authority, and shows a certificate (with its key)."""
        context = ssl.create_default_context(cafile=str(self.root))
        if certificate:
            context.load_cert_chain(*certificate)
        return context

    def issue(self, name: str, *, days: float = 1) -> tuple[Path, Path]:
        """Return the files of a certificate and its key; with negative days it has ended already."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._issued(_named(name), key.public_key(), days=days)
        files = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return files

    def _issued(self, subject, public_key, *, days, is_authority=False):
        now = datetime.now(UTC)
        ends = now + timedelta(days=days)
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        own = x509.SubjectKeyIdentifier.from_public_key(public_key)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(now, ends) - timedelta(hours=1))
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost"), address]), critical=False)
            .add_extension(own, critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
