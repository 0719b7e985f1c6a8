"""A client's own certificate: what is wrong with its files, and how long it is valid.

What is wrong is said in words before the broker is asked: with TLS 1.3 a client whose certificate is refused learns no
more than that its connection has ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from agents.runtime.mqtt.options import MqttOptions

if TYPE_CHECKING:
    from cryptography import x509

EXPIRES_SOON = timedelta(days=30)
"""So long before its end an alarm says that a certificate must be renewed."""


class UnusableCertificate(Exception):
    """The files of a client's identity cannot be used; the text says which, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Validity:
    """From when to when a certificate holds, in UTC."""

    begins: datetime
    ends: datetime

    def problem(self, now: datetime) -> str | None:
        """Say why it does not hold at ``now``, None if it does."""
        if now < self.begins:
            return (
                f"the certificate is not valid before {self.begins:%Y-%m-%d %H:%M} UTC and this computer's clock says "
                f"{now.astimezone(UTC):%Y-%m-%d %H:%M}: the clock is wrong; set it, or let it be set (NTP)"
            )
        if now > self.ends:
            return (
                f"the certificate ended on {self.ends:%Y-%m-%d %H:%M} UTC and this computer's clock says "
                f"{now.astimezone(UTC):%Y-%m-%d %H:%M}: renew it (chargebus pki renew), or set the clock"
            )
        return None


def read_validity(path: Path) -> Validity:
    """Return how long a certificate is valid. Raises :class:`UnusableCertificate`."""
    certificate = _certificate(path, "cert_file")
    return Validity(certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def check_identity(options: MqttOptions) -> None:
    """Check the files that ``options`` names, without asking the broker and without looking at the time.

    Raises :class:`UnusableCertificate` for a file that is missing, unreadable, damaged or of the wrong kind, a key that
    is encrypted or of another certificate, and a certificate of another user or usage. Whether the broker knows its
    authority only the broker can tell.
    """
    if options.ca_file is not None:
        _certificate(options.ca_file, "ca_file")
    if options.cert_file is None:
        return
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509.oid import NameOID

    certificate = _certificate(options.cert_file, "cert_file")
    key_file = options.key_file or options.cert_file
    try:
        key = load_pem_private_key(_bytes(key_file, "key_file"), None)
    except TypeError:
        raise UnusableCertificate(
            f"key_file {key_file} is encrypted: nobody is there to type its password when an agent starts; store it "
            f"decrypted, readable for the agent only (openssl pkey -in {key_file.name} -out …)"
        ) from None
    except ValueError as error:
        raise UnusableCertificate(f"key_file {key_file} is no private key in PEM form: {error}") from None
    if key.public_key() != certificate.public_key():
        raise UnusableCertificate(
            f"key_file {key_file} is not the key of {options.cert_file}: both come from one `chargebus pki issue NAME`"
        )
    if not _is_for_clients(certificate):
        raise UnusableCertificate(
            f"cert_file {options.cert_file} is a server's certificate: issue one for a user (chargebus pki issue)"
        )
    names = [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if options.username is not None and options.password is None and names != [options.username]:
        raise UnusableCertificate(
            f"cert_file {options.cert_file} is of user {', '.join(names) or 'nobody'}, not of {options.username}: "
            "at the broker it would have another's rights"
        )


def _is_for_clients(certificate: x509.Certificate) -> bool:
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.CLIENT_AUTH in usage


def _certificate(path: Path, setting: str) -> x509.Certificate:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(_bytes(path, setting))
    except ValueError as error:
        raise UnusableCertificate(f"{setting} {path} is no certificate in PEM form: {error}") from None


def _bytes(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnusableCertificate(f"{setting} {path} cannot be read: {error.strerror}") from None
