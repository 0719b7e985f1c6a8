"""A site's own certificate authority, kept as files in a folder.

``ca.pem`` and ``ca.key`` sign everything; ``{name}.pem`` and ``{name}.key`` belong to one user of the broker. The
common name of a certificate is the user's name: Mosquitto takes it with ``use_identity_as_username``, so that nobody
can take another's place. The organisational unit is the user's role, from which the access list is made. Keys are
P-256. Every certificate that was ever signed stands in ``issued.jsonl`` (:mod:`agents.cli.pki.register`).
"""

import ipaddress
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agents.cli.pki import register
from agents.cli.whole_file import write_whole
from agents.runtime.mqtt.certificate import EXPIRES_SOON
from bus_schema import Role
from bus_schema.generate.acl import DEVICES, HEALTH_CHECK, reserved_users

CA = "ca"
"""Name of the authority's own files."""

CA_LASTS = timedelta(days=7305)
"""Twenty years: longer than a charger is in use."""

DEVICES_LAST = timedelta(days=1461)
"""Four years for chargers and meters: somebody has to go there."""

SERVERS_LAST = timedelta(days=731)
"""Two years for agents and servers."""

PEOPLE_LAST = timedelta(days=366)
"""A year for people, who come and go, and whose laptops get lost."""

BRIEFLY = timedelta(minutes=10)
"""For a certificate that this program makes for its own use."""

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
    role: str
    """What its user may do on the bus (:class:`bus_schema.Role`); empty for a server."""
    tells_role: bool = True
    """Whether the role stands in it; certificates of an earlier version tell none, and the name has to."""

    @property
    def server(self) -> bool:
        """Whether it belongs to a server and not to a user of the broker."""
        return bool(self.alternative_names)

    def is_due(self, now: datetime) -> bool:
        """Tell whether it should be renewed."""
        return self.ends - now < EXPIRES_SOON


def found(folder: Path, site: str, now: datetime) -> bool:
    """Make the authority of ``site`` unless it is there; return whether it was made.

    Raises :class:`PkiError` if only half of it is there.
    """
    certificate, key = folder / f"{CA}.pem", folder / f"{CA}.key"
    if certificate.exists() != key.exists():
        lost, there = (key, certificate) if certificate.exists() else (certificate, key)
        raise PkiError(_half_lost(lost, there.name))
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
    write_whole(key, _pem(private), 0o600)
    write_whole(certificate, built.public_bytes(serialization.Encoding.PEM), 0o644)
    return True


def _half_lost(lost: Path, there: str) -> str:
    return (
        f"{lost} is missing beside {there}: bring it back from the backup; a new authority would make every "
        "certificate of the site worthless"
    )


def issue(
    folder: Path, name: str, now: datetime, *, role: str = "", server_names: Iterable[str] = (), renew: bool = False
) -> Issued:
    """Give ``name`` a key and a certificate; with ``server_names`` for a server under these names and addresses.

    ``role`` is what a user may do; without it that is told by the name (:func:`usual_role`).

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
    if not names:
        if path.exists() and read(path).server:
            raise PkiError(f"{path} is a server's: renew it with `chargebus pki server HOST… --name {name} --renew`")
        role = role or usual_role(name)
    built, private = _sign(folder, name, role, names, now, _lasts(role))
    # The key first: a certificate without its key would look finished.
    replace_file(folder / f"{name}.key", _pem(private), 0o600)
    replace_file(path, built.public_bytes(serialization.Encoding.PEM), 0o644)
    return read(path)


def renew_same_key(folder: Path, name: str, now: datetime) -> Issued:
    """Sign the key of the user ``name`` again, in the place of its certificate; the key's file is not touched.

    Raises :class:`PkiError` like :func:`sign_same_key`.
    """
    path = folder / f"{name}.pem"
    built = sign_same_key(folder, name, now)
    replace_file(path, built.public_bytes(serialization.Encoding.PEM), 0o644)
    return read(path)


def sign_same_key(folder: Path, name: str, now: datetime) -> x509.Certificate:
    """Return a new certificate for the key of the user ``name``; the files of that name are not touched.

    The key need not be here: a charger keeps its own, and only the certificate has to reach it.

    Raises :class:`PkiError` if there is no certificate, if it is a server's or another authority's, or if the key
    that lies beside it is another one.
    """
    path = folder / f"{name}.pem"
    there = read(path)
    if there.server or name == CA:
        raise PkiError(f"{path} is not a user's certificate: only a user's key can be signed again")
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    public = certificate.public_key()
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise PkiError(f"{path} is not a certificate that 'chargebus pki issue' has made: its key is of another kind")
    try:
        certificate.verify_directly_issued_by(authority_of(folder)[0])
    except (ValueError, InvalidSignature):
        raise PkiError(f"{path} is of another authority than {folder / f'{CA}.pem'}: issue a new one") from None
    _check_key(folder / f"{name}.key", public, path)
    return _sign_key(public, folder, name, there.role, (), now, _lasts(there.role))


def _check_key(key: Path, public: ec.EllipticCurvePublicKey, certificate: Path) -> None:
    """Raise :class:`PkiError` if the file ``key`` is there and is not the key of ``certificate``."""
    try:
        private = serialization.load_pem_private_key(key.read_bytes(), None)
    except FileNotFoundError:
        return
    except (OSError, TypeError, ValueError) as error:
        raise PkiError(f"{key} cannot be read: {error}") from None
    if private.public_key() != public:
        raise PkiError(f"{key} is not the key of {certificate}: renew both, without --same-key")


def sign_briefly(folder: Path, name: str, now: datetime) -> tuple[bytes, bytes]:
    """Return a certificate of user ``name`` that lasts :data:`BRIEFLY`, and its key, for this program's own use.

    Raises :class:`PkiError`.
    """
    built, private = _sign(folder, name, usual_role(name), (), now, BRIEFLY)
    return built.public_bytes(serialization.Encoding.PEM), _pem(private)


def _sign(
    folder: Path, name: str, role: str, server_names: Sequence[str], now: datetime, lasts: timedelta
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Make a key and sign it."""
    private = ec.generate_private_key(ec.SECP256R1())
    return _sign_key(private.public_key(), folder, name, role, server_names, now, lasts), private


