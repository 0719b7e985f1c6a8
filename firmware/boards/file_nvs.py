"""``esp32.NVS`` for hosts without one: an entry is a file."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..app.seam import Storage

_MAX_KEY = 15
_NOT_FOUND = 2
_TOO_SMALL = -0x110C


class FileNvs:
    """Entries in a storage, with the calls and the limits of ``esp32.NVS``."""

    def __init__(self, storage: "Storage") -> None:
        self._storage = storage

    def get_blob(self, key: str, buffer: bytearray) -> int:
        """Fill ``buffer`` and return the length. Raises OSError."""
        data = self._storage.read(_checked(key))
        if data is None:
            raise OSError(_NOT_FOUND, "ESP_ERR_NVS_NOT_FOUND")
        if len(data) > len(buffer):
            raise OSError(_TOO_SMALL, "ESP_ERR_NVS_INVALID_LENGTH")
        buffer[: len(data)] = data
        return len(data)

    def set_blob(self, key: str, value: bytes) -> None:
        """Set. Raises OSError."""
        self._storage.write(_checked(key), value)

    def erase_key(self, key: str) -> None:
        """Delete. Raises OSError."""
        if self._storage.read(_checked(key)) is None:
            raise OSError(_NOT_FOUND, "ESP_ERR_NVS_NOT_FOUND")
        self._storage.remove(key)

    def commit(self) -> None:
        """Everything lasts already."""


def _checked(key: str) -> str:
    if not 1 <= len(key) <= _MAX_KEY:
        raise OSError(-0x1109, "ESP_ERR_NVS_KEY_TOO_LONG: " + key)
    return key
