"""A site's own certificate authority, kept as files in a folder.

``ca.pem`` and ``ca.key`` sign everything; ``{name}.pem`` and ``{name}.key`` belong to one user of the broker. The
common name of a certificate is the user's name: Mosquitto takes it with ``use_identity_as_username``, so that nobody
can take another's place. Keys are P-256.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agents.cli.whole_file import write_whole

CA = "ca"
"""Name of the authority's own files."""

CA_LASTS = timedelta(days=7305)
"""Twenty years: longer than a charger is in use."""

LASTS = timedelta(days=1461)
"""Four years for everybody else. ``status`` warns from :data:`RENEW_BEFORE` on."""

RENEW_BEFORE = timedelta(days=90)

CLOCKS_DIFFER = timedelta(hours=24)
"""A certificate holds from so long ago: the clock of a charger without network time may be behind."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class PkiError(Exception):
    """Something about the folder or a name is wrong; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate as it lies in the folder."""

    name: str
    path: Path
    serial: int
    ends: datetime
    alternative_names: tuple[str, ...]
    server: bool

    def is_due(self, now: datetime) -> bool:
        """Tell whether it should be renewed."""
        return self.ends - now < RENEW_BEFORE


def found(folder: Path, site: str, now: datetime) -> bool:
    """Make the authority of ``site`` unless it is there; return whether it was made.

    Raises :class:`PkiError` if only half of it is there.
    """
    certificate, key = folder / f"{CA}.pem", folder / f"{CA}.key"
    if certificate.exists() != key.exists():
        lost = key if certificate.exists() else certificate
        raise PkiError(f"{lost} is missing beside {certificate.name if lost == key else key.name}: bring it back from "
                       "the backup; a new authority would make every certificate of the site worthless")  # fmt: skip
    if certificate.exists():
        return False
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    private = ec.generate_private_key(ec.SECP256R1())
    name = _subject(f"chargebus {site}")
    built = (
        _builder(name, name, private.public_key(), now, CA_LASTS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(private, hashes.SHA256())
    )
    _write_key(key, private)
    write_whole(certificate, built.public_bytes(serialization.Encoding.PEM), 0o644)
    return True


def issue(folder: Path, name: str, now: datetime, *, server_names: Iterable[str] = (), renew: bool = False) -> Issued:
    """Give ``name`` a key and a certificate; with ``server_names`` for a server under these names and addresses.

    An existing one is kept unless ``renew``, which makes a new key too. Raises :class:`PkiError`.
    """
    if name == CA or not _NAME.fullmatch(name):
        raise PkiError(f"{name!r} is no name for a certificate: use a-z, 0-9, dot, dash and underscore, but not 'ca'")
    path = folder / f"{name}.pem"
    names = tuple(server_names)
    if path.exists() and not renew:
        there = read(path)
        if names and set(names) != set(there.alternative_names):
            raise PkiError(
                f"{path} is for {', '.join(there.alternative_names) or 'no server'}: use --renew to change it"
            )
        return there
    authority, authority_key = _authority(folder)
    private = ec.generate_private_key(ec.SECP256R1())
    usage = [ExtendedKeyUsageOID.SERVER_AUTH] if names else [ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = (
        _builder(_subject(name), authority.subject, private.public_key(), now, LASTS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(each) for each in names]), critical=False)
    built = builder.sign(authority_key, hashes.SHA256())
    # The key first: a certificate without its key would look finished.
    _write_key(folder / f"{name}.key", private)
    write_whole(path, built.public_bytes(serialization.Encoding.PEM), 0o644)
    return read(path)


def read(path: Path) -> Issued:
    """Return what a certificate says. Raises :class:`PkiError` for a file that is none."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise PkiError(f"{path} is no certificate that can be read: {error}") from None
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        alternative = tuple(str(each.value) for each in names)
    except x509.ExtensionNotFound:
        alternative = ()
    return Issued(
        path.stem, path, certificate.serial_number, certificate.not_valid_after_utc, alternative, bool(alternative)
    )


def all_issued(folder: Path) -> list[Issued]:
    """Return every certificate of the folder, the authority's first."""
    paths = sorted(folder.glob("*.pem"), key=lambda path: (path.stem != CA, path.stem))
    return [read(path) for path in paths]


def _authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        certificate = x509.load_pem_x509_certificate((folder / f"{CA}.pem").read_bytes())
        key = serialization.load_pem_private_key((folder / f"{CA}.key").read_bytes(), None)
    except FileNotFoundError as error:
        raise PkiError(f"{error.filename} is missing: run 'chargebus pki init' first") from None
    except (OSError, ValueError) as error:
        raise PkiError(f"the authority in {folder} cannot be read: {error}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise PkiError(f"{folder / f'{CA}.key'} is not a key that 'chargebus pki init' has made")
    return certificate, key


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime, lasts: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - CLOCKS_DIFFER)
        .not_valid_after(now.astimezone(UTC) + lasts)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_whole(path, pem, 0o600)
