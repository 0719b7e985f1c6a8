"""Addresses that a charger fetches files from and puts them to."""

SCHEMES = {"http": 80, "https": 443}


class TransferFailed(Exception):
    """A file could not be fetched or put; the text says why."""


class Url:
    """A parsed ``http`` or ``https`` address."""

    def __init__(self, text: str) -> None:
        """Raises :class:`TransferFailed` for what this charger cannot reach."""
        scheme, mark, rest = text.partition("://")
        if not mark or scheme not in SCHEMES:
            raise TransferFailed("this charger transfers files over http and https only, not %s" % (scheme[:10] or "?"))
        self.is_secure = scheme == "https"
        place, slash, path = rest.partition("/")
        if "?" in place or "#" in place:
            raise TransferFailed("the address has no path")
        user, at, place = place.rpartition("@")
        self.user = user if at else ""
        """``user:password`` for Basic authentication, or empty."""
        host, colon, port = place.rpartition(":")
        if not colon or place.endswith("]"):
            host, port = place, str(SCHEMES[scheme])
        host = host.strip("[]")
        if not port.isdigit() or len(port) > 5 or not 1 <= int(port) <= 65535 or not host:
            raise TransferFailed("host or port of the address cannot be read")
        self.host = host
        self.port = int(port)
        self.place = place
        self.path = slash + path.partition("#")[0] if slash else "/"

    def safe(self) -> str:
        """Return where it leads without user, password and query, for logs and reasons."""
        return "%s%s" % (self.place, self.path.partition("?")[0])
