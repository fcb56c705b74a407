"""What people see at the issuer's address: its certificate, and whether a proxy is in front that does its part."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import urlsplit

import httpx
from cryptography import x509

from creditlink.cli.doctor.findings import DoctorFinding, error, warning
from creditlink.kit.settings import Settings

_SECONDS = 5.0
_DAYS = 21


def look_from_outside(settings: Settings, now: datetime) -> Iterator[DoctorFinding]:
    """Yield what is wrong with the certificate and the proxy; an issuer without TLS (a sandbox's) is not asked.

    Trusted are the roots of the system, or those of `SSL_CERT_FILE`.
    """
    parts = urlsplit(settings.issuer)
    if parts.scheme != "https" or not parts.hostname:
        return
    try:
        certificate = _certificate(parts.hostname, parts.port or 443)
    except ssl.SSLError as fault:
        why = getattr(fault, "verify_message", "") or fault.reason or "no TLS"
        yield error(
            "certificate", f"{settings.issuer}: {why}", "renew the certificate at the proxy, or correct its chain"
        )
        return
    except OSError as fault:
        yield warning("issuer_unseen", f"{settings.issuer} cannot be reached from here: {fault.strerror or fault}",
                      "run this where the issuer's address leads to the proxy")  # fmt: skip
        return
    days = (certificate.not_valid_after_utc - now).days
    if days < _DAYS:
        yield warning("certificate", f"the certificate of {settings.issuer} ends in {days} days",
                      "renew the certificate at the proxy")  # fmt: skip
    yield from _proxy(settings.issuer)


def _certificate(host: str, port: int) -> x509.Certificate:
    with (
        socket.create_connection((host, port), timeout=_SECONDS) as plain,
        ssl.create_default_context().wrap_socket(plain, server_hostname=host) as wire,
    ):
        return x509.load_der_x509_certificate(wire.getpeercert(binary_form=True) or b"")


def _proxy(issuer: str) -> Iterator[DoctorFinding]:
    try:
        with httpx.Client(
            base_url=issuer, timeout=_SECONDS, trust_env=False, verify=ssl.create_default_context()
        ) as http:
            live, metrics = http.get("/health/live"), http.get("/metrics")
    except httpx.HTTPError as fault:
        yield error("issuer", f"{issuer} does not answer: {type(fault).__name__}", "start the API behind the proxy: "
                    "creditlink run")  # fmt: skip
        return
    if live.status_code != 200:
        yield error("issuer", f"{issuer}/health/live answers {live.status_code}", "start the API behind the proxy: "
                    "creditlink run")  # fmt: skip
    if "strict-transport-security" not in live.headers:
        yield warning("hsts", f"{issuer} sends no Strict-Transport-Security", "add the header at the proxy, as "
                      "deploy/nginx/nginx.conf does")  # fmt: skip
    if metrics.status_code != 404:
        yield warning("metrics_outside", f"{issuer}/metrics answers {metrics.status_code} to everybody: the proxy "
                      "hands it on", "answer 404 at the proxy, as deploy/nginx/nginx.conf does")  # fmt: skip
