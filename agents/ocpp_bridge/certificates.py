"""X.509 as OCPP's security whitepaper uses it: requests, chains, hashes, signatures. Pure, with ``cryptography``."""

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

MAX_CHAIN = 8
"""Longest chain of certificates that is followed."""

_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "SHA256": hashes.SHA256,
    "SHA384": hashes.SHA384,
    "SHA512": hashes.SHA512,
}


class BadCertificate(ValueError):
    """A certificate or chain that cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class CertificateHash:
    """What names a certificate in OCPP (CertificateHashDataType)."""

    algorithm: str
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str


def request_certificate(common_name: str, organization: str) -> tuple[str, str]:
    """Return a new private key (P-256) and the request to sign it, both PEM.

    The charge point's identity is the common name, the operator the organization (whitepaper, 3.5: CpoName).
    """
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])]
    if organization:
        names.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization[:64]))
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names)).sign(key, hashes.SHA256())
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return key_pem.decode(), request.public_bytes(serialization.Encoding.PEM).decode()


def read_chain(pem: str) -> list[x509.Certificate]:
    """Return the certificates of a PEM text, the leaf first. Raises :class:`BadCertificate`."""
    try:
        chain = x509.load_pem_x509_certificates(pem.encode("ascii"))
    except (ValueError, UnicodeEncodeError):
        raise BadCertificate("not a certificate in PEM") from None
    if len(chain) > MAX_CHAIN:
        raise BadCertificate(f"a chain of {len(chain)} certificates; at most {MAX_CHAIN} are followed")
    return chain


def check_validity(certificate: x509.Certificate, now_ms: int) -> None:
    """Raise :class:`BadCertificate` unless ``certificate`` is valid now."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    if now < certificate.not_valid_before_utc:
        raise BadCertificate(f"not valid before {certificate.not_valid_before_utc:%Y-%m-%d}")
    if now > certificate.not_valid_after_utc:
        raise BadCertificate(f"expired on {certificate.not_valid_after_utc:%Y-%m-%d}")


def check_chain(chain: Sequence[x509.Certificate], roots: Iterable[x509.Certificate], now_ms: int) -> None:
    """Raise :class:`BadCertificate` unless ``chain`` leads from its leaf to one of ``roots``, all of them valid now."""
    trusted = list(roots)
    for place, certificate in enumerate(chain):
        check_validity(certificate, now_ms)
        if place and not _may_issue(certificate):
            raise BadCertificate("an issuer in the chain is no certification authority")
        for root in trusted:
            if certificate == root or _issued_by(certificate, root):
                check_validity(root, now_ms)
                return
        if place + 1 < len(chain) and not _issued_by(certificate, chain[place + 1]):
            raise BadCertificate("the chain is broken: a certificate is not signed by the next one")
    raise BadCertificate("it leads to no root certificate that is installed here")


def _issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _may_issue(certificate: x509.Certificate) -> bool:
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except x509.ExtensionNotFound:
        return False


def belongs_to(certificate: x509.Certificate, key_pem: str) -> bool:
    """Tell whether ``certificate`` is for this private key."""
    key = serialization.load_pem_private_key(key_pem.encode(), None)
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return certificate.public_key().public_bytes(*form) == key.public_key().public_bytes(*form)


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of a certificate in hexadecimal digits."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def hash_of(certificate: x509.Certificate, issuers: Iterable[x509.Certificate], algorithm: str) -> CertificateHash:
    """Return the hashes that name a certificate (RFC 6960, 4.1.1); an unknown issuer is taken to be itself."""
    issuer = next((each for each in issuers if _issued_by(certificate, each)), certificate)
    key = issuer.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return CertificateHash(
        algorithm,
        _digest(certificate.issuer.public_bytes(), algorithm),
        _digest(_bit_string(key), algorithm),
        f"{certificate.serial_number:x}",
    )


def _digest(data: bytes, algorithm: str) -> str:
    digest = hashes.Hash(_HASHES[algorithm]())
    digest.update(data)
    return digest.finalize().hex()


def _bit_string(public_key_info: bytes) -> bytes:
    """Return the key's bits within a SubjectPublicKeyInfo: OCSP hashes them without algorithm, tag, length, padding."""
    _, start, _ = _element(public_key_info, 0)
    _, _, after_algorithm = _element(public_key_info, start)
    _, start, end = _element(public_key_info, after_algorithm)
    return public_key_info[start + 1 : end]


def _element(data: bytes, at: int) -> tuple[int, int, int]:
    """Return tag, start and end of the content of the DER element at ``at``."""
    length, start = data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, start = int.from_bytes(data[start : start + size]), start + size
    return data[at], start, start + length


def check_signature(certificate: x509.Certificate, signature: str, data: bytes) -> None:
    """Raise :class:`BadCertificate` unless ``signature`` (base64) is the certificate's over ``data``.

    RSA-PSS or ECDSA with SHA-256 (whitepaper, 3.8).
    """
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        raise BadCertificate("the signature is not base64") from None
    key = certificate.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            scheme = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)
            key.verify(raw, data, scheme, hashes.SHA256())
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(raw, data, ec.ECDSA(hashes.SHA256()))
        else:
            raise BadCertificate("the signing key is neither RSA nor ECDSA")
    except InvalidSignature:
        raise BadCertificate("the signature does not fit the file") from None
