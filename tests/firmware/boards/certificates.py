"""Certificates of a charger, made in no time: signed by nobody whom anybody must trust."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 12, 1, 4, 5, 6, tzinfo=UTC)
KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(ends: datetime, key: ec.EllipticCurvePrivateKey = KEY, name: str = "c1") -> str:
    """Return one as PEM."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, ends - timedelta(days=1), ends)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


OLD_ENDS, NEW_ENDS = NOW, NOW + timedelta(days=1461)
OLD, NEW = certificate(OLD_ENDS), certificate(NEW_ENDS)
OTHER_KEYS = certificate(NEW_ENDS, ec.generate_private_key(ec.SECP256R1()))
OTHER_NAMES = certificate(NEW_ENDS, name="c2")
BROKER_ENTRY = {"address": "1.2.3.4", "password": "secret", "ca_pem": "ca", "cert_pem": OLD, "key_pem": "key"}
"""What a charger that was provisioned with the old one keeps in NVS."""


def utc_ms(moment: datetime) -> int:
    """Return a moment as the bus has it."""
    return round(moment.timestamp() * 1000)
