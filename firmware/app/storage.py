"""Small files on a real file system: ESP32's flash, or a folder on a host."""

import os

_NO_SUCH_FILE = 2


class FileStorage:
    """Keeps each file in ``folder``, which must exist.

    Replaced by writing a new file and renaming it, which littlefs and POSIX do atomically. What a file system keeps
    back is pushed out with ``fsync`` where there is one; on MicroPython ``flush`` does it.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def _path(self, name: str) -> str:
        return self._folder + "/" + name

    def read(self, name: str) -> bytes | None:
        """Return the whole file, or None if there is none."""
        try:
            with open(self._path(name), "rb") as file:
                return file.read()
        except OSError as error:
            if error.args[0] != _NO_SUCH_FILE:
                raise
            return None

    def write(self, name: str, data: bytes) -> None:
        """Replace the file as a whole."""
        path = self._path(name)
        try:
            with open(path + ".new", "wb") as file:
                file.write(data)
                self._push(file)
            os.rename(path + ".new", path)
        except OSError:
            # What was begun must not fill the flash for ever.
            self.remove(name + ".new")
            raise
        self._push_folder()

    def append(self, name: str, data: bytes) -> None:
        """Add to the file's end."""
        with open(self._path(name), "ab") as file:
            file.write(data)
            self._push(file)

    def remove(self, name: str) -> None:
        """Delete the file if there is one."""
        try:
            os.remove(self._path(name))
        except OSError as error:
            if error.args[0] != _NO_SUCH_FILE:
                raise

    def size(self, name: str) -> int:
        """Length in bytes; 0 if there is no such file."""
        try:
            return int(os.stat(self._path(name))[6])
        except OSError as error:
            if error.args[0] != _NO_SUCH_FILE:
                raise
            return 0

    def _push(self, file: object) -> None:
        file.flush()  # type: ignore[attr-defined]
        if hasattr(os, "fsync"):
            os.fsync(file.fileno())  # type: ignore[attr-defined]

    def _push_folder(self) -> None:
        """Make a rename last: on POSIX it is the folder that has changed."""
        if hasattr(os, "fsync") and hasattr(os, "O_DIRECTORY"):
            number = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(number)
            finally:
                os.close(number)
