"""Passwords for one run of ``chargebus up``: drawn anew at every start, known to its own files only."""

import base64
import hashlib
import secrets
from collections.abc import Iterable, Mapping

_ITERATIONS = 101
"""What Mosquitto's own tool uses. These passwords are random and live for one run: guessing is hopeless anyway."""


def draw(users: Iterable[str]) -> dict[str, str]:
    """Return a new password for every user."""
    return {user: secrets.token_urlsafe(24) for user in users}


def mosquitto_file(passwords: Mapping[str, str]) -> str:
    """Return the text of Mosquitto's ``password_file``."""
    return "".join(f"{user}:{_hashed(password)}\n" for user, password in passwords.items())


def _hashed(password: str) -> str:
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    return f"$7${_ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
