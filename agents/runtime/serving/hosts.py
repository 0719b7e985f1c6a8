"""Under which names a server may be asked, and from which pages (DNS rebinding, requests of foreign pages). Pure.

A browser sends along whose page it shows (Origin) and whom it believes to ask (Host). A page of an attacker can make
its own name point to a machine of the site's network; it cannot make the browser write another name into Host.
"""

import ipaddress
from collections.abc import Iterable
from http import HTTPStatus

_WILDCARDS = ("0.0.0.0", "::", "")
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFAULT_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}


class KnownHosts:
    """The names by which a server may be asked."""

    def __init__(self, bind: str, names: Iterable[str] = ()) -> None:
        """Know ``names``, the names of this machine for itself, and what ``bind``, the address it listens on, means.

        A server that listens on all addresses may be asked by any address: it is names that can be pointed at it.
        """
        self._any_address = bind in _WILDCARDS
        self._names = _LOCAL_NAMES | {name.lower().rstrip(".") for name in names}
        if not self._any_address:
            self._names |= {bind.lower()}

    def know(self, host: str) -> bool:
        """Tell whether the value of a Host header, with or without port, is one of them."""
        parts = split_host(host)
        if parts is None:
            return False
        name = parts[0]
        return name in self._names or (self._any_address and _is_address(name))


def split_host(value: str) -> tuple[str, str] | None:
    """Return name and port ("" without one) of a Host header, the name in lower case; None if it is none."""
    value = value.strip().lower()
    if value.startswith("["):
        name, closed, rest = value[1:].partition("]")
        if not closed or not _is_address(name) or (rest and not rest.startswith(":")):
            return None
        port = rest[1:]
    else:
        name, _, port = value.partition(":")
        name = name.rstrip(".")
    if not name or (port and not (port.isascii() and port.isdecimal())):
        return None
    if any(not (char.isalnum() or char in "-._:") for char in name):
        return None
    return name, port


def same_origin(origin: str, host: str) -> bool:
    """Tell whether a page of ``origin`` was served by whoever is asked as ``host``.

    The scheme is left out: a proxy may speak TLS for the server.
    """
    scheme, separator, rest = origin.strip().lower().partition("://")
    page, asked = split_host(rest), split_host(host)
    if not separator or page is None or asked is None or scheme not in _DEFAULT_PORTS:
        return False
    default = _DEFAULT_PORTS[scheme]
    return page[0] == asked[0] and (page[1] or default) == (asked[1] or default)


def refusal(
    headers: Iterable[tuple[bytes, bytes]], hosts: KnownHosts, *, upgrade: bool
) -> tuple[HTTPStatus, str] | None:
    """Return why a request of any browser must not be answered, or None. ``upgrade``: it asks for a WebSocket. Pure."""
    found: dict[bytes, str] = {}
    for name, value in headers:
        if name in found and name in (b"host", b"origin"):
            return HTTPStatus.BAD_REQUEST, f"{name.decode()} stands twice\n"
        found[name] = value.decode("latin-1")
    host, origin = found.get(b"host"), found.get(b"origin")
    if host is None:
        # HTTP/1.0, which no browser speaks.
        return None if origin is None else (HTTPStatus.FORBIDDEN, "an Origin without a Host\n")
    if not hosts.know(host):
        words = f"not served under the name {host[:100]!r}: use the address, or add the name to hosts in site.toml\n"
        return HTTPStatus.MISDIRECTED_REQUEST, words
    if origin is not None and not same_origin(origin, host):
        return HTTPStatus.FORBIDDEN, "not for pages of other sites\n"
    foreign = found.get(b"sec-fetch-site") in ("cross-site", "same-site")
    if foreign and (upgrade or found.get(b"sec-fetch-mode") != "navigate"):
        return HTTPStatus.FORBIDDEN, "not for pages of other sites\n"
    return None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