def _sign_key(
    public: ec.EllipticCurvePublicKey,
    folder: Path,
    name: str,
    role: str,
    server_names: Sequence[str],
    now: datetime,
    lasts: timedelta,
) -> x509.Certificate:
    authority, authority_key = authority_of(folder)
    usage = [ExtendedKeyUsageOID.SERVER_AUTH] if server_names else [ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = (
        _builder(_subject(name, role), authority.subject, public, now, lasts)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
    )
    if server_names:
        names = [_general(each) for each in server_names]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    built = builder.sign(authority_key, hashes.SHA256())
    if not (folder / register.FILE).exists():
        # Of an earlier version. What it has signed must be there to be revoked after it was renewed.
        there = [each for each in all_issued(folder) if each.name != CA]
        register.begin(folder, (register.Signed(each.name, each.serial, each.ends) for each in there))
    register.note(folder, name, built.serial_number, built.not_valid_after_utc)
    return built


def usual_role(name: str) -> str:
    """Return the role that a name tells: an agent's process its agent's, everybody else a charger's."""
    base, dash, number = name.rpartition("-")
    if name == HEALTH_CHECK or name in set(Role):
        return name
    return base if dash and number.isdigit() and name in reserved_users() else str(Role.CHARGER)


def _lasts(role: str) -> timedelta:
    if role == Role.TECHNICIAN:
        return PEOPLE_LAST
    return DEVICES_LAST if role in DEVICES else SERVERS_LAST


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
    units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    # Certificates of an earlier version have no role in them.
    role = str(units[0].value) if units else "" if alternative or path.stem == CA else usual_role(path.stem)
    serial, ends = certificate.serial_number, certificate.not_valid_after_utc
    return Issued(path.stem, path, serial, ends, alternative, role, tells_role=bool(units))


def all_issued(folder: Path) -> list[Issued]:
    """Return every certificate of the folder, the authority's first."""
    paths = sorted(folder.glob("*.pem"), key=lambda path: (path.stem != CA, path.stem))
    return [read(path) for path in paths]


def authority_of(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Return the site's authority. Raises :class:`PkiError` if it is missing or cannot be read."""
    try:
        certificate = x509.load_pem_x509_certificate((folder / f"{CA}.pem").read_bytes())
        key = serialization.load_pem_private_key((folder / f"{CA}.key").read_bytes(), None)
    except FileNotFoundError as error:
        if (folder / f"{CA}.pem").exists():
            raise PkiError(_half_lost(folder / f"{CA}.key", f"{CA}.pem")) from None
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


def _subject(name: str, role: str = "") -> x509.Name:
    unit = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, role)] if role else []
    return x509.Name([*unit, x509.NameAttribute(NameOID.COMMON_NAME, name)])


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


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def replace_file(path: Path, data: bytes, mode: int) -> None:
    """Write a file; one that was there keeps its owner and rights: its reader is a service with a user of its own."""
    old = path.stat() if path.exists() else None
    write_whole(path, data, mode if old is None else old.st_mode & 0o777)
    if old is not None and os.geteuid() == 0:
        os.chown(path, old.st_uid, old.st_gid)
