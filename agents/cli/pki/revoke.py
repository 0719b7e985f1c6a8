"""Shuts a user out of the running broker: its certificates on the list, its rights gone, its connection ended.

Three things, because none is enough. The list of revoked certificates keeps new connections out, but Mosquitto keeps
those that are open. The access list without the user takes every right from an open one. Ending it needs the client
id, which is the user's name: a certificate of that name that is good for some minutes takes the connection over, with
a clean session, so that nothing waits for the old one any more.
"""

import ssl
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agents.cli.pki.authority import CA, PkiError, all_issued, read, sign_briefly
from agents.cli.pki.broker_door import Answer, knock
from agents.cli.pki.renewal import waiting, waiting_path
from agents.cli.pki.revocation import revoke, revoked_serials, serials_of
from bus_schema import Role
from bus_schema.generate.acl import person_users

RETIRED = "revoked"
"""Folder of the certificates that were revoked; their keys are deleted."""

WITHIN_S = 5.0
"""A revoked certificate is out after so long."""

_POLL_S = 0.1


@dataclass(frozen=True)
class Door:
    """Where the broker lets people in."""

    host: str
    port: int


def users_of(folder: Path, name: str) -> list[str]:
    """Return the users that a name stands for: with a person, all that it has.

    Raises :class:`PkiError` if nothing was ever issued to it.
    """
    issued = {each.name: each for each in all_issued(folder)}
    further = [user.name for user in person_users(name)[1:]] if _is_person(issued.get(name)) else []
    return [name, *(each for each in further if each in issued)]


def _is_person(issued: object) -> bool:
    return getattr(issued, "role", "") == Role.TECHNICIAN


def list_users(folder: Path, users: Sequence[str], now: datetime) -> int:
    """Revoke every certificate of ``users`` and put its files away; return how many there were.

    The keys stay until :func:`forget_keys`. Raises :class:`PkiError`, :class:`OSError`.
    """
    if CA in users:
        raise PkiError("the authority cannot be revoked: make a new one in another folder, and all certificates anew")
    serials = serials_of(folder, users, now)
    if not serials:
        known = ", ".join(sorted(each.name for each in all_issued(folder))) or "none"
        raise PkiError(f"there is no certificate of {users[0]!r} that is valid; issued: {known}")
    revoke(folder, serials, now)
    return len(serials)


def list_superseded(folder: Path, users: Sequence[str], now: datetime) -> int:
    """Revoke every certificate of ``users`` but the one that lies in ``folder``; return how many there were.

    Raises :class:`PkiError` where the one to keep is unknown: for a user without one, and while a charger may use a
    new one that waits beside it; :class:`OSError`.
    """
    for name in users:
        if waiting(folder, name) is not None:
            raise PkiError(
                f"whether {name} uses {name}.pem or {waiting_path(folder, name).name} is not known yet: "
                f"chargebus renew-certificate {name} asks it, and revokes the right one"
            )
    kept = {read(folder / f"{name}.pem").serial for name in users}
    superseded = serials_of(folder, users, now) - kept - revoked_serials(folder)
    revoke(folder, superseded, now)
    return len(superseded)


def retire(folder: Path, users: Sequence[str]) -> None:
    """Put the certificates of ``users`` away and delete their keys, which open nothing any more."""
    away = folder / RETIRED
    away.mkdir(mode=0o700, exist_ok=True)
    for name in users:
        (folder / f"{name}.key").unlink(missing_ok=True)
        if (folder / f"{name}.pem").exists():
            (folder / f"{name}.pem").replace(away / f"{name}.pem")


class Eviction:
    """Ends what a user has open at the broker, and proves that it does not come in again.

    Made before the files are put away: it keeps the user's certificate in order to try it.
    """

    def __init__(self, folder: Path, user: str) -> None:
        """Read what there is of ``user``. Raises :class:`PkiError`."""
        self.user = user
        self._ca = folder / f"{CA}.pem"
        certificate, key = folder / f"{user}.pem", folder / f"{user}.key"
        has_both = certificate.exists() and key.exists()
        self._old = self._context(certificate.read_bytes(), key.read_bytes()) if has_both else None
        self._folder = folder

    def _context(self, certificate: bytes, key: bytes) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self._ca)
        with tempfile.TemporaryDirectory() as private:
            file = Path(private) / "both.pem"
            file.touch(0o600)
            file.write_bytes(key + b"\n" + certificate)
            context.load_cert_chain(file)
        return context

    def is_refused(self, door: Door, clock_s: Callable[[], float] = time.monotonic) -> bool | None:
        """Try the revoked certificate until it is refused; None if it is not here to be tried.

        Raises :class:`OSError` if the broker is not there.
        """
        if self._old is None:
            return None
        end_s = clock_s() + WITHIN_S
        while knock(door.host, door.port, self._old, self.user) is Answer.LET_IN:
            if clock_s() >= end_s:
                return False
            time.sleep(_POLL_S)
        return True

    def end_connection(self, door: Door, now: datetime) -> bool:
        """Take over the user's connection and session, and leave. Raises :class:`PkiError`, :class:`OSError`."""
        taking_over = self._context(*sign_briefly(self._folder, self.user, now))
        return knock(door.host, door.port, taking_over, self.user) is Answer.LET_IN
