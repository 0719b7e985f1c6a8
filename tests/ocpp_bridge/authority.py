"""A certification authority for tests."""

from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


class Authority:
    """Issues certificates that are valid for a year around a moment."""

    def __init__(self, now_ms: int, name: str = "Test root") -> None:
        self.now = datetime.fromtimestamp(now_ms / 1000, UTC)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.root = self._certificate(self.name, self.key.public_key(), ca=True)
        self.root_pem = pem(self.root)

    def _certificate(self, subject: x509.Name, key: Any, *, ca: bool = False, days: int = 365, names: Any = ()) -> Any:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now - timedelta(days=400))
            .not_valid_after(self.now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            # RFC 5280 demands these two and, of an authority, the third; Python 3.13 insists.
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )
        if ca:
            builder = builder.add_extension(SIGNS_CERTIFICATES, critical=True)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(list(names)), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, common_name: str, *, days: int = 365, names: Any = ()) -> tuple[Any, str]:
        """Return a new key and its certificate (PEM)."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        return key, pem(self._certificate(subject, key.public_key(), days=days, names=names))

    def subordinate(self, name: str, *, ca: bool) -> "Authority":
        """Return an authority whose certificate this one has issued, and whether that lets it issue others."""
        other = Authority(round(self.now.timestamp() * 1000), name)
        other.root = self._certificate(other.name, other.key.public_key(), ca=ca)
        other.root_pem = pem(other.root)
        return other

    def sign(self, request_pem: str, *, days: int = 365) -> str:
        """Sign a request (PEM)."""
        request = x509.load_pem_x509_csr(request_pem.encode())
        return pem(self._certificate(request.subject, request.public_key(), days=days))


def pem(certificate: Any) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def key_pem(key: Any) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
