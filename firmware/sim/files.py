"""A file server in virtual time, for worlds without sockets: the app's ``Fetch`` and ``Put`` over a dictionary."""

from collections.abc import Callable, Iterator

from firmware.app.url import TransferFailed, Url


class VirtualFiles:
    """Files by their address. :meth:`fetch` and :meth:`put` are what a :class:`VirtualFirmware` is given."""

    def __init__(self) -> None:
        """Begin without files."""
        self.offered: dict[str, bytes] = {}
        """What chargers may fetch; a test may take it away at any time."""
        self.taken: dict[str, bytes] = {}
        """What chargers have put."""
        self.is_down = False
        """Whether nobody answers."""

    def fetch(self, url: str) -> "VirtualFetch":
        """Begin to fetch. Raises :class:`TransferFailed` like the real one."""
        return VirtualFetch(self, _checked(url))

    def put(self, url: str, length: int, pieces: Callable[[], Iterator[bytes]]) -> "VirtualPut":
        """Begin to put. Raises :class:`TransferFailed` like the real one."""
        return VirtualPut(self, _checked(url), length, pieces)


class VirtualFetch:
    """A file on its way to a charger."""

    length: int | None = None

    def __init__(self, files: VirtualFiles, url: str) -> None:
        """Begin."""
        self._files, self._url, self._at = files, url, 0

    def read(self, most: int) -> bytes | None:
        """Return the next piece; ``b""`` while nobody answers, None at the end."""
        if self._files.is_down:
            return b""
        data = self._files.offered.get(self._url)
        if data is None:
            raise TransferFailed("the server answers 404 Not Found")
        self.length = len(data)
        piece = data[self._at : self._at + most]
        self._at += len(piece)
        return piece or None

    def close(self) -> None:
        """Be done with it."""


class VirtualPut:
    """A file on its way from a charger; it arrives at the first look."""

    def __init__(self, files: VirtualFiles, url: str, length: int, pieces: Callable[[], Iterator[bytes]]) -> None:
        """Begin."""
        self._files, self._url, self._length, self._pieces = files, url, length, pieces

    def poll(self) -> bool:
        """Whether it has arrived."""
        if self._files.is_down:
            raise TransferFailed("nobody answers")
        self._files.taken[self._url] = b"".join(self._pieces())[: self._length]
        return True

    def close(self) -> None:
        """Be done with it."""


def _checked(url: str) -> str:
    Url(url)
    return url
