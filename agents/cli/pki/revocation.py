"""The list of revoked certificates: ``revoked.crl`` in the authority's folder, which is also the record of them."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from agents.cli.pki.authority import CLOCKS_DIFFER, PkiError, authority_of, read
from agents.cli.pki.register import UnreadableRegister, signed
from agents.cli.whole_file import write_whole

FILE = "revoked.crl"
"""Name of the list in the authority's folder, and in the broker's."""


def revoked_serials(folder: Path) -> frozenset[int]:
    """Return the serial numbers of all revoked certificates. Raises :class:`PkiError` if the list is damaged."""
    crl = _list(folder)
    return frozenset() if crl is None else frozenset(each.serial_number for each in crl)


def serials_of(folder: Path, names: Iterable[str], now: datetime) -> frozenset[int]:
    """Return the serial numbers of every certificate of these names that has not run out, renewed ones too.

    Raises :class:`PkiError`.
    """
    wanted = set(names)
    try:
        found = {each.serial for each in signed(folder) if each.name in wanted and each.ends > now}
    except UnreadableRegister as error:
        raise PkiError(str(error)) from None
    # A folder of an earlier version has no register.
    return frozenset(found | {read(path).serial for path in folder.glob("*.pem") if path.stem in wanted})


def revoke(folder: Path, serials: Iterable[int], now: datetime) -> None:
    """Put certificates on the list; with none, make the list if it is not there.

    Raises :class:`PkiError` if authority or list cannot be read, :class:`OSError`.
    """
    authority, key = authority_of(folder)
    crl = _list(folder)
    entries = {} if crl is None else {each.serial_number: each for each in crl}
    new = frozenset(serials) - entries.keys()
    if crl is not None and not new:
        return
    # A broker whose clock is behind must not refuse everybody because the list is of tomorrow; of two lists OpenSSL
    # takes the one with the later date.
    made = now.astimezone(UTC) - CLOCKS_DIFFER
    if crl is not None:
        made = max(made, crl.last_update_utc + timedelta(seconds=1))
    # A list that has run out would shut out everybody: it lasts as long as the authority.
    builder = x509.CertificateRevocationListBuilder(authority.subject, made, authority.not_valid_after_utc)
    for entry in entries.values():
        builder = builder.add_revoked_certificate(entry)
    for serial in sorted(new):
        entry = x509.RevokedCertificateBuilder(serial, now.astimezone(UTC)).build()
        builder = builder.add_revoked_certificate(entry)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    write_whole(folder / FILE, pem, 0o644)


def _list(folder: Path) -> x509.CertificateRevocationList | None:
    path = folder / FILE
    if not path.exists():
        return None
    try:
        return x509.load_pem_x509_crl(path.read_bytes())
    except (OSError, ValueError) as error:
        raise PkiError(f"{path} cannot be read ({error}): bring it back from the backup; without it every revoked "
                       f"certificate would be let in again. Move it away to begin a new one") from None  # fmt: skip
