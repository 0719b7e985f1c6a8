"""A charger's flash in memory, which can lose power at any write."""

from collections.abc import Callable

REFUSE = -1
"""A fate: the flash refuses the write."""


class PowerLost(BaseException):
    """The power went during a write. Not an :class:`Exception`: no firmware can catch it."""


class WorldStorage:
    """The storage seam of the app: whole files are replaced as one, appends may be torn.

    ``fate(name, size)`` is asked before each write: None lets it happen, a number cuts the power after so many
    bytes (of a replacement: 0 keeps the old file, anything else the new one), :data:`REFUSE` makes this write fail.
    ``full`` makes every write fail.
    ``appended`` is told the file and the bytes of every append that is whole on the flash.
    """

    def __init__(
        self,
        fate: Callable[[str, int], int | None] | None = None,
        appended: Callable[[str, bytes], object] = lambda _name, _data: None,
    ) -> None:
        self.files: dict[str, bytearray] = {}
        self.full = False
        self.writes = 0
        self._fate = fate
        self._appended = appended

    def read(self, name: str) -> bytes | None:
        data = self.files.get(name)
        return None if data is None else bytes(data)

    def size(self, name: str) -> int:
        return len(self.files.get(name, b""))

    def write(self, name: str, data: bytes | str) -> None:
        raw = _bytes(data)
        cut = self._before(name, len(raw))
        if cut is None or cut > 0:
            self.files[name] = bytearray(raw)
        if cut is not None:
            raise PowerLost

    def append(self, name: str, data: bytes | str) -> None:
        raw = _bytes(data)
        cut = self._before(name, len(raw))
        self.files.setdefault(name, bytearray()).extend(raw if cut is None else raw[:cut])
        if cut is None or cut >= len(raw):
            self._appended(name, raw)
        if cut is not None:
            raise PowerLost

    def remove(self, name: str) -> None:
        cut = self._before(name, 1)
        if cut is None or cut > 0:
            self.files.pop(name, None)
        if cut is not None:
            raise PowerLost

    def _before(self, name: str, size: int) -> int | None:
        self.writes += 1
        cut = None if self._fate is None else self._fate(name, size)
        if self.full or cut == REFUSE:
            raise OSError(28, "No space left on device")
        return cut


def _bytes(data: bytes | bytearray | str) -> bytes:
    return data.encode() if isinstance(data, str) else bytes(data)
