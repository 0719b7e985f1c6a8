"""The new certificate of a charger until it is known which one the charger uses: ``c1.pem.new`` beside ``c1.pem``.

``c1.pem`` is always the one that the charger was last known to use. That decides which one is superseded: were the
other one revoked, the charger would be shut out.
"""

from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from agents.cli.pki.authority import Issued, PkiError, read, replace_file, sign_same_key
from agents.cli.pki.revocation import revoked_serials
from bus_schema import Role

SUFFIX = ".new"


def waiting_path(folder: Path, name: str) -> Path:
    """Return where the new certificate of ``name`` waits."""
    return folder / f"{name}.pem{SUFFIX}"


def waiting(folder: Path, name: str) -> Issued | None:
    """Return the new certificate of an attempt whose end is not known, None if there is none.

    One for another key than that of the certificate in use is of an earlier life of the charger, and does not count.
    Raises :class:`PkiError`.
    """
    path = waiting_path(folder, name)
    if not path.exists() or _public_key(path) != _public_key(folder / f"{name}.pem"):
        return None
    return read(path)


def prepare(folder: Path, name: str, now: datetime) -> Issued:
    """Sign the key of charger ``name`` again, for a time from ``now``, and let the certificate wait.

    Raises :class:`PkiError`.
    """
    path = folder / f"{name}.pem"
    there = read(path)
    if there.serial in revoked_serials(folder):
        raise PkiError(f"the certificate of {name!r} is revoked: give it a new key (chargebus pki issue, provision)")
    if there.role != Role.CHARGER:
        raise PkiError(f"{path} is not a charger's certificate: chargebus pki renew {name}")
    if not there.tells_role:
        raise PkiError(
            f"{path} was made by an earlier version, with another subject, which the charger would refuse: renew it at "
            f"the charger's cable (chargebus pki renew {name} --same-key, chargebus provision)"
        )
    built = sign_same_key(folder, name, now)
    replace_file(waiting_path(folder, name), built.public_bytes(serialization.Encoding.PEM), 0o644)
    return read(waiting_path(folder, name))


def adopt(folder: Path, name: str) -> None:
    """Put the new certificate in the place of the old one: the charger uses it. Raises :class:`OSError`."""
    path = folder / f"{name}.pem"
    replace_file(path, waiting_path(folder, name).read_bytes(), 0o644)
    drop(folder, name)


def drop(folder: Path, name: str) -> None:
    """Take the new certificate away. Raises :class:`OSError`."""
    waiting_path(folder, name).unlink(missing_ok=True)


def _public_key(path: Path) -> bytes:
    try:
        public = x509.load_pem_x509_certificate(path.read_bytes()).public_key()
    except (OSError, ValueError) as error:
        raise PkiError(f"{path} is no certificate that can be read: {error}") from None
    return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
