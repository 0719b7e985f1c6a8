"""How virtual chargers log in at the broker."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path


class LoginError(Exception):
    """The password file cannot be used; the text says why and what it must look like."""


@dataclass(frozen=True)
class BrokerLogin:
    """Where the broker is, and what each charger says to be let in. Its user name is its id."""

    host: str
    port: int
    shared_password: str | None = None
    """Password of every charger that has none of its own; None for none."""
    passwords: dict[str, str] = field(default_factory=dict)
    """Password of each charger."""
    tls: ssl.SSLContext | None = None
    pki: Path | None = None
    """Folder with ``ca.pem`` and each charger's ``{id}.pem`` and ``{id}.key``; it counts instead of ``tls``."""

    def password(self, charger: str) -> str | None:
        """Return the password of ``charger``, None to log in without."""
        return self.passwords.get(charger, self.shared_password)

    def context(self, charger: str) -> ssl.SSLContext | None:
        """Return how ``charger`` speaks TLS, None if it does not. Raises :class:`LoginError`."""
        if self.pki is None:
            return self.tls
        try:
            context = ssl.create_default_context(cafile=str(self.pki / "ca.pem"))
            context.load_cert_chain(self.pki / f"{charger}.pem", self.pki / f"{charger}.key")
        except OSError as error:
            raise LoginError(f"certificates of {charger} in {self.pki}: {error}") from None
        return context


def read_passwords(path: Path) -> tuple[str | None, dict[str, str]]:
    """Return the shared password and those of single chargers from a file.

    A line ``charger:password`` is for one charger, a single other line is shared by all. Blank lines and lines that
    begin with ``#`` are skipped. Raises :class:`LoginError`.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise LoginError(f"password file {path}: {error}") from None
    shared: str | None = None
    passwords: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("#"):
            continue
        charger, colon, password = line.partition(":")
        if colon:
            passwords[charger] = password
        elif shared is None:
            shared = line
        else:
            raise LoginError(f"password file {path}, line {number}: only one line may be without a charger's name")
    return shared, passwords
