"""What belongs on a charger, what is there, and bringing the two together."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from agents.cli.device.device import Device
from agents.cli.exits import CliError, ExitCode

MAIN = b"from firmware.boards.esp32_host import start\n\nstart()\n"
"""The device's ``main.py``."""

HOST_ONLY = ("app/seam.py", "boards/__main__.py", "boards/tables.py", "boards/unix_main.py", "boards/unix_station.py")
"""Files of the firmware that no charger imports."""

_LIST = """
import hashlib, json, os
def files(folder):
    try:
        entries = list(os.ilistdir(folder))
    except OSError:
        return
    for entry in entries:
        path = folder + "/" + entry[0]
        if entry[1] == 0x4000:
            yield from files(path)
        else:
            yield path
def digest(path):
    total, block = hashlib.sha256(), bytearray(512)
    with open(path, "rb") as file:
        while True:
            count = file.readinto(block)
            if not count:
                break
            total.update(memoryview(block)[:count])
    return "".join(["%02x" % byte for byte in total.digest()])
found = {path: digest(path) for path in files(ROOT + "/lib/firmware")}
try:
    found[ROOT + "/main.py"] = digest(ROOT + "/main.py")
except OSError:
    pass
print(json.dumps(found))
"""

_RUNS_FROM = """
import json, sys
for name in [name for name in sys.modules if name.split(".")[0] == "firmware"]:
    del sys.modules[name]
try:
    import firmware.app.version as version
    print(json.dumps([getattr(version, "__file__", ""), version.FIRMWARE]))
except ImportError:
    print("null")
"""

_REMOVE = "import os\nos.remove(PATH)"


@dataclass(frozen=True)
class Difference:
    """What is not as it should be on a device."""

    missing: tuple[str, ...]
    changed: tuple[str, ...]
    stale: tuple[str, ...]
    """Files of the firmware that no longer belong to it."""

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.missing or self.changed or self.stale)

    def lines(self) -> list[str]:
        """Return it in words, a file a line."""
        rows = (("missing", self.missing), ("changed", self.changed), ("not ours any more", self.stale))
        return [f"{path}: {word}" for word, paths in rows for path in paths]


def wanted_files(root: str, source: Path | None = None) -> dict[str, bytes]:
    """Return what belongs on a device, by its path there.

    It is found beside this program: the command line and the firmware share no code, only an installation. Everything
    goes below ``/lib``, which MicroPython searches after what is frozen into it: so the app of an image that came over
    the bus is never hidden by older files. Raises :class:`CliError`.
    """
    folder = _source() if source is None else source
    files = {f"{root}/lib/firmware/__init__.py": (folder / "__init__.py").read_bytes()}
    for part in ("app", "boards"):
        for path in sorted((folder / part).rglob("*.py")):
            name = path.relative_to(folder).as_posix()
            if name not in HOST_ONLY:
                files[f"{root}/lib/firmware/{name}"] = path.read_bytes()
    files[f"{root}/main.py"] = MAIN
    return files


def _source() -> Path:
    spec = find_spec("firmware")
    if spec is None or spec.origin is None:
        raise CliError(ExitCode.CONFIGURATION, "the firmware is not installed beside this program")
    return Path(spec.origin).parent


def compare(device: Device, wanted: dict[str, bytes], root: str) -> Difference:
    """Return how the device differs, by SHA-256 of every file on it. Raises :class:`CliError`."""
    there: dict[str, str] = device.run(_LIST.replace("ROOT", repr(root)))
    digests = {path: hashlib.sha256(data).hexdigest() for path, data in wanted.items()}
    return Difference(
        tuple(path for path in wanted if path not in there),
        tuple(path for path in wanted if path in there and there[path] != digests[path]),
        tuple(sorted(path for path in there if path not in wanted)),
    )


def frozen_version(device: Device, root: str) -> str | None:
    """Return the version of the app that is frozen into the device's firmware, None if none is."""
    found = device.run(_RUNS_FROM)
    return None if found is None or found[0].startswith((f"{root}/lib/", "/")) else str(found[1])


def install(device: Device, wanted: dict[str, bytes], root: str, told: Callable[[str], None]) -> Difference:
    """Write what differs, remove what no longer belongs, and look again; return what had differed.

    The device can be interrupted at any moment: every file is the old or the new one, and the next run goes on.
    Raises :class:`CliError`, also if the device does not hold what was written.
    """
    before = compare(device, wanted, root)
    # main.py comes last: until everything else is there, an empty device stays at its prompt.
    for path in sorted((*before.missing, *before.changed), key=lambda path: (path == f"{root}/main.py", path)):
        told(path)
        device.write(path, wanted[path])
    for path in before.stale:
        told(f"{path} (removed)")
        device.run(_REMOVE.replace("PATH", repr(path)))
    after = compare(device, wanted, root)
    if after:
        raise CliError(ExitCode.FAILED, "the device does not hold what was written: " + "; ".join(after.lines()))
    return before
