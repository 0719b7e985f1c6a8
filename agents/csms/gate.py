"""Who may connect as a station: its name, its password, and that no browser is behind it. Pure."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from enum import Enum
from http import HTTPStatus
from urllib.parse import unquote

from websockets.datastructures import Headers

from agents.csms.settings import CsmsSettings
from agents.runtime.serving.hosts import KnownHosts, refusal

MOST_IDENTITY = 48
"""Longest name of a station."""


class Verdict(Enum):
    """What is answered to a handshake: HTTP status and words, None for a station that may connect."""

    ADMITTED = None
    UNKNOWN = (HTTPStatus.NOT_FOUND, "no station of this name: add a table [csms.stations.<name>]\n")
    TABLE_NAME = (
        HTTPStatus.NOT_FOUND,
        "a table of site.toml has this name, and its station another: connect with the identity of that table\n",
    )
    BROWSER = (HTTPStatus.FORBIDDEN, "not for web pages; if a station sends an Origin, name its host in hosts\n")
    WRONG_PASSWORD = (HTTPStatus.UNAUTHORIZED, "wrong or missing password\n")


class Gate:
    """Decides about a handshake. A pure function of the request, the settings and the passwords."""

    def __init__(self, settings: CsmsSettings, passwords: Mapping[str, str]) -> None:
        """``passwords`` by station identity; a station without one may connect without."""
        self._known = {station.identity or name for name, station in settings.stations.items()}
        self._tables = frozenset(settings.stations)
        self._accept_unknown = settings.accept_unknown
        self._hosts = KnownHosts(settings.host, settings.hosts)
        self._passwords = passwords

    def knows(self, identity: str) -> bool:
        """Tell whether there is a table for it."""
        return identity in self._known

    def asks_password(self, identity: str) -> bool:
        """Tell whether a station must show a password."""
        return identity in self._passwords

    def judge(self, path: str, headers: Headers) -> Verdict:
        """Return what is answered to a handshake."""
        # Stations of some makes send an Origin too. Without one, no browser asks, and any Host will do.
        if "Origin" in headers or any(name.lower().startswith("sec-fetch-") for name in headers):
            pairs = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in headers.raw_items()]
            if refusal(pairs, self._hosts, upgrade=True) is not None:
                return Verdict.BROWSER
        identity = identity_of(path)
        if identity is None:
            return Verdict.UNKNOWN
        if identity not in self._known:
            # Connectors are called after the table: a stranger of that name would be taken for its station.
            if identity in self._tables:
                return Verdict.TABLE_NAME
            return Verdict.ADMITTED if self._accept_unknown else Verdict.UNKNOWN
        expected = self._passwords.get(identity)
        if expected is None:
            return Verdict.ADMITTED
        given = _basic(headers.get_all("Authorization"))
        if given is None or not _equal(given, f"{identity}:{expected}"):
            return Verdict.WRONG_PASSWORD
        return Verdict.ADMITTED


def identity_of(path: str) -> str | None:
    """Return the name of the station in the path of its URL: the last part."""
    name = unquote(path.split("?", 1)[0].rstrip("/").rsplit("/", 1)[-1])
    return name if 0 < len(name) <= MOST_IDENTITY and name.isprintable() and "/" not in name else None


def _basic(values: list[str]) -> str | None:
    if len(values) != 1:
        return None
    scheme, _, encoded = values[0].partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
